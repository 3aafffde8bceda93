"""What is told of a run, where everything in it attacks who is told; and a webhook that isn't nice."""

from __future__ import annotations

import http.server
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.run.message import Ended, of_ended
from reconciler.run.webhook_request import ANSWER, NotSent, TryAgain, send

EVIL = "<!channel> <@U1> <http://evil|good> @channel &lt;!here&gt;\x1b[2J\n::error::x\r\u202e"


def test_a_message_mentions_nobody_and_is_as_many_lines_as_ours() -> None:
    ended = Ended("r1", "failed", 1, EVIL, EVIL, reason=EVIL, metrics={EVIL: 1.0}, cause=EVIL, fix=EVIL)
    message = of_ended("tiny", ended)
    assert len(message.text.split("\n")) == 6
    assert all(one.isprintable() for one in message.text.split("\n"))
    told = json.loads(message.for_webhook("slack"))["text"]
    assert not re.search(r"<|>|@\w|&(?!lt;|gt;|amp;)", told)
    assert "&lt;!channel&gt;" in told
    assert json.loads(message.for_webhook("json"))["reason"] == EVIL, "a program gets it as it is"
    by_protocol = json.loads(message.for_topic()["Message"])
    assert by_protocol["email"] == message.text
    assert json.loads(by_protocol["default"])["metrics"] == {EVIL: 1.0}


def test_a_subject_is_what_sns_takes() -> None:
    subject = of_ended("tiny", Ended("\x1b[2J\x07é\n" * 50, "failed", None, "", "")).for_topic()["Subject"]
    assert len(subject) == 100
    assert re.fullmatch(r"[ -~]+", subject)


class Answers(http.server.BaseHTTPRequestHandler):
    """Redirects, answers without an end, and remembers what it got."""

    got: list[tuple[str, bytes]]
    sent = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.got.append((self.path, body))
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/200/elsewhere")
        if self.path.endswith("/endless"):
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                while type(self).sent < 1_000_000_000:
                    self.wfile.write(b"x" * 65536)
                    type(self).sent += 65536
            except OSError:
                return
        else:
            self.end_headers()

    def log_message(self, *args: object) -> None: ...


@contextmanager
def listening() -> Iterator[tuple[str, type[Answers]]]:
    handler = type("Handler", (Answers,), {"got": [], "sent": 0})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_neither_the_body_nor_the_url(status: int) -> None:
    with listening() as (url, handler):
        with pytest.raises(NotSent, match=f"answered {status}$"):
            send(f"{url}/{status}/hunter2", b"{}")
        assert handler.got == [(f"/{status}/hunter2", b"{}")]


@pytest.mark.parametrize(("status", "error"), [(200, None), (400, NotSent), (503, TryAgain)])
def test_an_answer_is_read_to_a_limit(status: int, error: type[Exception] | None) -> None:
    """What there is of it says nothing: not its length, not how it is packed."""
    with listening() as (url, handler):
        if error is None:
            send(f"{url}/{status}/endless", b"{}")
        else:
            with pytest.raises(error, match=f"answered {status}$"):
                send(f"{url}/{status}/endless", b"{}")
        assert handler.sent < 100 * ANSWER, "the rest is what was on its way"
