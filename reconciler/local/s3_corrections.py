"""S3 of moto put right where a difference to AWS matters here: what a new bucket is, and whose ACLs count."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import threading
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, PublicAccessBlock, S3Backend
from moto.s3.responses import S3Response

from reconciler.local.correction import Correction
from reconciler.local.received import Received

GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
OWNER = "BucketOwnerEnforced"
SSE_C = "SSE-C"
CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"
# moto's, of PutObject, CopyObject, UploadPart, UploadPartCopy, and a multipart upload's begin and end.
WRITES = ("put_object", "copy_object", "upload_part", "upload_part_copy", "_key_response_post")
OF_AN_OBJECT = ("put_object", "copy_object", "delete_object", "_key_response_post")  # moto's that make or delete one
LOCKS = 64  # objects share them, so that there aren't more and more
PRIVATE = "private"  # the canned ACL that nobody else is in
OPEN_TO_OWNER = frozenset({"bucket-owner-full-control"})  # what a request may still ask for where no ACL counts


class NoAcls(S3ClientError):
    """ACLs are switched off for this bucket."""

    code = "AccessControlListNotSupported"

    def __init__(self) -> None:
        super().__init__("The bucket does not allow ACLs")


class EncryptionBlocked(S3ClientError):
    """The bucket doesn't take content under keys that S3 never keeps."""

    code = "AccessDenied"
    status = 403

    def __init__(self) -> None:
        super().__init__("The bucket blocks the encryption type SSE-C")


class BadDigest(S3ClientError):
    """The content isn't the one that its checksum is of."""

    code = "BadDigest"
    status = 400

    def __init__(self) -> None:
        super().__init__("The SHA256 you specified did not match the calculated checksum.")


class AclsLeft(S3ClientError):
    """An ACL that lets others in is taken away before ACLs are switched off."""

    code = "InvalidBucketAclWithObjectOwnership"

    def __init__(self) -> None:
        super().__init__("Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")


def _aes256() -> dict[str, Any]:
    return {
        "Rule": {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": "false",
            "BlockedEncryptionTypes": {"EncryptionType": SSE_C},
        },
    }


def _new_buckets_are_private() -> None:
    """Since 2023 a new bucket is encrypted with AES256, blocks all public access and has no ACLs that count."""
    original: Any = FakeBucket.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.encryption = _aes256()
        self.public_access_block = PublicAccessBlock(True, True, True, True)
        self.ownership_rule = OWNER

    def delete_bucket_encryption(self: Any, bucket_name: str) -> None:
        self.get_bucket(bucket_name).encryption = _aes256()

    FakeBucket.__init__ = init  # type: ignore[method-assign]
    S3Backend.delete_bucket_encryption = delete_bucket_encryption  # type: ignore[method-assign]


