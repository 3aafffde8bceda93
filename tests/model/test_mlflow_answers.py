"""What a server does that MLflow wouldn't: redirects, empty and strange answers. None costs the token or the run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from model import tracking
from model.errors import InputError

TOKEN = "t0k3n-of-the-user"
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers as told, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path, dict(self.headers)))
                code, headers, body = answer(self.command, self.path)
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _do  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, str], Answer]], Server]]:
    made: list[Server] = []

    def start(answer: Callable[[str, str], Answer]) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield start
    for server in made:
        server.http.shutdown()
        server.http.server_close()


Serve = Callable[[Callable[[str, str], Answer]], Server]


def opened(uri: str, **env: str) -> tracking.MlflowRun | None:
    return tracking.open_run({"MLFLOW_TRACKING_URI": uri, **env}, "r", {})


def good(_method: str, path: str) -> Answer:
    if "get-by-name" in path:
        return 200, {}, b'{"experiment": {"experiment_id": "1"}}'
    if path.endswith("runs/create"):
        return 200, {}, b'{"run": {"info": {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/1/r1"}}}'
    return 200, {}, b"{}"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_never_gets_the_token(
    serve: Serve, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    other = serve(good)
    first = serve(lambda _m, path: (code, {"Location": f"{other.address}{path}"}, b""))
    assert opened(first.address, MLFLOW_TRACKING_TOKEN=TOKEN) is None
    assert first.asked
    assert not other.asked
    said = "".join(capsys.readouterr())
    assert "set MLFLOW_TRACKING_URI" in said
    assert TOKEN not in said


def test_a_redirect_of_an_upload_never_gets_the_token(serve: Serve) -> None:
    other = serve(good)

    def answer(method: str, path: str) -> Answer:
        return (307, {"Location": f"{other.address}{path}"}, b"") if method == "PUT" else good(method, path)

    run = opened(serve(answer).address, MLFLOW_TRACKING_TOKEN=TOKEN)
    assert run is not None
    with pytest.raises(tracking.Unreachable, match=r"redirect|answers 307"):
        run.upload("report.html", b"x")
    assert not other.asked


def test_a_redirect_on_the_same_server_is_followed(serve: Serve) -> None:
    def answer(method: str, path: str) -> Answer:
        if method == "GET" and not path.startswith("/here"):
            return 302, {"Location": f"/here{path}"}, b""
        return good(method, path)

    run = opened(serve(answer).address, MLFLOW_TRACKING_TOKEN=TOKEN)
    assert run is not None
    assert run.run_id == "r1"


STRANGE = [
    b"",
    b"  \n",
    b"{}",
    b"[]",
    b"null",
    b"[" * 100_000,
    b"<html>",
    b'{"experiment": "1"}',
    b'{"experiment": {}}',
]


@pytest.mark.parametrize("body", STRANGE)
def test_a_strange_answer_is_a_warning(serve: Serve, body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert opened(serve(lambda _m, _p: (200, {}, body)).address) is None
    assert "not tracked in MLflow" in "".join(capsys.readouterr())


@pytest.mark.parametrize("body", [b"", b"{}", b'{"run": {"info": {"run_id": "x"}}}'])
def test_a_strange_answer_to_the_making_of_a_run(serve: Serve, body: bytes) -> None:
    def answer(method: str, path: str) -> Answer:
        return (200, {}, body) if path.endswith("runs/create") else good(method, path)

    assert opened(serve(answer).address) is None


def test_empty_answers_at_the_end_are_a_warning(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(method: str, path: str) -> Answer:
        return (200, {}, b"") if path.endswith(("log-batch", "runs/update")) else good(method, path)

    run = opened(serve(answer).address)
    assert run is not None
    tracking.finish(run, {"a": 1}, [("m", 1.0, 0)], {})
    tracking.abandon(run, "FAILED")
    said = "".join(capsys.readouterr())
    assert "MLflow run is not complete" in said
    assert "MLflow run is left open" in said


def test_a_password_in_the_address_is_used_and_not_shown(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve(good)
    assert opened(server.address.replace("//", "//ann:p%40ss@")) is not None
    assert server.asked[0][2]["Authorization"] == "Basic YW5uOnBAc3M="
    refusing = serve(lambda _m, _p: (200, {}, b"no"))
    assert opened(refusing.address.replace("//", "//ann:p%40ss@")) is None
    said = "".join(capsys.readouterr())
    assert "p%40ss" not in said
    assert "p@ss" not in said


def test_a_token_that_breaks_the_header_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="MLFLOW_TRACKING_TOKEN") as caught:
        opened("http://127.0.0.1:9", MLFLOW_TRACKING_TOKEN=f"{TOKEN}\r\nX: y")
    assert TOKEN not in str(caught.value)


def test_an_answer_has_a_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "MAX_ANSWER", 1000)
    body = json.dumps({"experiment": {"experiment_id": "1" * 2000}}).encode()
    assert opened(serve(lambda _m, _p: (200, {}, body)).address) is None
