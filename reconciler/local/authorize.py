"""Holds requests with credentials of the embedded IAM to their policies, and answers refusals as AWS words them.

That is what tasks ask, as their task role, and users and assumed roles, such as the one for CI. Its owner may do
everything. S3 is judged by bucket and key, roles that are
handed on by iam:PassRole, the services of a deploy by the resources that `resources` works out, others by the action
alone. What can't be told is refused (`plain_requests`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse
from xml.etree import ElementTree  # what it reads, moto reads too, and expat expands no bomb  # nosec B405
from xml.sax.saxutils import escape  # it escapes, and reads nothing  # nosec B406

from moto.utilities.utils import get_partition

from reconciler.local import kms, plain_requests, resources, rest
from reconciler.local.identities import Identity, judge, may_become, refusal
from reconciler.local.resources import Place

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
STS_OF_EVERYBODY = ("GetCallerIdentity", "GetAccessKeyInfo", "GetSessionToken", "DecodeAuthorizationMessage")
RARE_ACTIONS = {
    "replication": "{}ReplicationConfiguration", "accelerate": "{}AccelerateConfiguration",
    "object-lock": "{}BucketObjectLockConfiguration", "restore": "RestoreObject",
    "legal-hold": "{}ObjectLegalHold", "retention": "{}ObjectRetention",
    "inventory": "{}InventoryConfiguration", "analytics": "{}AnalyticsConfiguration",
    "metrics": "{}MetricsConfiguration",
}  # fmt: skip
OWNERS_PATHS = ("/_reconciler/", "/moto-api", "/latest/", "/favicon.ico")
IAM_PREFIX = {"monitoring": "cloudwatch", "email": "ses"}
KEY_ACTIONS = {
    "GET": {"uploadId": "ListMultipartUploadParts", "acl": "GetObjectAcl", "tagging": "GetObjectTagging",
            "versionId": "GetObjectVersion", "": "GetObject"},
    "HEAD": {"versionId": "GetObjectVersion", "": "GetObject"},
    "PUT": {"acl": "PutObjectAcl", "tagging": "PutObjectTagging", "uploadId": "PutObject", "": "PutObject"},
    "POST": {"uploads": "PutObject", "uploadId": "PutObject"},
    "DELETE": {"uploadId": "AbortMultipartUpload", "versionId": "DeleteObjectVersion",
               "tagging": "DeleteObjectTagging", "": "DeleteObject"},
}  # fmt: skip
BUCKET_ACTIONS = {
    "GET": {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads", "location": "GetBucketLocation",
            "versioning": "GetBucketVersioning", "policy": "GetBucketPolicy", "list-type": "ListBucket",
            "prefix": "ListBucket", "tagging": "GetBucketTagging", "encryption": "GetEncryptionConfiguration",
            "lifecycle": "GetLifecycleConfiguration", "publicAccessBlock": "GetBucketPublicAccessBlock",
            "acl": "GetBucketAcl", "": "ListBucket"},
    "HEAD": {"": "ListBucket"},
    "PUT": {"policy": "PutBucketPolicy", "acl": "PutBucketAcl", "versioning": "PutBucketVersioning",
            "tagging": "PutBucketTagging", "encryption": "PutEncryptionConfiguration",
            "lifecycle": "PutLifecycleConfiguration", "publicAccessBlock": "PutBucketPublicAccessBlock",
            "": "CreateBucket"},
    "DELETE": {"policy": "DeleteBucketPolicy", "lifecycle": "PutLifecycleConfiguration",
               "publicAccessBlock": "PutBucketPublicAccessBlock", "": "DeleteBucket"},
}  # fmt: skip
SUBRESOURCES = {
    "acl", "tagging", "policy", "versioning", "versions", "uploads", "uploadId", "location", "encryption", "lifecycle",
    "cors", "website", "logging", "notification", "publicAccessBlock", "ownershipControls", "delete", "restore",
    "legal-hold", "retention",
    "object-lock", "replication", "requestPayment", "accelerate", "inventory", "analytics", "metrics", "policyStatus",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One permission that a request needs. unless_denied: only a deny refuses it."""

    action: str
    resource: str
    context: dict[str, Any]
    unless_denied: bool = False


@dataclass(frozen=True)
class Refused:
    """An answer in the service's own form: HTTP status line, content type and body."""

    status: str
    content_type: str
    body: bytes


