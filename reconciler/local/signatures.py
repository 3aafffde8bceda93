"""Checks the signature of a request, as AWS does: with the secret that the access key in it belongs to.

botocore's own signer computes what the signature has to be. Known are SigV4 in the Authorization header, SigV4 and the
older SigV2 in the query of a presigned S3 address, and bodies that are signed as a whole, chunk by chunk, or not.
Unsigned requests are refused, those too that AWS itself would take (AssumeRoleWithWebIdentity, public buckets).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.credentials import Credentials

from reconciler.local.keep_alive import UNSIGNED_CHUNKS
from reconciler.local.keys import Keys, same

CREDENTIAL = r"(?P<key>\w{1,128})/(?P<day>\d{8})/(?P<region>[a-z0-9-]{1,40})/(?P<service>[a-z0-9-]{1,64})/aws4_request"
# The tail of the scope decides which service answers, so nothing but AWS's own spelling is taken.
HEADER = re.compile(
    rf"AWS4-HMAC-SHA256\s+Credential={CREDENTIAL},\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{{64}})"
)
ALGORITHM = "AWS4-HMAC-SHA256"
SKEW_SECONDS = 3600.0  # AWS: 900
MOST_SECONDS = 7 * 86400  # that a presigned address holds
UNSIGNED, EMPTY = "UNSIGNED-PAYLOAD", hashlib.sha256(b"").hexdigest()
SIGNED_CHUNKS = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
BLOCK = 2**20
HOW = 'eval "$(python -m reconciler local env)" gives this shell the key of the embedded AWS'

FindKeys = Callable[[str], Keys | None]


class BadSignature(Exception):
    """A request that isn't proved to come from the holder of a key; `code` is AWS's word for it."""

    def __init__(self, code: str, message: str, service: str = "") -> None:
        super().__init__(message)
        self.code, self.service = code, service


@dataclass(frozen=True)
class Signed:
    """Whose key signed a request, and for which service and region."""

    access_key_id: str
    service: str
    region: str


@dataclass(frozen=True)
class _Claim:
    """What a request says of its own signature."""

    key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    moment: str  # 20250131T235959Z
    token: str
    lasts: float | None = None  # seconds, for a presigned address


def check(environ: dict[str, Any], find: FindKeys, now: Callable[[], float] = time.time) -> Signed:
    """Who signed a WSGI request, whose body can be read again. Raises BadSignature."""
    path, _, query = str(environ["RAW_URI"]).partition("?")
    pairs = [
        (unquote(name), unquote(value)) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
    ]
    query_params = dict(pairs)
    if len(query_params) != len(pairs) and any(name.lower().startswith("x-amz-") for name, _ in pairs):
        raise BadSignature("AuthorizationQueryParametersError", "a parameter is given twice")
    if not path.startswith("/"):
        raise BadSignature("InvalidRequest", "the request's target must be a path")
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    if not header and "AWSAccessKeyId" in query_params:
        return _check_v2(environ, path, query, query_params, find, now())
    claim = _claim(environ, header, query_params)
    keys = _keys(claim, find)
    _check_time(claim, now())
    scope = f"{claim.day}/{claim.region}/{claim.service}/aws4_request"
    signer = _signer(claim, keys)
    payload = _payload(environ, claim)
    request = SimpleNamespace(
        method=str(environ["REQUEST_METHOD"]),
        url=f"http://host{path}",
        params=[(name, value) for name, value in pairs if name != "X-Amz-Signature"],
        headers={"X-Amz-Content-SHA256": payload},
        signed=_Headers({name: _header(environ, name) for name in claim.headers}),
        context={"timestamp": claim.moment},
    )
    if claim.service == "s3":
        _check_all_are_signed(environ, claim)
    if claim.day != claim.moment[:8] or "host" not in claim.headers:
        raise BadSignature("SignatureDoesNotMatch", "the signature must cover the host and its own date", claim.service)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if not same(expected, claim.signature):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            f"Access Key and signing method. ({HOW})"
        )
        raise BadSignature("SignatureDoesNotMatch", message, claim.service)
    if payload in SIGNED_CHUNKS:
        _check_chunks(environ["wsgi.input"], claim, keys, scope, trailer=payload.endswith("TRAILER"))
    return Signed(claim.key, claim.service, claim.region)


class _Headers(dict[str, str]):
    """What botocore's signer asks of the signed headers."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


