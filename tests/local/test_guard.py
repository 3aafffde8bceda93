"""The embedded AWS runs programs, so web pages, other users of the machine and forgers are kept out."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import http.client
import http.server
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from reconciler import local
from reconciler.local.keep_alive import KeepAliveHandler
from reconciler.local.keys import NONCE_HEADER, PROOF_HEADER, Keys, client_proof
from reconciler.local.processes import birth
from tests.local_fixtures import REGION, EmbeddedAws, unique

Answer = tuple[int, str]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send(
    aws: EmbeddedAws, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None,
    source: str = "127.0.0.1",
) -> Answer:  # fmt: skip
    """(status, text) of what somebody sends who signs nothing."""
    host, _, port = urlsplit(aws.endpoint_url).netloc.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20, source_address=(source, 0))
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def signed(
    aws: EmbeddedAws, keys: Keys, service: str, method: str, path: str, body: bytes = b"",
    headers: dict[str, str] | None = None, region: str = REGION,
) -> Answer:  # fmt: skip
    """(status, text) of a request that is signed by hand, as an attacker would who has these keys."""
    request = AWSRequest(method, aws.endpoint_url + path, headers=dict(headers or {}), data=body)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.token or None)
    SigV4Auth(credentials, service, region).add_auth(request)
    return send(aws, method, path, body, dict(request.headers.items()))


def target(operation: str) -> dict[str, str]:
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}",
    }


def believing(service: str) -> dict[str, str]:
    """The header that used to be believed: it leads moto to a service."""
    scope = f"Credential=AKIAIOSFODNN7EXAMPLE/20250101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={'0' * 64}"}


ROLE = b"arn:aws:iam::123456789012:role/tests-everything"
PRESIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/20250101/us-east-1/s3/aws4_request"
    f"&X-Amz-Date=20250101T000000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
)
# What ran code as the owner, showed data or changed something, by whatever route.
ROUTES: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "RunTask": ("POST", "/", b"{}", target("RunTask") | believing("ecs")),
    "StartTask": ("POST", "/", b"{}", target("StartTask") | believing("ecs")),
    "CreateService": ("POST", "/", b"{}", target("CreateService") | believing("ecs")),
    "RunTask in query form": ("POST", "/?Action=RunTask&Version=2014-11-13", b"", believing("ecs")),
    "RunTask as a form": ("POST", "/", b"Action=RunTask&Version=2014-11-13", FORM | believing("ecs")),
    "CreateFunction": ("POST", "/2015-03-31/functions", b"{}", believing("lambda")),
    "Invoke": ("POST", "/2015-03-31/functions/f/invocations", b"{}", believing("lambda")),
    "CreateSchedule": ("POST", "/schedules/s", b"{}", believing("scheduler")),
    "PutRule": ("POST", "/", b"{}", {"X-Amz-Target": "AWSEvents.PutRule", **believing("events")}),
    "AssumeRole": ("POST", "/", b"Action=AssumeRole&RoleArn=x&RoleSessionName=y", FORM | believing("sts")),
    "AssumeRoleWithWebIdentity": (
        "POST", "/",
        b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=token&RoleSessionName=a1&RoleArn="
        + ROLE,
        FORM,
    ),
    "CreateAccessKey": ("POST", "/", b"Action=CreateAccessKey&Version=2010-05-08&UserName=x", FORM | believing("iam")),
    "ListBuckets": ("GET", "/", b"", {}),
    "ListBuckets of anybody": ("GET", "/", b"", believing("s3")),
    "PutObject": ("PUT", "/bucket/key", b"x", {}),
    "old presigned": ("GET", "/bucket?AWSAccessKeyId=test&Signature=x&Expires=9999999999", b"", {}),
    "presigned": (
        "GET", f"/bucket?{PRESIGNED}", b"", {},
    ),
    "reset": ("POST", "/_reconciler/reset", b"", {}),
    "behaviour": ("POST", "/_reconciler/behaviour", b"[]", {}),
    "tasks": ("GET", "/_reconciler/tasks", b"", {}),
    "identity": ("GET", "/_reconciler/identity", b"", {}),
    "schedules": ("POST", "/_reconciler/schedules/default/x", b"", {}),
    "moto's reset": ("POST", "/moto-api/reset", b"", {}),
    "moto's data": ("GET", "/moto-api/data.json", b"", {}),
    "metadata": ("GET", "/latest/meta-data/iam/security-credentials/", b"", {}),
    "registry": ("GET", "/v2/", b"", {}),
    "nowhere": ("GET", "/favicon.ico", b"", {}),
}  # fmt: skip


REFUSALS = (
    "MissingAuthenticationToken", "InvalidClientTokenId", "InvalidAccessKeyId", "needs the secret",
    "AccessDenied",
)  # fmt: skip


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("route", ROUTES)
def test_nothing_is_served_without_the_secret(embedded_aws: EmbeddedAws, route: str, source: str) -> None:
    if source != "127.0.0.1" and sys.platform != "linux":
        pytest.skip("only Linux has the whole of 127.0.0.0/8")
    method, path, body, headers = ROUTES[route]
    status, text = send(embedded_aws, method, path, body, headers, source)
    assert status in (400, 403), text
    assert any(word in text for word in REFUSALS), text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Host": "example.com"},
        {"Host": "127.0.0.1.example.com:80"},
    ],
)
def test_web_pages_are_refused_whatever_they_know(embedded_aws: EmbeddedAws, headers: dict[str, str]) -> None:
    keys, nonce = embedded_aws.running.keys, "0" * 32
    proof = {NONCE_HEADER: nonce, PROOF_HEADER: client_proof(keys, nonce)}
    assert send(embedded_aws, "GET", "/_reconciler/identity", headers=proof)[0] == 200
    status, answer = send(embedded_aws, "GET", "/_reconciler/identity", headers=proof | headers)
    assert status == 403, answer
    assert "pid" not in answer


def test_another_user_of_the_machine_gets_nothing(embedded_aws: EmbeddedAws) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    # Their own boto3, with keys that any emulator takes, and what of the owner's files they can read.
    code = """
