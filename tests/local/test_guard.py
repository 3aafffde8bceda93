"""The embedded AWS runs programs, so web pages and other users are kept out."""

from __future__ import annotations

import http.client
import os
import socket
import sys

import pytest

from reconciler.local import guard
from tests.local_fixtures import EmbeddedAws


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Host": "example.com"},
        {"Host": "127.0.0.1.example.com:80"},
    ],
)
def test_web_pages_are_refused(embedded_aws: EmbeddedAws, headers: dict[str, str]) -> None:
    status, answer = embedded_aws.control("GET", "identity", **headers)
    assert status == 403, answer
    assert "identity" not in answer


def test_reset_needs_the_identity(embedded_aws: EmbeddedAws) -> None:
    status, _ = embedded_aws.control("POST", "reset")
    assert status == 403


def test_unknown_control_paths(embedded_aws: EmbeddedAws) -> None:
    assert embedded_aws.control("GET", "nothing")[0] == 404


def test_connections_stay_open(embedded_aws: EmbeddedAws) -> None:
    connection = http.client.HTTPConnection(embedded_aws.endpoint_url.removeprefix("http://"), timeout=10)
    connection.connect()
    first = connection.sock
    for method, path, body in (("GET", "/_reconciler/identity", None), ("PUT", "/x", b"a" * 70000), ("GET", "/", None)):
        connection.request(method, path, body)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a loopback connection is")
def test_the_other_end_of_a_connection_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            environ = {"REMOTE_PORT": client.getsockname()[1], "SERVER_PORT": str(port)}
            assert guard.peer_user(environ) == os.getuid()


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/",
                "HTTP_X_AMZ_TARGET": "AmazonEC2ContainerServiceV20141113.RunTask",
            },
            True,
        ),
        ({"REQUEST_METHOD": "POST", "PATH_INFO": "/_reconciler/behaviour"}, True),
        ({"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset"}, True),
        ({"REQUEST_METHOD": "GET", "PATH_INFO": "/_reconciler/identity"}, False),
        ({"REQUEST_METHOD": "PUT", "PATH_INFO": "/bucket/key"}, False),
    ],
)
def test_other_users_may_not_start_programs(
    monkeypatch: pytest.MonkeyPatch, request_: dict[str, str], refused: bool
) -> None:
    monkeypatch.setattr(guard, "peer_user", lambda environ: 4711)
    assert (guard.refusal({"HTTP_HOST": "127.0.0.1:1", **request_}) is not None) is refused