class _Signer(SigV4Auth):  # type: ignore[misc]
    """botocore's, of a request that is signed already."""

    def headers_to_sign(self, request: Any) -> _Headers:
        signed: _Headers = request.signed
        return signed

    def canonical_query_string(self, request: Any) -> str:
        return str(self._canonical_query_string_params(request.params))


class _S3Signer(_Signer):
    """S3 takes the path as it stands."""

    _normalize_url_path = S3SigV4Auth._normalize_url_path


class _OldSigner(HmacV1QueryAuth):  # type: ignore[misc]
    """botocore's, of an address that is good until a moment (seconds since the epoch)."""

    def _get_date(self) -> str:
        return str(self._expires)


def _signer(claim: _Claim, keys: Keys) -> Any:
    kind = _S3Signer if claim.service in ("s3", "s3-outposts", "s3-object-lambda") else _Signer
    return kind(Credentials(keys.access_key_id, keys.secret_access_key), claim.service, claim.region)


def _claim(environ: dict[str, Any], header: str, query_params: dict[str, str]) -> _Claim:
    if header:
        if "X-Amz-Algorithm" in query_params or "X-Amz-Signature" in query_params:
            raise BadSignature("InvalidArgument", "a request is signed in its header or in its query, not in both")
        match = HEADER.fullmatch(header.strip())
        if match is None:
            raise BadSignature(
                "IncompleteSignature", f"the Authorization header isn't a {ALGORITHM} signature. ({HOW})"
            )
        moment, token = str(environ.get("HTTP_X_AMZ_DATE", "")), str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
        names = tuple(match["headers"].lower().split(";"))
        return _Claim(
            match["key"], match["day"], match["region"], match["service"], names, match["signature"], moment, token
        )
    if query_params.get("X-Amz-Algorithm") != ALGORITHM:
        raise BadSignature("MissingAuthenticationToken", f"the request isn't signed. ({HOW})")
    match = re.fullmatch(CREDENTIAL, query_params.get("X-Amz-Credential", ""))
    signature, lasts = query_params.get("X-Amz-Signature", ""), query_params.get("X-Amz-Expires", "")
    # Which service answers is told by the header alone, and S3 is what answers without one.
    if match is None or match["service"] != "s3" or not lasts.isdecimal() or int(lasts) > MOST_SECONDS:
        raise BadSignature("AuthorizationQueryParametersError", "only addresses of S3 are taken presigned", "s3")
    names = tuple(query_params.get("X-Amz-SignedHeaders", "").lower().split(";"))
    token = query_params.get("X-Amz-Security-Token", "")
    return _Claim(
        match["key"],
        match["day"],
        match["region"],
        match["service"],
        names,
        signature,
        query_params.get("X-Amz-Date", ""),
        token,
        float(lasts),
    )


def _keys(claim: _Claim, find: FindKeys) -> Keys:
    keys = find(claim.key)
    if keys is None:
        code = "InvalidAccessKeyId" if claim.service == "s3" else "InvalidClientTokenId"
        raise BadSignature(code, f"The security token included in the request is invalid. ({HOW})", claim.service)
    if not same(keys.token, claim.token):
        message = "The security token included in the request is invalid: it isn't the one of this access key."
        raise BadSignature("InvalidToken" if claim.service == "s3" else "InvalidClientTokenId", message, claim.service)
    return keys