import http.client, json, os, sys
host, _, port = sys.argv[1].removeprefix("http://").partition(":")
http.client.HTTPConnection(host, int(port)).request("GET", "/")  # what it imports root alone may be able to read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
out = {"readable": False}
try:
    out["readable"] = bool(open(sys.argv[2]).read())
except OSError:
    pass
for name, (method, path, body, headers) in json.loads(sys.stdin.read()).items():
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request(method, path, body.encode(), headers)
    out[name] = connection.getresponse().status
    connection.close()
print(json.dumps(out))
"""
    routes = {name: (m, path, body.decode(), headers) for name, (m, path, body, headers) in ROUTES.items()}
    answers = json.loads(
        subprocess.run(
            [sys.executable, "-I", "-c", code, embedded_aws.endpoint_url, str(embedded_aws.home / "server.json")],
            input=json.dumps(routes), capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    assert answers.pop("readable") is False
    assert set(answers.values()) <= {400, 403}, answers


def test_control_needs_the_owners_signature(embedded_aws: EmbeddedAws) -> None:
    assert embedded_aws.control("GET", "behaviour") == (200, [])
    assert embedded_aws.control("GET", "nothing")[0] == 404
    iam, name = embedded_aws.client("iam"), unique("user")
    iam.create_user(UserName=name)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = Keys(key["AccessKeyId"], key["SecretAccessKey"])
    for path in ("/_reconciler/behaviour", "/_reconciler/tasks", "/moto-api/data.json", "/latest/meta-data/"):
        status, text = signed(embedded_aws, keys, "reconciler", "GET", path)
        assert status == 403, text


def other_secret(keys: Keys) -> Keys:
    return Keys(keys.access_key_id, "x" * 40)


def other_key(keys: Keys) -> Keys:
    return Keys("AKIAIOSFODNN7EXAMPLE", keys.secret_access_key)


def with_token(keys: Keys) -> Keys:
    return Keys(keys.access_key_id, keys.secret_access_key, "a-token-of-another")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (other_secret, "SignatureDoesNotMatch"),
        (other_key, "InvalidClientTokenId"),
        (with_token, "InvalidClientTokenId"),
    ],
)
def test_a_forged_signature(embedded_aws: EmbeddedAws, spoil: Callable[[Keys], Keys], code: str) -> None:
    given = b"{}", target("ListClusters")
    assert signed(embedded_aws, embedded_aws.running.keys, "ecs", "POST", "/", *given)[0] == 200
    status, text = signed(embedded_aws, spoil(embedded_aws.running.keys), "ecs", "POST", "/", *given)
    assert status == 400
    assert code in text


def change_body(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, path, b'{"clusterName": "another"}', headers


def change_target(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, path, body, headers | {"X-Amz-Target": headers["X-Amz-Target"].replace("Create", "Delete")}


def change_query(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, "/?a=b", body, headers


def change_path(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, "/other", body, headers


def change_method(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return "PUT", path, body, headers


def change_service(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, path, body, headers | {"Authorization": headers["Authorization"].replace("/ecs/", "/iam/")}


def change_date(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return method, path, body, headers | {"X-Amz-Date": "20200101T000000Z"}


CHANGES = [change_body, change_target, change_query, change_path, change_method, change_service, change_date]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_signed_cannot_be_changed(embedded_aws: EmbeddedAws, change: Callable[..., Any]) -> None:
    keys, body = embedded_aws.running.keys, b'{"clusterName": "signed"}'
    request = AWSRequest("POST", f"{embedded_aws.endpoint_url}/", headers=target("CreateCluster"), data=body)
    SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "ecs", REGION).add_auth(request)
    given: Any = ("POST", "/", body, dict(request.headers.items()))
    assert send(embedded_aws, *given)[0] == 200
    status, text = send(embedded_aws, *change(*given))
    assert status in (400, 403), text
    assert "Signature" in text, text


def test_old_signatures_are_no_longer_good(embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    day = datetime.timedelta(days=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.datetime.now(datetime.UTC) - day)
    status, text = signed(embedded_aws, embedded_aws.running.keys, "ecs", "POST", "/", b"{}", target("ListClusters"))
    assert status == 400
    assert "time is too large" in text


KEYS = ["plain", "a b", "a+b&c=d", "ünï/cødé", "a//b", "~tilde-_.!*'()", "100%", "trailing/", "a?b#c"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("body", [b"", b"x" * 70000])
def test_all_that_an_sdk_signs_is_taken(embedded_aws: EmbeddedAws, key: str, body: bytes) -> None:
    s3, bucket = embedded_aws.client("s3"), "signed-bucket"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"a_b": "c", "d": "e  f"}, ContentType="text/x-y")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert key in [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=key[:3])["Contents"]]
    s3.copy_object(Bucket=bucket, Key=f"copy/{key}", CopySource={"Bucket": bucket, "Key": key})


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("key", KEYS)
def test_presigned_addresses(embedded_aws: EmbeddedAws, version: str, key: str) -> None:
    s3, bucket = embedded_aws.client("s3"), "presigned-bucket"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=b"it")
    config = Config(signature_version=version, s3={"addressing_style": "path"})
    signer = embedded_aws.session.client("s3", endpoint_url=embedded_aws.endpoint_url, config=config)
    url = urlsplit(signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60))
    assert send(embedded_aws, "GET", f"{url.path}?{url.query}") == (200, "it")
    # For nothing else, nor with anything added, nor when it is over.
    more = f"{url.path}?{url.query}"
    assert send(embedded_aws, "DELETE", more)[0] == 403
    assert send(embedded_aws, "GET", more.replace(bucket, "other-bucket"))[0] == 403
    assert send(embedded_aws, "GET", f"{more}&versionId=1")[0] == 403
    assert send(embedded_aws, "PUT", more, b"", {"x-amz-copy-source": "/a/b"})[0] == 403
    over = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=-7200)
    assert send(embedded_aws, "GET", f"{urlsplit(over).path}?{urlsplit(over).query}")[0] == 403


def chunked(keys: Keys, url: str, parts: list[bytes]) -> tuple[dict[str, str], bytes]:
    """(headers, body) of a PUT whose chunks are signed, as other SDKs than boto3 send it."""
    import hmac

    length = sum(map(len, parts))
    given = {
        "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(length),
    }  # fmt: skip

    class Signer(SigV4Auth):  # type: ignore[misc]
        def _normalize_url_path(self, path: str) -> str:
            return path

    request = AWSRequest("PUT", url, headers=given, data=b"")
    signer = Signer(Credentials(keys.access_key_id, keys.secret_access_key), "s3", REGION)
    signer.add_auth(request)
    headers = dict(request.headers.items())
    moment, before = headers["X-Amz-Date"], headers["Authorization"].rpartition("=")[2]
    key = f"AWS4{keys.secret_access_key}".encode()
    for word in (moment[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    body = b""
    for part in [*parts, b""]:
        text = "\n".join((
            "AWS4-HMAC-SHA256-PAYLOAD", moment, f"{moment[:8]}/{REGION}/s3/aws4_request", before,
            hashlib.sha256(b"").hexdigest(), hashlib.sha256(part).hexdigest(),
        ))  # fmt: skip
        before = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += f"{len(part):x};chunk-signature={before}\r\n".encode() + part + b"\r\n"
    return headers, body


def test_signed_chunks(embedded_aws: EmbeddedAws) -> None:
    s3, bucket = embedded_aws.client("s3"), "chunked-bucket"
    s3.create_bucket(Bucket=bucket)
    path = f"/{bucket}/key"
    headers, body = chunked(embedded_aws.running.keys, embedded_aws.endpoint_url + path, [b"a" * 70000, b"b\r\n0;c"])
    assert send(embedded_aws, "PUT", path, body, headers)[0] == 200
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"a" * 70000 + b"b\r\n0;c"
    for wrong in (body.replace(b"b\r\n0", b"B\r\n0"), body[:70000], body + b"1;", body.rpartition(b"0;chunk")[0], b""):
        assert wrong != body
        assert send(embedded_aws, "PUT", path, wrong, headers)[0] == 403
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"a" * 70000 + b"b\r\n0;c"


def test_keys_that_were_taken_back(embedded_aws: EmbeddedAws) -> None:
    iam, name = embedded_aws.client("iam"), unique("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = embedded_aws.new_client(
        "sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    assert sts.get_caller_identity()["Arn"].endswith(f":user/{name}")
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        sts.get_caller_identity()


def test_connections_stay_open(embedded_aws: EmbeddedAws) -> None:
    connection = http.client.HTTPConnection(embedded_aws.endpoint_url.removeprefix("http://"), timeout=10)
    connection.connect()
    first = connection.sock
    for method, path, body in (("GET", "/_reconciler/identity", None), ("PUT", "/x", b"a" * 70000), ("GET", "/", None)):
        connection.request(method, path, body)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_a_large_answer_is_sent_while_it_is_made() -> None:
    """So that it is never in memory as a whole."""
    received, size = threading.Event(), 2 * 2**20
    waited: list[bool] = []

    def blocks() -> Iterator[bytes]:
        yield b"a" * (size // 2)
        waited.append(received.wait(10))
        yield b"b" * (size // 2)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", str(size))])
        return blocks()

    server = make_server("127.0.0.1", 0, app, request_handler=KeepAliveHandler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.read(size // 2) == b"a" * (size // 2)
        received.set()
        assert answer.read() == b"b" * (size // 2)
        assert waited == [True], "the first half came before the second was made"
    finally:
        connection.close()
        server.shutdown()
        server.server_close()


def wire(aws: EmbeddedAws, *parts: bytes) -> bytes:
    """All that the server answers to these bytes, after which nothing more comes."""
    host, _, port = urlsplit(aws.endpoint_url).netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                answer += more
        return answer


HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
NEXT = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
UNCLEAR_ENDS = {
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "no length": HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a sign": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "no size of a chunk": CHUNKED + b"zz\r\nx\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-5\r\nx",
    "a chunk shorter than it says": CHUNKED + b"100000\r\nx",
    "a huge chunk": CHUNKED + b"fffffffffffffff\r\nx",
    "a larger chunk still": CHUNKED + b"ffffffffffffffff\r\nx",
    "no end of chunks": CHUNKED + b"1\r\nx\r\n",
    "trailers without end": CHUNKED + b"0\r\n" + b"x: y\r\n" * 100,
}


@pytest.mark.parametrize("end", UNCLEAR_ENDS)
def test_a_body_ends_where_it_says_or_is_refused(embedded_aws: EmbeddedAws, end: str) -> None:
    """Anybody may send it, and it must neither be taken for two requests nor end the server."""
    for more in (b"", NEXT):
        answer = wire(embedded_aws, UNCLEAR_ENDS[end], more)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert answer.count(b"HTTP/1.1 ") == 1
    assert local.status(embedded_aws.home) == embedded_aws.running


def test_who_has_no_key_can_not_fill_the_disk(embedded_aws: EmbeddedAws) -> None:
    large = b"x" * (2**20 + 1)
    authorized = f"Authorization: {believing('s3')['Authorization']}\r\n".encode()
    for more in (b"", authorized):
        answer = wire(embedded_aws, HEAD + more + b"Content-Length: 1000000000000\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        chunks = b"80000\r\n" + large[: 2**19] + b"\r\n"
        start = HEAD + more + b"Transfer-Encoding: chunked\r\n\r\n"
        assert wire(embedded_aws, start + chunks * 2 + b"1\r\nx\r\n").startswith(b"HTTP/1.1 400 ")
    s3, bucket = embedded_aws.client("s3"), unique("large")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="large", Body=large)
    address = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "presigned"})
    assert send(embedded_aws, "PUT", address.removeprefix(embedded_aws.endpoint_url), large)[0] == 200
    assert s3.head_object(Bucket=bucket, Key="presigned")["ContentLength"] == len(large)


def test_a_chunked_body_and_the_next_request(embedded_aws: EmbeddedAws) -> None:
    answer = wire(embedded_aws, CHUNKED + b"5;x=y\r\nhel", b"lo\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n" + NEXT)
    assert answer.count(b"HTTP/1.1 403 Forbidden") == 2


class Fake(http.server.BaseHTTPRequestHandler):
    """A server of somebody else on the port, which plays back whatever it is told."""

    heard: list[str] = []  # noqa: RUF012
    answer = b'{"pid": 1, "runner": "process"}'

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.path}\n{self.headers}")
        self.send_response(200)
        self.send_header(PROOF_HEADER, self.headers.get(PROOF_HEADER, ""))  # the client's own proof, sent back
        self.end_headers()
        self.wfile.write(self.answer)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[int]:
    """The port of a fake server."""
    Fake.heard.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Fake) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_fake_server_is_not_believed_and_learns_nothing(fake: int, tmp_path: Path) -> None:
    secret = secrets.token_urlsafe(30)
    record = {
        "version": 2, "pid": os.getpid(), "birth": "another", "port": fake, "started_at": time.time(),
        "access_key_id": "AKIALOCALAAAAAAAAAAA", "secret_access_key": secret,
    }  # fmt: skip
    (tmp_path / "server.json").write_text(json.dumps(record))
    (tmp_path / "server.json").chmod(0o600)
    Fake.answer = json.dumps({"pid": os.getpid(), "runner": "process"}).encode()
    assert local.status(tmp_path) is None
    assert local.stop(tmp_path) is False  # this very process would have been ended
    assert Fake.heard
    assert secret not in "".join(Fake.heard)
    assert urllib.request.urlopen(f"http://127.0.0.1:{fake}/").status == 200  # it was asked, and could answer


FAKE_WITH_THE_SECRET = """
import encodings.idna, http.server, json, os, sys
sys.path.insert(0, sys.argv[1])
from reconciler.local.keys import NONCE_HEADER, PROOF_HEADER, Keys, server_proof
os.setgid(65534); os.setuid(65534)
class Fake(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": int(sys.argv[2]), "runner": "process"}).encode()
        self.send_response(200)
        keys = Keys("AKIALOCALAAAAAAAAAAA", "the secret that came with the checkout")
        self.send_header(PROOF_HEADER, server_proof(keys, self.headers[NONCE_HEADER], body))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Fake)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_record_from_elsewhere_leads_to_nobody(tmp_path: Path, mode: int) -> None:
    """A checkout or an archive brings server.json along, and another user of the machine serves what it names."""
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    root = str(Path(local.__file__).parents[2])
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", FAKE_WITH_THE_SECRET, root, str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        record = {
            "version": 2, "pid": os.getpid(), "birth": birth(os.getpid()), "port": int(server.stdout.readline()),
            "started_at": time.time(), "access_key_id": "AKIALOCALAAAAAAAAAAA",
            "secret_access_key": "the secret that came with the checkout",
        }  # fmt: skip
        (tmp_path / "server.json").write_text(json.dumps(record))
        (tmp_path / "server.json").chmod(mode)
        assert local.status(tmp_path) is None
    finally:
        server.kill()
        server.communicate()
