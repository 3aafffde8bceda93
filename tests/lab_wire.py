"""What a request to AWS is, and what AWS's errors look like: the wire formats that the lab reads and writes."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from reconciler.local import rest

Environ = dict[str, Any]

FORM_SERVICES = {"iam", "sts", "ec2", "sns"}  # form-encoded requests, XML answers
CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
S3_PARTS = {
    "acl": "Acl", "tagging": "Tagging", "policy": "Policy", "versioning": "Versioning", "location": "Location",
    "encryption": "Encryption", "lifecycle": "LifecycleConfiguration", "notification": "NotificationConfiguration",
    "ownershipControls": "OwnershipControls", "policyStatus": "PolicyStatus", "replication": "Replication",
}  # fmt: skip
S3_WHOLE = {
    ("GET", "publicAccessBlock"): "GetPublicAccessBlock", ("PUT", "publicAccessBlock"): "PutPublicAccessBlock",
    ("DELETE", "publicAccessBlock"): "DeletePublicAccessBlock", ("GET", "versions"): "ListObjectVersions",
    ("GET", "list-type"): "ListObjectsV2", ("POST", "delete"): "DeleteObjects",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle", ("POST", "uploads"): "CreateMultipartUpload",
    ("GET", "uploads"): "ListMultipartUploads", ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload", ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
}  # fmt: skip
THROTTLES = {"s3": ("SlowDown", 503), "ec2": ("RequestLimitExceeded", 503), "iam": ("Throttling", 400)}


def read_body(environ: Environ) -> bytes:
    """The request's body, which can be read again."""
    stream = environ["wsgi.input"]
    body: bytes = stream.read()
    stream.seek(0)
    return body


def form(environ: Environ) -> dict[str, str]:
    """The fields of a form-encoded request."""
    return {key: values[0] for key, values in parse_qs(read_body(environ).decode("utf8", "replace")).items()}


def operation(environ: Environ) -> tuple[str, str]:
    """(service, operation) of a signed request; `METHOD path` for an operation that has no name on the wire."""
    match = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = match.group(1) if match else "?"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rpartition(".")[2]
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if service in FORM_SERVICES and method == "POST":
        return service, form(environ).get("Action", "?")
    if service == "s3":
        return service, s3_operation(method, path, environ.get("QUERY_STRING", ""))
    return service, rest.operation(service, method, path)[0] or f"{method} {path}"


def s3_operation(method: str, path: str, query: str) -> str:
    """An S3 request's operation, read off its method, path and query."""
    bucket, _, key = path.strip("/").partition("/")
    asked = parse_qs(query, keep_blank_values=True)
    for name in asked:
        if (method, name) in S3_WHOLE:
            return S3_WHOLE[method, name]
        if name in S3_PARTS:
            return f"{method.capitalize()}{'Object' if key else 'Bucket'}{S3_PARTS[name]}"
    if not bucket:
        return "ListBuckets"
    if key:
        return f"{method.capitalize()}Object"
    names = {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket", "GET": "ListObjects"}
    return names.get(method, method)


def aws_error(service: str, code: str, message: str, status: int, request_id: str) -> tuple[str, dict[str, str], bytes]:
    """(status line, headers, body) of an error as the service words it."""
    headers = {"x-amzn-requestid": request_id, "x-amz-request-id": request_id, "Content-Type": "text/xml"}
    line, code, message = f"{status} Error", escape(code), escape(message)
    if service == "ec2":
        error = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        body = f"<Response>{error}<RequestID>{request_id}</RequestID></Response>"
    elif service in FORM_SERVICES:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
    elif service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
    else:
        headers["Content-Type"] = "application/x-amz-json-1.1"
        body = json.dumps({"__type": code, "message": message})
    return line, headers, body.encode()


def simulation(fields: dict[str, str], rule: dict[str, Any], request_id: str) -> bytes:
    """IAM's answer to SimulatePrincipalPolicy. rule: as in tests/lab.py."""
    actions = [value for key, value in fields.items() if key.startswith("ActionNames.member.")]
    entries = {value: key.replace("ContextKeyName", "ContextKeyValues.member.1") for key, value in fields.items()}
    region = fields.get(entries.get("aws:RequestedRegion", ""), "")

    def member(action: str) -> str:
        outside = action in rule.get("organisation", ()) or region not in rule.get("regions", [region])
        decision = "implicitDeny" if outside or action in rule["actions"] else "allowed"
        detail = f"<AllowedByOrganizations>{str(not outside).lower()}</AllowedByOrganizations>"
        return (
            f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision>"
            f"<OrganizationsDecisionDetail>{detail}</OrganizationsDecisionDetail></member>"
        )

    members = "".join(map(member, actions))
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{members}"
        "</EvaluationResults></SimulatePrincipalPolicyResult>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    ).encode()
