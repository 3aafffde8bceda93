"""S3's uploads are signed as botocore signs them; a SHA-256 that the request has already isn't reckoned once more."""

from __future__ import annotations

import base64
import hashlib
import re
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.session import Session

from reconciler.aws import s3_signer

BODY = b"content" * 1000
DIGEST = hashlib.sha256(BODY)
CHECKSUM = base64.b64encode(DIGEST.digest()).decode()
ANOTHER = hashlib.sha256(b"another")
UPLOADS: list[dict[str, Any]] = [
    {}, {"ChecksumSHA256": CHECKSUM}, {"ChecksumAlgorithm": "SHA256"}, {"ChecksumAlgorithm": "CRC32"},
    {"ChecksumSHA256": "no base64"},
]  # fmt: skip
URLS = ("http://127.0.0.1:1", "https://127.0.0.1:1")
CHANGING = ("Authorization", "X-Amz-Date", "amz-sdk-invocation-id")


def client(url: str, *, is_ours: bool) -> Any:
    """A client of S3 there, with our signer or botocore's own."""
    made = Session().create_client(
        "s3", region_name="eu-west-1", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret"
    )
    if is_ours:
        s3_signer.use(made)
    return made


def headers_of(url: str, *, is_ours: bool, **params: Any) -> dict[str, str]:
    """The headers with which an object is uploaded there."""
    sent: list[dict[str, str]] = []

    def answer(request: Any, **others: Any) -> AWSResponse:
        sent.append({name: _text(value) for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: [b""]))

    s3 = client(url, is_ours=is_ours)
    s3.meta.events.register("before-send.s3", answer)
    s3.put_object(Bucket="bucket", Key="key", Body=BODY, **params)
    return sent[0]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def comparable(headers: dict[str, str]) -> dict[str, str]:
    """What depends on neither the time nor the call, with what is signed."""
    what = re.sub(r"/\d{8}/|Signature=\w+", "", headers["Authorization"])
    return {"what is signed": what} | {name: value for name, value in headers.items() if name not in CHANGING}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("params", UPLOADS, ids=str)
def test_what_is_signed_is_the_same(url: str, params: dict[str, Any]) -> None:
    assert comparable(headers_of(url, is_ours=True, **params)) == comparable(headers_of(url, is_ours=False, **params))


@pytest.mark.parametrize(("is_ours", "signed"), [(True, ANOTHER), (False, DIGEST)])
def test_the_body_is_not_hashed_once_more(is_ours: bool, signed: Any) -> None:
    """S3 refuses a body that hasn't the checksum which its header says, whatever the signature covers."""
    checksum = base64.b64encode(ANOTHER.digest()).decode()
    headers = headers_of(URLS[0], is_ours=is_ours, ChecksumSHA256=checksum)
    assert headers["X-Amz-Content-SHA256"] == signed.hexdigest()


def test_a_presigned_address_is_as_before() -> None:
    params = {"Bucket": "bucket", "Key": "key"}
    ours, plain = (
        client(URLS[1], is_ours=ours).generate_presigned_url("put_object", Params=params) for ours in (True, False)
    )
    assert re.sub(r"\d|[0-9a-f]{64}|[Ss]ignature=[^&]*", "", ours) == re.sub(
        r"\d|[0-9a-f]{64}|[Ss]ignature=[^&]*", "", plain
    )
