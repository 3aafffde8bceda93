"""A bucket of another region: S3 sends there, botocore goes there without a word, and it is seen all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reconciler.aws import clients
from reconciler.aws.calls import Aws
from reconciler.checks.doctor import Once
from reconciler.core.errors import Denied
from reconciler.kinds.s3_bucket import Bucket, BucketSpec
from tests.serving import serving

HOME, OTHER = "us-east-1", "eu-west-1"
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/s3/")
OWNER = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
EMPTY = {  # what is answered of a bucket without anything
    "versioning": (200, "<VersioningConfiguration/>"), "notification": (200, "<NotificationConfiguration/>"),
    "ownershipControls": (200, f"<OwnershipControls>{OWNER}</OwnershipControls>"),
    "encryption": (404, "ServerSideEncryptionConfigurationNotFoundError"), "tagging": (404, "NoSuchTagSet"),
    "publicAccessBlock": (404, "NoSuchPublicAccessBlockConfiguration"), "policy": (404, "NoSuchBucketPolicy"),
    "lifecycle": (404, "NoSuchLifecycleConfiguration"),
}  # fmt: skip
WAYS = {  # status, code, more of the error, as S3's pages "Request redirection" and "Error responses" give it
    "permanent": (301, "PermanentRedirect", ""),
    "temporary": (307, "TemporaryRedirect", ""),
    "signature": (400, "AuthorizationHeaderMalformed", f"<Region>{OTHER}</Region>"),
}


class S3(BaseHTTPRequestHandler):
    """Some buckets, each of a region, which sends what is signed for another one to it."""

    protocol_version = "HTTP/1.1"
    server: Regions

    def answer(self) -> None:
        place, _, parameters = self.path.lstrip("/").partition("?")
        bucket, part = place.rstrip("/"), parameters.partition("=")[0]
        region = self.server.buckets[bucket]
        signed = SIGNED_FOR.search(self.headers["Authorization"])
        assert signed is not None
        self.server.asked.append((self.command, part, signed[1]))
        if self.server.denies:
            self._send(403, _error("AccessDenied"), region)
        elif signed[1] != region:
            status, code, more = self.server.way
            self._send(status, _error(code, more), region)
        elif self.command == "HEAD":
            self._send(200, "", region)
        else:
            status, body = EMPTY[part]
            self._send(status, body if status == 200 else _error(body), "")

    def _send(self, status: int, body: str, region: str) -> None:
        self.send_response(status)
        self.send_header("x-amz-request-id", "1")
        if region:
            self.send_header("x-amz-bucket-region", region)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_HEAD = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Regions(ThreadingHTTPServer):
    """buckets: their regions. asked: (method, part, the region it was signed for) of each request."""

    buckets: dict[str, str]
    asked: list[tuple[str, str, str]]
    way: tuple[int, str, str]
    denies: bool


def _error(code: str, more: str = "") -> str:
    return f"<Error><Code>{code}</Code><Message>x</Message>{more}</Error>"


@pytest.fixture
def s3() -> Iterator[Regions]:
    server = Regions(("127.0.0.1", 0), S3)
    server.buckets, server.asked = {"here-1": HOME, "there-1": OTHER, "there-2": OTHER}, []
    server.way, server.denies = WAYS["permanent"], False
    with serving(server):
        yield server


@pytest.fixture
def aws(s3: Regions) -> Iterator[Aws]:
    endpoint = f"http://127.0.0.1:{s3.server_address[1]}"
    with Aws(HOME, session=clients.new_session("a", "b"), endpoint_url=endpoint, clock=Once()) as way:
        yield way


def region(aws: Aws, name: str) -> str:
    """Where the plan sees it."""
    observed = Bucket().observe(aws, [BucketSpec(name=name, region=HOME)])[name]
    assert isinstance(observed.spec, BucketSpec)
    return observed.spec.region


def test_a_bucket_of_this_region_is_not_asked_where_it_is(s3: Regions, aws: Aws) -> None:
    assert region(aws, "here-1") == HOME
    assert {method for method, _, _ in s3.asked} == {"GET"}
    assert sorted(part for _, part, _ in s3.asked) == sorted(EMPTY)


@pytest.mark.parametrize("way", WAYS)
def test_a_bucket_of_another_region_is_seen_there(way: str, s3: Regions, aws: Aws) -> None:
    s3.way = WAYS[way]
    assert region(aws, "there-1") == OTHER
    s3.asked.clear()
    # botocore knows the way by now, and S3 sends nobody on any more.
    assert region(aws, "there-1") == OTHER
    assert {signed for _, _, signed in s3.asked} == {OTHER}
    assert region(aws, "there-2") == OTHER
    assert region(aws, "here-1") == HOME


def test_one_that_something_else_was_sent_to_first(s3: Regions, aws: Aws) -> None:
    assert aws.find("s3", "GetBucketVersioning", Bucket="there-1") is not None
    assert region(aws, "there-1") == OTHER


def test_a_bucket_of_which_nothing_is_answered_is_asked_for_itself(s3: Regions, aws: Aws) -> None:
    s3.denies = True
    with pytest.raises(Denied) as caught:
        region(aws, "here-1")
    assert caught.value.operation == "HeadBucket"