def _acls_count_only_where_they_are_on() -> None:
    """moto keeps the ownership of a bucket's objects, and takes every ACL whatever it is."""
    bucket_put: Any = S3Response._bucket_response_put
    object_acl: Any = S3Response.put_object_acl
    controls: Any = S3Backend.put_bucket_ownership_controls
    upload: Any = S3Response.put_object

    def put_bucket(self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        bucket = self.backend.buckets.get(bucket_name)
        if "acl" in querystring and bucket is not None and bucket.ownership_rule == OWNER:
            raise NoAcls
        # A new bucket may be asked to be private, as it is anyhow.
        owner = request.headers.get("x-amz-object-ownership", OWNER) == OWNER
        if not querystring and owner and request.headers.get("x-amz-acl", PRIVATE) != PRIVATE:
            raise AclsLeft
        return bucket_put(self, request, bucket_name, querystring)

    def put_object_acl(self: Any) -> Any:  # not the backend's, which completes a multipart upload with it
        if self.backend.get_bucket(self.bucket_name).ownership_rule == OWNER:
            raise NoAcls
        return object_acl(self)

    def put_controls(self: Any, bucket_name: str, ownership: Any) -> None:
        if ownership == OWNER and len(self.get_bucket(bucket_name).acl.grants) > 1:
            raise AclsLeft
        controls(self, bucket_name, ownership)

    def put_object(self: Any) -> Any:
        acl = self.headers.get("x-amz-acl", "")
        bucket = self.backend.buckets.get(self.bucket_name)
        if acl not in ("", *OPEN_TO_OWNER) and bucket is not None and bucket.ownership_rule == OWNER:
            raise NoAcls
        return upload(self)

    S3Response._bucket_response_put = put_bucket  # type: ignore[method-assign]
    S3Response.put_object_acl = put_object_acl  # type: ignore[method-assign]
    S3Backend.put_bucket_ownership_controls = put_controls  # type: ignore[method-assign]
    S3Response.put_object = put_object  # type: ignore[method-assign]


def _event_bridge_is_shown() -> None:
    """moto keeps that events go to EventBridge, acts on it, and leaves it out of what it answers."""
    original: Any = S3Response.get_bucket_notification

    def get(self: Any) -> Any:
        answer = original(self)
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is None or configuration.event_bridge is None:
            return answer
        status, headers, body = answer
        end = "</NotificationConfiguration>"
        whole = re.sub(r"(<NotificationConfiguration[^>]*)/>", rf"\1>{end}", str(body))
        return status, headers, whole.replace(end, f"<EventBridgeConfiguration/>{end}")

    S3Response.get_bucket_notification = get  # type: ignore[method-assign]


def _customer_keys_are_blocked() -> None:
    """Since April 2026 a new bucket takes nothing under a customer's own key. A rule that doesn't speak of it leaves it
    as it is. moto knows nothing of it.
    """
    put: Any = S3Backend.put_bucket_encryption
    answered: Any = S3Response.serialized

    def put_bucket_encryption(self: Any, bucket_name: str, encryption: Any) -> None:
        old_rule = self.get_bucket(bucket_name).encryption or _aes256()
        encryption["Rule"].setdefault("BlockedEncryptionTypes", old_rule["Rule"]["BlockedEncryptionTypes"])
        put(self, bucket_name, encryption)

    def serialized(self: Any, result: Any) -> Any:
        whole = getattr(result, "result", None)
        if isinstance(whole, dict) and "ServerSideEncryptionConfiguration" in whole:
            blocked = _blocked(self.backend.get_bucket(self.bucket_name))
            whole["ServerSideEncryptionConfiguration"]["Rules"][0]["BlockedEncryptionTypes"] = {
                "EncryptionType": blocked
            }
        return answered(self, result)

    S3Backend.put_bucket_encryption = put_bucket_encryption  # type: ignore[method-assign]
    S3Response.serialized = serialized  # type: ignore[assignment, method-assign]
    for name in WRITES:
        setattr(S3Response, name, _without_customer_keys(getattr(S3Response, name)))


def _without_customer_keys(write: Any) -> Any:
    """The operation, which refuses a customer's key where the bucket does. One to read what is copied is none."""

    @functools.wraps(write)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        bucket = self.backend.buckets.get(self.bucket_name)
        if self.headers.get(CUSTOMER_KEY) and bucket is not None and SSE_C in _blocked(bucket):
            raise EncryptionBlocked
        return write(self, *args, **kwargs)

    return checked


def _blocked(bucket: Any) -> list[str]:
    blocked = bucket.encryption["Rule"]["BlockedEncryptionTypes"]["EncryptionType"]
    return [blocked] if isinstance(blocked, str) else list(blocked)


def _what_its_checksum_is_not_of_is_refused() -> None:
    """moto keeps the SHA-256 that an upload says, whatever its content is."""
    for name in ("put_object", "upload_part"):
        setattr(S3Response, name, _with_its_checksum(getattr(S3Response, name)))


def _with_its_checksum(write: Any) -> Any:
    @functools.wraps(write)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        expected = self.headers.get("x-amz-checksum-sha256")
        if expected and base64.b64encode(bytes.fromhex(_sha256(self.body))).decode() != expected:
            raise BadDigest
        return write(self, *args, **kwargs)

    return checked


def _sha256(body: Any) -> str:
    if isinstance(body, Received):
        return body.sha256
    return hashlib.sha256(body.encode() if isinstance(body, str) else body or b"").hexdigest()


def _writes_of_an_object_come_one_after_the_other() -> None:
    """moto looks whether the condition of a write holds, and then writes: of two at once both may find that it does."""
    locks = [threading.Lock() for _ in range(LOCKS)]
    for name in OF_AN_OBJECT:
        setattr(S3Response, name, _alone(getattr(S3Response, name), locks))


def _alone(write: Any, locks: list[threading.Lock]) -> Any:
    @functools.wraps(write)
    def written(self: Any, *args: Any, **kwargs: Any) -> Any:
        with locks[hash((self.bucket_name, self.parse_key_name())) % LOCKS]:
            return write(self, *args, **kwargs)

    return written


def _listings_begin_where_they_are_asked_to() -> None:
    """moto sorts all of a bucket for each page of a listing: a second for 300,000 objects. What comes before the page
    needs no look, since it isn't in it, nor what is rolled up with it.
    """
    original: Any = S3Backend.list_objects_v2

    def list_objects_v2(
        self: Any, bucket: Any, prefix: Any, delimiter: Any, continuation_token: Any, start_after: Any, max_keys: Any
    ) -> Any:
        after = self._pagination_tokens.get(continuation_token) if continuation_token else start_after
        if after:
            names = [name for name in list(dict.keys(bucket.keys)) if name > after and name.startswith(prefix or "")]
            bucket = _Some(bucket, {name: bucket.keys[name] for name in names})
        return original(self, bucket, prefix, delimiter, continuation_token, start_after, max_keys)

    S3Backend.list_objects_v2 = list_objects_v2  # type: ignore[method-assign]


class _Some:
    """A bucket with some of its objects."""

    def __init__(self, bucket: Any, keys: Any) -> None:
        self.name, self.keys = bucket.name, keys


CORRECTIONS = (
    Correction("new buckets are private", f"{GUIDE}create-bucket-faq.html", _new_buckets_are_private),
    Correction(
        "ACLs count only where they are on", f"{GUIDE}about-object-ownership.html", _acls_count_only_where_they_are_on
    ),
    Correction(
        "events to EventBridge are shown", f"{GUIDE}enable-event-notifications-eventbridge.html", _event_bridge_is_shown
    ),
    Correction(
        "customers' keys are blocked",
        f"{GUIDE}blocking-unblocking-s3-c-encryption-gpb.html",
        _customer_keys_are_blocked,
    ),
    Correction(
        "content that its checksum isn't of is refused",
        f"{GUIDE}checking-object-integrity-upload.html",
        _what_its_checksum_is_not_of_is_refused,
    ),
    Correction(
        "writes of an object come one after the other",
        f"{GUIDE}conditional-writes.html",
        _writes_of_an_object_come_one_after_the_other,
    ),
    Correction(
        "listings look at no more than their page",
        "https://github.com/getmoto/moto/blob/master/moto/s3/models.py",
        _listings_begin_where_they_are_asked_to,
    ),
)