def no_simulator(environ: dict[str, Any]) -> Refused | None:
    """The refusal of what asks IAM's policy simulator, which moto lacks."""
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    if form and b"Action=SimulatePrincipalPolicy" in _body(environ):
        return answer(environ, "iam", "the embedded AWS has no policy simulator")
    return None


def judged(environ: dict[str, Any], identity: Identity, service: str) -> str | Refused:
    """The operation of a request that the identity may make (empty for S3's), or the refusal."""
    try:
        plain_requests.tidy(environ, service)
        operation, params = ("", {}) if service == "s3" else plain_requests.operation(environ, service)
    except plain_requests.Unclear as error:
        return answer(environ, service, f"User: {identity.arn} is not authorized to perform this: {error}")
    if service == "sts":
        message = _why_not_sts(identity, operation, params)
        return operation if message is None else answer(environ, service, message)
    for permission in needed(environ, service, identity.account_id, operation, params):
        message = refusal(
            identity, permission.action, permission.resource, permission.context, unless_denied=permission.unless_denied
        )
        if message is not None:
            return answer(environ, service, message)
    return operation


def _why_not_sts(identity: Identity, operation: str, params: dict[str, Any]) -> str | None:
    """A role's trust policy decides who may become it, and the identity's own policies."""
    if operation in STS_OF_EVERYBODY:
        return None
    role = str(params.get("RoleArn", ""))
    if operation == "AssumeRole" and may_become(identity, role):
        return None
    return f"User: {identity.arn} is not authorized to perform: sts:{operation} on resource: {role or '*'}"


def hides_missing_key(environ: dict[str, Any], identity: Identity) -> Refused | None:
    """S3 tells that a key isn't there only to who may list the bucket; the refusal for everyone else."""
    bucket, key = _bucket_and_key(environ)
    arn = f"arn:{get_partition(region_of(environ))}:s3:::{bucket}"
    if not key or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return None
    if judge(identity, "s3:ListBucket", arn, {"s3:prefix": key}) == "allowed":
        return None
    why = f'User: {identity.arn} is not authorized to perform: s3:ListBucket on resource: "{arn}" because no '
    return answer(environ, "s3", why + "identity-based policy allows the s3:ListBucket action")


def needed(
    environ: dict[str, Any], service: str, account: str, operation: str, params: dict[str, Any]
) -> Iterator[Asked]:
    """The permissions that a request needs."""
    if service == "s3":
        yield from _needed_s3(environ)
        yield from _keys_of_s3(environ, account)
        return
    place = Place(account, region_of(environ))
    for permission in resources.wanted(IAM_PREFIX.get(service, service), operation, params, place):
        yield Asked(
            permission.action,
            permission.resource,
            {**permission.context, "aws:requestedregion": place.region},
            permission.unless_denied,
        )


def region_of(environ: dict[str, Any]) -> str:
    """The region that a request is signed for; empty where none is named."""
    match = CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    return match[2] if match else ""


def _needed_s3(environ: dict[str, Any]) -> Iterator[Asked]:
    bucket, key = _bucket_and_key(environ)
    method = str(environ["REQUEST_METHOD"])
    query = parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)
    context = {"aws:securetransport": "true"}  # loopback stands in for TLS
    if not bucket:
        yield Asked("s3:ListAllMyBuckets", "*", context)
        return
    arn = f"arn:{get_partition(region_of(environ))}:s3:::{bucket}"
    if method == "POST" and "delete" in query and not key:
        for name, versions in _keys_to_delete(_body(environ)):
            for action in ("s3:DeleteObject", *(("s3:DeleteObjectVersion",) if versions else ())):
                yield Asked(action, f"{arn}/{name}", context)
        return
    actions = (KEY_ACTIONS if key else BUCKET_ACTIONS).get(method, {})
    special = [name for name in query if name in actions]
    rare = [name for name in query if name in SUBRESOURCES and name not in special]
    if not key:
        context |= {f"s3:{name}": query[name][0] for name in ("prefix", "delimiter") if name in query}
        context.setdefault("s3:prefix", "")
    resource = f"{arn}/{key}" if key else arn
    for name in special or ([] if rare else [""]):
        yield Asked(f"s3:{actions[name]}" if name in actions else f"s3:{method}", resource, context)
    for name in rare:
        yield Asked(f"s3:{_rare_action(method, name, of='Object' if key else 'Bucket')}", resource, context)
    if source := str(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")):
        parts = urlparse(source)  # as moto reads it
        version = "versionId" in parse_qs(parts.query, keep_blank_values=True)
        copied = f"arn:{get_partition(region_of(environ))}:s3:::{unquote(parts.path).lstrip('/')}"
        yield Asked("s3:GetObjectVersion" if version else "s3:GetObject", copied, context)


def _keys_of_s3(environ: dict[str, Any], account: str) -> Iterator[Asked]:
    """The use of a customer's key for an object's content, and for its checksum."""
    bucket, key = _bucket_and_key(environ)
    method, query = (
        str(environ["REQUEST_METHOD"]),
        parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True),
    )
    if not key or query.keys() & (SUBRESOURCES - {"uploads", "uploadId"}):
        return
    uses, region = list[kms.Use](), region_of(environ)
    if method == "GET" or (method == "HEAD" and "HTTP_X_AMZ_CHECKSUM_MODE" in environ):
        place = kms.of_object(account, region, bucket, key), "s3", account, region
        uses += kms.uses(*place, kms.DECRYPT)
    elif method in ("PUT", "POST"):
        parts = (kms.DECRYPT,) if query.keys() & {"uploads", "uploadId"} else ()
        uses += kms.uses(kms.of_bucket(account, region, bucket), "s3", account, region, kms.DATA_KEY, *parts)
        source = unquote(urlparse(str(environ.get("HTTP_X_AMZ_COPY_SOURCE", ""))).path).lstrip("/")
        of_source = kms.of_object(account, region, *source.split("/", 1)) if "/" in source else None
        uses += kms.uses(of_source, "s3", account, region, kms.DECRYPT)
    yield from (Asked(*use) for use in uses)


