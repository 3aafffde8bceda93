"""Something else than AWS answers: a proxy's page, a login, nobody. It is said, and never taken for an answer."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.aws import clients
from reconciler.aws.calls import Aws, Waiting
from reconciler.aws.foreign import HINT, HINT_PLAIN, HINT_TLS, Foreign, refuse
from reconciler.checks.doctor import Once
from reconciler.cli.target import Patience
from reconciler.cli.terminal import Terminal
from reconciler.core.clock import SystemClock
from reconciler.core.errors import Unreachable
from reconciler.run.certificate import new_certificate
from tests.serving import serving

PAGE = b"<html><head><title>x</title><style>p {}</style></head><body><h1>Access blocked\x1b[2J</h1> <p>by us</p></body>"
SAYS = "(Access blocked [2J by us)"


class Proxy(BaseHTTPRequestHandler):
    """Answers everything with its page. The status is that of the server."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(PAGE)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    with serving(server):
        yield server


def asked(endpoint: str) -> Aws:
    """AWS at an address that isn't its own, asked once."""
    return Aws("us-east-1", session=clients.new_session("a", "b"), endpoint_url=endpoint, clock=Once())


CALLS = [  # one of each protocol
    ("sts", "GetCallerIdentity", {}), ("ec2", "DescribeVpcs", {}), ("ecs", "DescribeClusters", {}),
    ("s3", "ListBuckets", {}), ("s3", "HeadBucket", {"Bucket": "b"}), ("s3", "GetObject", {"Bucket": "b", "Key": "k"}),
    ("scheduler", "GetSchedule", {"Name": "n"}), ("logs", "DescribeLogGroups", {}),
]  # fmt: skip


@pytest.mark.parametrize("status", [200, 302, 403, 407])
def test_a_page_is_no_answer(status: int, proxy: ThreadingHTTPServer, tmp_path: Path) -> None:
    proxy.status = status  # type: ignore[attr-defined]
    (tmp_path / "file").write_text("x")
    with asked(f"http://127.0.0.1:{proxy.server_port}") as aws:
        for service, operation, parameters in CALLS:
            with pytest.raises(Unreachable) as caught:
                aws.call(service, operation, **parameters)
            unread = operation == "HeadBucket" or (status, operation) == (200, "GetObject")
            page = "" if unread else f" {SAYS}"
            seen = 500 if (status, operation) == (200, "ListBuckets") else status  # botocore takes it for S3's failure
            assert str(caught.value) == f"{service}:{operation} failed: not AWS's answer: HTTP {seen}{page}"
            assert caught.value.hint == HINT
        with pytest.raises(Unreachable, match="not AWS's answer: HTTP"):
            aws.transfer("upload_file", Filename=str(tmp_path / "file"), Bucket="b", Key="k")


def test_a_failure_before_aws_is_a_failure_of_aws(proxy: ThreadingHTTPServer) -> None:
    proxy.status = 503  # type: ignore[attr-defined]
    with (
        asked(f"http://127.0.0.1:{proxy.server_port}") as aws,
        pytest.raises(Unreachable, match="503: Service Unavailable"),
    ):
        aws.call("sts", "GetCallerIdentity")


def test_a_page_that_aws_keeps_is_an_answer() -> None:
    page = {"status_code": 200, "headers": {"Content-Type": "text/html"}, "body": PAGE}
    with pytest.raises(Foreign):
        refuse(page)
    for name in ("x-amz-request-id", "X-Amzn-RequestId"):
        refuse({**page, "headers": {**page["headers"], name: "1"}})  # type: ignore[dict-item]


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with asked("http://127.0.0.1:9") as aws, pytest.raises(Unreachable) as caught:
        aws.call("sts", "GetCallerIdentity")
    assert caught.value.hint.startswith("is something there to answer? AWS_ENDPOINT_URL")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    with (
        Aws("us-east-1", session=clients.new_session("a", "b"), clock=Once()) as aws,
        pytest.raises(Unreachable) as caught,
    ):
        aws.call("sts", "GetCallerIdentity")
    assert caught.value.hint == "that is the proxy of HTTPS_PROXY: is it right, and is it there?"
    assert "secret" not in str(caught.value)


def test_another_certificate() -> None:
    from botocore.exceptions import SSLError

    from reconciler.aws.failures import failed

    wrong = failed(
        "s3", "ListBuckets", "us-east-1", SSLError(endpoint_url="https://x/", error=ssl.SSLError()), fresh=False
    )
    assert wrong.error.hint == HINT_TLS  # type: ignore[union-attr]


class Unslept(SystemClock):
    """A clock by which nobody waits."""

    def sleep(self, seconds: float) -> None:
        raise AssertionError("it is tried again")


def test_what_is_not_trusted_is_said_at_once(proxy: ThreadingHTTPServer, tmp_path: Path) -> None:
    served = tmp_path / "both.pem"
    served.write_text(new_certificate("127.0.0.1"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        ports = {server.server_port: ("isn't trusted: ", HINT_TLS), proxy.server_port: ("speak TLS", HINT_PLAIN)}
        for port, (reason, hint) in ports.items():
            where, session = f"https://127.0.0.1:{port}", clients.new_session("a", "b")
            with (
                Aws("us-east-1", session=session, endpoint_url=where, clock=Unslept()) as aws,
                pytest.raises(Unreachable) as caught,
            ):
                aws.call("sts", "GetCallerIdentity")
            assert where in str(caught.value)
            assert reason in str(caught.value)
            assert caught.value.hint == hint


def test_many_that_wait_for_the_same_say_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    patience = Patience(Terminal(), lambda: now[0])
    for now[0] in (0.0, 1.0, 4.9, 5.1, 6.0, 10.2):
        patience.tell(Waiting(f"call at {now[0]}", 3.0))
    patience.tell(Waiting("a short one", 1.0))
    told = capsys.readouterr().err
    assert [line.split()[4].rstrip(",") for line in told.splitlines()] == ["0.0", "5.1", "10.2"]


def test_the_same_is_said_less_and_less_often(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    patience = Patience(Terminal(), lambda: now[0])
    for second in range(300):
        now[0] = float(second)
        patience.tell(Waiting("the service", 3.0 + second))
    told = [int(line.split()[4]) - 3 for line in capsys.readouterr().err.splitlines()]
    assert told == [0, 10, 30, 70, 130, 190, 250]