def _check_time(claim: _Claim, now: float) -> None:
    try:
        began = timegm(time.strptime(claim.moment, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise BadSignature("IncompleteSignature", "the request has no X-Amz-Date", claim.service) from None
    if claim.lasts is None and abs(now - began) > SKEW_SECONDS:
        message = "The difference between the request time and the current time is too large."
        code = "RequestTimeTooSkewed" if claim.service == "s3" else "InvalidSignatureException"
        raise BadSignature(code, message, claim.service)
    if claim.lasts is not None and not began - SKEW_SECONDS <= now <= began + claim.lasts:
        raise BadSignature("AccessDenied", "Request has expired", claim.service)


def _header(environ: dict[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))


def _check_all_are_signed(environ: dict[str, Any], claim: _Claim) -> None:
    """As S3 asks it: nothing that means something can be added to a request that somebody else signed."""
    headers = {name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_X_AMZ_")}
    if (
        unsigned := headers
        - {name.replace("_", "-") for name in claim.headers}
        - {"x-amz-content-sha256", "x-amz-user-agent"}
    ):
        names = ", ".join(sorted(unsigned))
        raise BadSignature(
            "AccessDenied", f"There were headers present in the request which were not signed: {names}", "s3"
        )


def _payload(environ: dict[str, Any], claim: _Claim) -> str:
    """What stands for the body in what was signed. Raises BadSignature if the body isn't the one that it says."""
    header = str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
    if claim.lasts is not None and not header:
        return UNSIGNED
    if header in (UNSIGNED, UNSIGNED_CHUNKS, *SIGNED_CHUNKS):
        return header
    checksum = getattr(environ["wsgi.input"], "sha256", "") or _sha256(environ["wsgi.input"])
    if header and not same(header, checksum):
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise BadSignature("XAmzContentSHA256Mismatch", message, claim.service)
    return checksum


def _sha256(body: IO[bytes]) -> str:
    checksum = hashlib.sha256()
    for block in iter(lambda: body.read(BLOCK), b""):
        checksum.update(block)
    body.seek(0)
    return checksum.hexdigest()


def _check_chunks(body: IO[bytes], claim: _Claim, keys: Keys, scope: str, *, trailer: bool) -> None:
    """Each chunk's signature, which builds on the one before. Raises BadSignature."""
    signing = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    previous, ended = claim.signature, False

    def signed(kind: str, *hashes: str) -> str:
        text = "\n".join((f"{ALGORITHM}-{kind}", claim.moment, scope, previous, *hashes))
        return hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()

    for signature, chunk in _chunks(body):
        if not same(signed("PAYLOAD", EMPTY, hashlib.sha256(chunk).hexdigest()), signature):
            raise BadSignature("SignatureDoesNotMatch", "a chunk of the body isn't signed as it must be", claim.service)
        previous, ended = signature, not chunk
    trailer_bytes = body.read() if ended else b""
    body.seek(0)
    lines = [line.strip() for line in trailer_bytes.split(b"\n") if line.strip()]
    proof = lines.pop().partition(b":")[2].decode("latin-1") if trailer and lines else ""
    trailer_text = b"".join(line + b"\n" for line in lines)
    right = not lines if not trailer else same(signed("TRAILER", hashlib.sha256(trailer_text).hexdigest()), proof)
    if not ended or not right:
        raise BadSignature("SignatureDoesNotMatch", "the end of the body isn't signed as it must be", claim.service)


def _chunks(body: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """(signature, chunk) of an aws-chunked body, up to the empty chunk that ends it."""
    while head := re.fullmatch(
        rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})", body.readline(200).rstrip(b"\r\n")
    ):
        chunk = body.read(int(head[1], 16))
        yield head[2].decode(), chunk
        if not chunk:
            return
        body.readline(2)


def _check_v2(
    environ: dict[str, Any], path: str, query: str, query_params: dict[str, str], find: FindKeys, now: float
) -> Signed:
    """An address presigned the old way, which boto3 still does by default for us-east-1."""
    until, key = query_params.get("Expires", ""), query_params["AWSAccessKeyId"]
    if not until.isdecimal() or "X-Amz-Algorithm" in query_params:
        raise BadSignature("AccessDenied", "the presigned address is incomplete", "s3")
    token = query_params.get("x-amz-security-token", "")
    keys = _keys(_Claim(key, "", "", "s3", (), "", "", token), find)
    if now > int(until):
        raise BadSignature("AccessDenied", "Request has expired", "s3")
    signer = _OldSigner(Credentials(keys.access_key_id, keys.secret_access_key), until)
    headers = _Headers({name: value for name, value in query_params.items() if name.lower().startswith("x-amz-")})
    for name in environ:
        if name.startswith("HTTP_X_AMZ_"):
            headers[name[5:].lower().replace("_", "-")] = str(environ[name])
    headers.update({name: _header(environ, name) for name in ("content-md5", "content-type") if _header(environ, name)})
    text = signer.canonical_string(str(environ["REQUEST_METHOD"]), urlsplit(f"http://host{path}?{query}"), headers)
    if not same(str(signer.sign_string(text)), query_params.get("Signature", "")):
        raise BadSignature(
            "SignatureDoesNotMatch", f"The signature of the presigned address is not right. ({HOW})", "s3"
        )
    return Signed(keys.access_key_id, "s3", "us-east-1")


def as_header(signed: Signed) -> str:
    """An Authorization header that says who signed a presigned address, for what looks at the header alone."""
    scope = f"{signed.access_key_id}/19700101/{signed.region}/{signed.service}/aws4_request"
    return f"{ALGORITHM} Credential={scope}, SignedHeaders=host, Signature=0"