def _rare_action(method: str, name: str, *, of: str) -> str:
    verb = "Get" if method in ("GET", "HEAD") else "Put"
    return RARE_ACTIONS.get(name, f"{{}}{of}{name[:1].upper()}{name[1:]}").format(verb)


def _keys_to_delete(body: bytes) -> list[tuple[str, bool]]:
    """(key, whether a version of something) of all that a DeleteObjects names; of all keys, where it can't be told.

    With and without the blanks around a key: moto takes them away.
    """
    try:
        elements = list(ElementTree.fromstring(body).iter())  # noqa: S314 - see the import  # nosec B314
    except ElementTree.ParseError:
        return [("*", True)]
    pairs = [(element.tag.rpartition("}")[2].rpartition(":")[2], element.text or "") for element in elements]
    versions = any(name == "VersionId" for name, _ in pairs)
    keys = {text for name, key in pairs if name == "Key" for text in (key, key.strip())}
    return [(key, versions) for key in sorted(keys)] or [("*", True)]


def _bucket_and_key(environ: dict[str, Any]) -> tuple[str, str]:
    bucket, _, key = str(environ["PATH_INFO"]).lstrip("/").partition("/")
    try:
        return bucket, key.encode("latin-1").decode("utf-8")  # WSGI gives the path's bytes as Latin-1
    except UnicodeError:
        return bucket, key


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, left there for who comes next; keep_alive.py has read it into a file."""
    stream = environ["wsgi.input"]
    body = bytes(stream.read())
    stream.seek(0)
    return body


def unproved(environ: dict[str, Any], service: str, code: str, message: str) -> Refused:
    """The refusal of a request of which it isn't known who makes it. service: empty where that isn't known either."""
    return answer(environ, service or ("" if "HTTP_X_AMZ_TARGET" in environ else "s3"), message, code)


def answer(environ: dict[str, Any], service: str, message: str, code: str = "", status: int = 403) -> Refused:
    """A refusal as this service words it. status: 400 or 403, of services that have both."""
    line = "403 Forbidden" if status == 403 else "400 Bad Request"
    if service == "s3":
        text = f"<Error><Code>{code or 'AccessDenied'}</Code><Message>{escape(message)}</Message></Error>"
        return Refused(line, "application/xml", b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode())
    if "HTTP_X_AMZ_TARGET" in environ or service in rest.OPERATIONS:
        error = {"__type": code or "AccessDeniedException", "message": message, "Message": message}
        line = line if service in rest.OPERATIONS else "400 Bad Request"
        return Refused(line, "application/x-amz-json-1.1", json.dumps(error).encode())
    if service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code or 'UnauthorizedOperation'}</Code>"
            f"<Message>{escape(message)}</Message></Error></Errors></Response>"
        )
        return Refused(line, "text/xml", text.encode())
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code or 'AccessDenied'}</Code>"
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Refused(line, "text/xml", text.encode())
