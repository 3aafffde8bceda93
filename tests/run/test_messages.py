"""What is told of a run, where everything in it attacks who is told; and a webhook that isn't nice."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.run.message import Ended, Message, of_ended
from reconciler.run.notify import of_sweep
from reconciler.run.state import State
from reconciler.run.webhook import SECONDS, NotSent, TryAgain, send
from tests.run.samples import run

EVIL = "<!channel> <@U1> <http://evil|good> @channel &lt;!here&gt;\x1b[2J\n::error::x\r\u202e"


def test_a_message_mentions_nobody_and_is_as_many_lines_as_ours() -> None:
    ended = Ended("r1", "failed", 1, EVIL, EVIL, reason=EVIL, metrics={EVIL: 1.0}, cause=EVIL, fix=EVIL)
    message = of_ended("tiny", ended)
    assert len(message.text.split("\n")) == 6
    assert all(line.isprintable() for line in message.text.split("\n"))
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


MUCH = "\U0001f600<&" * 5_000
WIDE = {MUCH[:999] + str(n): 1.0 for n in range(99)}
MANY = {f"metric {n:05} {'m' * 900}": float(n) for n in range(10_000)}


@pytest.mark.parametrize(
    "message",
    [
        of_ended("tiny", Ended("r1", "succeeded", 0, "s3://b/runs/r1/output", "arn", metrics=MANY)),
        of_ended("tiny", Ended("r1", "failed", 1, "s3://b/o", "arn", reason=MUCH, cause=MUCH, fix=MUCH)),
        of_ended("tiny", Ended("r1", "failed", 1, "s3://b/o", "arn", metrics=WIDE)),
        of_sweep("tiny", "sweep-1", [run(id=f"20260101-000000-{n:08x}", state=State.FAILED) for n in range(10_000)],
                 lambda ended_run: "\u4e00" * 3_000),
    ],
    ids=["metrics", "reason", "names", "sweep"],
)  # fmt: skip
def test_a_message_has_room_where_it_goes(message: Message) -> None:
    """SNS refuses one of more than 256 KiB, Discord's webhook one of more than 2,000 characters."""
    topic = message.for_topic()
    assert len(topic["Message"].encode()) + len(topic["Subject"]) <= 262_144
    by_protocol = json.loads(topic["Message"])
    assert message.for_webhook("json") == by_protocol["default"].encode()
    chat = json.loads(message.for_webhook("slack"))["text"]
    assert len(chat.encode("utf-16-le")) <= 2 * 2_000
    assert not re.search(r"&(?!lt;|gt;|amp;)", chat)
    first, *_, last = message.text.split("\n")
    for shown in (chat, by_protocol["email"]):
        assert shown.split("\n")[0] == first
        assert shown.split("\n")[-1].startswith(last[:100])
    facts = json.loads(by_protocol["default"])
    whole = {name: len(facts.get(name, ())) + facts.get("left_out", {}).get(name, 0) for name in ("metrics", "failed")}
    assert whole == {name: len(message.facts.get(name, ())) for name in whole}


def test_what_has_room_is_whole() -> None:
    message = of_ended("tiny", Ended("r1", "failed", 1, "", "", reason="x" * 1_500, metrics={"a": 1.0}))
    assert message.text in json.loads(message.for_topic()["Message"])["email"]
    assert json.loads(message.for_webhook("slack"))["text"] == message.text
    assert "left_out" not in json.loads(message.for_webhook("json"))


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
        if self.path.endswith("/slow"):
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b".")
                    time.sleep(0.1)
        elif self.path.endswith("/endless"):
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
@pytest.mark.parametrize("end", ["endless", "slow"])
def test_of_an_answer_only_the_status_is_read(status: int, error: type[Exception] | None, end: str) -> None:
    """What there is of it says nothing: not its length, not how it is packed, and not when it ends."""
    began = time.monotonic()
    with listening() as (url, handler):
        with pytest.raises(error, match=f"answered {status}$") if error else contextlib.nullcontext():
            send(f"{url}/{status}/{end}", b"{}")
        assert time.monotonic() - began < SECONDS
        assert handler.sent < 10_000_000, "the rest is what was on its way"
