"""Holds requests with credentials of the embedded IAM to their policies, and answers refusals as AWS words them.

That is what tasks ask, as their task role, and users and assumed roles, such as the one for CI. Every other access
key belongs to whoever started the embedded AWS and may do everything. S3 is judged by bucket and key, roles that are
handed on by iam:PassRole, the services of a deploy by the resources that `resources` works out, others by the action
alone. Services with neither a target header nor an Action, but for those in `rest`, aren't judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape  # it escapes, and reads nothing  # nosec B406

from reconciler.local import resources, rest
from reconciler.local.identities import Identity, judge, refusal
from reconciler.local.resources import Place

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
OWNERS_PATHS = ("/_reconciler/", "/moto-api", "/latest/", "/favicon.ico")
IAM_PREFIX = {"monitoring": "cloudwatch", "email": "ses"}
KEY_ACTIONS = {
    "GET": {"uploadId": "ListMultipartUploadParts", "acl": "GetObjectAcl", "tagging": "GetObjectTagging",
            "versionId": "GetObjectVersion", "": "GetObject"},
    "HEAD": {"versionId": "GetObjectVersion", "": "GetObject"},
    "PUT": {"acl": "PutObjectAcl", "tagging": "PutObjectTagging", "": "PutObject"},
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
    "object-lock", "replication", "requestPayment", "accelerate", "inventory", "analytics", "metrics", "policyStatus",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One permission that a request needs. given: only a deny refuses it."""

    action: str
    resource: str
    context: dict[str, str]
    given: bool = False


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
        return _answer(environ, "iam", "the embedded AWS has no policy simulator")
    return None


def refuse(environ: dict[str, Any], identity: Identity, service: str) -> Refused | None:
    """The refusal of a request that the identity may not make, or None."""
    for asked in needed(environ, service, identity.account_id):
        message = refusal(identity, asked.action, asked.resource, asked.context, given=asked.given)
        if message is not None:
            return _answer(environ, service, message)
    return None


def hides_missing_key(environ: dict[str, Any], identity: Identity) -> Refused | None:
    """S3 tells that a key isn't there only to who may list the bucket; the refusal for everyone else."""
    bucket, key = _bucket_and_key(environ)
    arn = f"arn:aws:s3:::{bucket}"
    if not key or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return None
    if judge(identity, "s3:ListBucket", arn, {"s3:prefix": key}) == "allowed":
        return None
    why = f'User: {identity.arn} is not authorized to perform: s3:ListBucket on resource: "{arn}" because no '
    return _answer(environ, "s3", why + "identity-based policy allows the s3:ListBucket action")


def needed(environ: dict[str, Any], service: str, account: str) -> Iterator[Asked]:
    """The permissions that a request needs; none where that can't be told."""
    if service == "s3":
        yield from _needed_s3(environ)
        return
    operation, params = _operation(environ, service)
    if not operation or service == "sts":  # sts: whose trust policy decides
        return
    place = Place(account, _region(environ))
    for one in resources.wanted(IAM_PREFIX.get(service, service), operation, params, place):
        yield Asked(one.action, one.resource, {**one.context, "aws:requestedregion": place.region}, one.given)


def _operation(environ: dict[str, Any], service: str) -> tuple[str, dict[str, Any]]:
    """The API's name of an operation and its parameters; empty where a request doesn't name it."""
    if operation := str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]:
        body = json.loads(_body(environ) or b"{}")
        return operation, body if isinstance(body, dict) else {}
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        form = {key: values[0] for key, values in parse_qs(_body(environ).decode("utf-8", "replace")).items()}
        return form.get("Action", ""), form
    method, path, query = (str(environ.get(name, "")) for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
    return rest.operation(service, method, path, query, _body(environ))


def _region(environ: dict[str, Any]) -> str:
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
    arn = f"arn:aws:s3:::{bucket}"
    if method == "POST" and "delete" in query and not key:
        versions = b"<VersionId>" in _body(environ)
        for name in re.findall(rb"<Key>([^<]*)</Key>", _body(environ)):
            for action in ("s3:DeleteObject", *(("s3:DeleteObjectVersion",) if versions else ())):
                yield Asked(action, f"{arn}/{name.decode('utf-8', 'replace')}", context)
        return
    actions = (KEY_ACTIONS if key else BUCKET_ACTIONS).get(method, {})
    special = [name for name in query if name in actions] or [""]
    if special == [""] and SUBRESOURCES & query.keys():
        return  # something rarer: not judged
    if not key:
        context |= {f"s3:{name}": query[name][0] for name in ("prefix", "delimiter") if name in query}
        context.setdefault("s3:prefix", "")
    if special[0] in actions:
        yield Asked(f"s3:{actions[special[0]]}", f"{arn}/{key}" if key else arn, context)
    source = unquote(str(environ.get("HTTP_X_AMZ_COPY_SOURCE", ""))).split("?")[0].lstrip("/")
    if source:
        yield Asked("s3:GetObject", f"arn:aws:s3:::{source}", context)


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
    return _answer(environ, service or ("" if "HTTP_X_AMZ_TARGET" in environ else "s3"), message, code)


def _answer(environ: dict[str, Any], service: str, message: str, code: str = "") -> Refused:
    if service == "s3":
        text = f"<Error><Code>{code or 'AccessDenied'}</Code><Message>{escape(message)}</Message></Error>"
        return Refused(
            "403 Forbidden", "application/xml", b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
        )
    if "HTTP_X_AMZ_TARGET" in environ or service in rest.OPERATIONS:
        error = {"__type": code or "AccessDeniedException", "message": message, "Message": message}
        status = "403 Forbidden" if service in rest.OPERATIONS else "400 Bad Request"
        return Refused(status, "application/x-amz-json-1.1", json.dumps(error).encode())
    if service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code or 'UnauthorizedOperation'}</Code>"
            f"<Message>{escape(message)}</Message></Error></Errors></Response>"
        )
        return Refused("403 Forbidden", "text/xml", text.encode())
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code or 'AccessDenied'}</Code>"
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Refused("403 Forbidden", "text/xml", text.encode())
