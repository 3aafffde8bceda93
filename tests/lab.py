"""A local AWS to measure and to break: the embedded AWS behind a wire that delays, counts, fails and kills.

    python -m tests.lab PORT [--home DIR] [--latency MS] [--until-eof]     (PORT 0: any; it is printed)

Any client uses it with AWS_ENDPOINT_URL=http://127.0.0.1:PORT and the access key test, whose secret is test.
DIR/server.json makes it the `--local` of that home.
Everything goes over real HTTP. Control requests are neither counted nor delayed:

    GET  /__lab/log                  [{n, t, service, op, status, fault}]
    GET  /__lab/log/OPERATION        those of this operation alone
    GET  /__lab/count                {requests, max_in_flight, per_service: {service: max in flight},
                                      operations: {service:OPERATION: requests}}
    POST /__lab/reset                forget every resource, the log and the rules
    POST /__lab/zero                 forget the log alone
    POST /__lab/latency?ms=40        sleep this long before each answer
    POST /__lab/rate?per_second=20   throttle what is more than this for a service; 0 for no limit
    POST /__lab/ahead?seconds=61     AWS's clock (the Date of answers) is so far ahead
    POST /__lab/release              let the requests go that `hold` keeps
    POST /__lab/keep, /__lab/back    keep what there is, and go back to it: see tests/lab_kept.py
    POST /__lab/rules                a JSON list of rules, which replaces those before; the first that matches counts:
        {"service": "iam", "op": "CreateRole",    "*" for any
         "skip": 0, "times": 1,                   let so many through first, then hit so many; -1 for all
         "writes": true,                          none that only reads; "changes" instead: see tests/lab_reads.py
         "reads": [2, 8],                         of what only reads the third of eight shares, each once
         "do": ...}
      error   answer with {"code", "message", "status", "headers"} in the service's own format, and do nothing
      answer  answer with {"status", "type", "body"}, and do nothing; with {"foreign": true} as no AWS would
      deny    SimulatePrincipalPolicy: all actions are allowed except {"actions": [...]}; an organisation denies
              {"organisation": [...]}, and all of a request whose aws:RequestedRegion isn't in {"regions": [...]}
      reset   close the connection and do nothing
      cut     do the work, then answer with the first {"keep": 0.5} of the body, under its own length or, with
              {"claims": true}, the whole's; {"without": "content-length"}: without this header
      lose    do the work, then close the connection: the caller can't know that it was done
      kill    do the work, then end the process {"pid"} with SIGKILL
      hold    wait for /__lab/release, then go on
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs

from werkzeug.serving import make_server

from reconciler.local.keys import Keys
from reconciler.local.seal import KEEP
from reconciler.local.server import Server, write_record
from tests.lab_kept import Keeper, end_with_input
from tests.lab_reads import Order, Request
from tests.lab_wire import THROTTLES, Environ, aws_error, form, operation, simulation

KEYS = Keys("test", "test")  # what every test knows; a real one is random
Rule = dict[str, Any]
Start = Callable[..., Any]


class Lab:
    """The WSGI application around the embedded AWS."""

    def __init__(self, inner: Server) -> None:
        self.inner = inner
        self.keeper: Keeper | None = None
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.began = time.monotonic()
        self.latency = self.rate = self.ahead = 0.0
        self.rules: list[Rule] = []
        self.order = Order()
        self.tokens: dict[str, tuple[float, float]] = {}
        self.log: list[dict[str, Any]] = []
        self.operations: Counter[str] = Counter()  # of the log, which may be too long to be read again and again
        self.in_flight: dict[str, int] = {}
        self.most_in_flight: dict[str, int] = {}

    def knows(self, environ: Environ) -> bool:
        """Whether a request may have a large body."""
        return self.inner.knows(environ)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/__lab/"):
            return self._control(path.removeprefix("/__lab/"), environ, start)
        if path.startswith("/_reconciler/"):
            return self.inner(environ, start)  # type: ignore[no-any-return]
        service, op = operation(environ)
        request, rule, row = self._begin(service, op, environ)
        try:
            if self.latency:
                time.sleep(self.latency)
            return self._answer(environ, start, request, rule, row)
        finally:
            with self.lock:
                self.in_flight[service] -= 1

    def _begin(self, service: str, op: str, environ: Environ) -> tuple[Request, Rule, dict[str, Any]]:
        with self.lock:
            request = self.order.next(service, op, environ) if self.rules else Request(service, op)
            rule = self._match(request) or self._throttle(service) or {"do": ""}
            row = {
                "n": len(self.log) + 1, "t": round(time.monotonic() - self.began, 4), "service": service, "op": op,
                "status": None, "fault": rule["do"],
            }  # fmt: skip
            self.log.append(row)
            self.operations[f"{service}:{op}"] += 1
            self.in_flight[service] = self.in_flight.get(service, 0) + 1
            for name, now in ((service, self.in_flight[service]), ("*", sum(self.in_flight.values()))):
                self.most_in_flight[name] = max(self.most_in_flight.get(name, 0), now)
        return request, rule, row

    def _match(self, request: Request, *, only: str = "") -> Rule | None:
        for rule in self.rules:
            if request.matches(rule) and (not only or only in rule):
                if rule.setdefault("skip", 0) > 0:
                    rule["skip"] -= 1
                elif rule.setdefault("times", 1) != 0:
                    rule["times"] -= 1
                    if "reads" in rule:
                        self.order.lost(request)
                    return rule
        return None

    def _after(self, request: Request, answer: bytes, row: dict[str, Any]) -> Rule | None:
        """The rule for a look at a task, for what it saw."""
        with self.lock:
            if not self.rules or not self.order.saw(request, answer):
                return None
            rule = self._match(replace(request, changes=True), only="changes")
            row["fault"] = rule["do"] if rule else ""
            return rule

    def _throttle(self, service: str) -> Rule | None:
        """A rule when the service's bucket, which holds one second's requests, is empty."""
        if not self.rate:
            return None
        now = time.monotonic()
        left, counted = self.tokens.get(service, (self.rate, now))
        left = min(self.rate, left + (now - counted) * self.rate)
        self.tokens[service] = (left - (left >= 1), now)
        code, status = THROTTLES.get(service, ("ThrottlingException", 400))
        return None if left >= 1 else {"do": "error", "code": code, "message": "Rate exceeded", "status": status}

    def _answer(
        self, environ: Environ, start: Start, request: Request, rule: Rule, row: dict[str, Any]
    ) -> Iterable[bytes]:
        request_id, service, do = f"lab-{row['n']:06d}", request.service, rule["do"]
        if do == "hold":
            self.released.wait(60)
        if do in ("error", "answer", "deny"):
            if do == "error":
                code, message = rule.get("code", "InternalFailure"), rule.get("message", "injected by the lab")
                line, headers, body = aws_error(service, code, message, rule.get("status", 400), request_id)
                headers |= rule.get("headers", {})
            elif do == "answer":
                line, body = f"{rule.get('status', 200)} -", str(rule["body"]).encode()
                headers = {"Content-Type": rule.get("type", "text/xml")}
                headers |= {} if rule.get("foreign") else {"x-amzn-requestid": request_id}
            else:
                line, headers = "200 OK", {"Content-Type": "text/xml"}
                body = simulation(form(environ), rule, request_id)
            row["status"] = int(line[:3])
            start(line, [*headers.items(), *self._date()])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
        if do == "reset":
            return _hang_up(environ, start)
        if do == "cut":
            return self._cut(environ, start, rule)

        def note(line: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            row["status"] = int(line[:3])
            kept = [(k, v) for k, v in headers if not (self.ahead and k.lower() == "date")]
            return start(line, [*kept, *self._date()], *more)

        body = b"".join(self.inner(environ, note))
        if not do and (after := self._after(request, body, row)):
            rule, do = after, after["do"]
        if do in ("lose", "kill"):
            if do == "kill":
                os.kill(rule["pid"], signal.SIGKILL)
            return _hang_up(environ, start)
        return [body]

    def _cut(self, environ: Environ, start: Start, rule: Rule) -> Iterable[bytes]:
        held: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self.inner(environ, lambda line, headers, *more: held.append((line, headers))))
        short, (line, headers) = body[: int(len(body) * rule.get("keep", 1))], held[-1]
        gone = (rule.get("without", "").lower(), "connection")
        kept = [(key, value) for key, value in headers if key.lower() not in gone]
        if not rule.get("claims"):
            start(line, kept)
            return [short]
        kept = [(key, value) for key, value in kept if key.lower() != "content-length"]
        fields = "".join(f"{key}: {value}\r\n" for key, value in [*kept, ("Content-Length", str(len(body)))])
        with contextlib.suppress(OSError):
            environ["werkzeug.socket"].sendall(f"HTTP/1.1 {line}\r\n{fields}\r\n".encode() + short)
        return _hang_up(environ, start)

    def _date(self) -> list[tuple[str, str]]:
        return [("Date", formatdate(time.time() + self.ahead, usegmt=True))] if self.ahead else []

    def _control(self, name: str, environ: Environ, start: Start) -> list[bytes]:
        asked = {key: float(values[0]) for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        out: object = {}
        if name in ("keep", "back"):
            assert self.keeper is not None
            getattr(self.keeper, name)()
        if name == "reset":
            self.inner.reset()
        with self.lock:
            if name.startswith("log"):
                only = name.removeprefix("log").removeprefix("/")
                out = [row for row in self.log if only in ("", row["op"])]
            elif name == "count":
                most = {k: v for k, v in self.most_in_flight.items() if k != "*"}
                out = {
                    "requests": len(self.log), "max_in_flight": self.most_in_flight.get("*", 0), "per_service": most,
                    "operations": dict(self.operations),
                }  # fmt: skip
            elif name == "latency":
                self.latency = asked["ms"] / 1000
            elif name == "rate":
                self.rate = asked["per_second"]
                self.tokens.clear()
            elif name == "ahead":
                self.ahead = asked["seconds"]
            elif name == "release":
                self.released.set()
            elif name == "rules":
                self.rules, self.order = json.loads(environ["wsgi.input"].read()), Order()
                self.released.clear()
            elif name in ("zero", "reset"):
                self.log, self.operations = [], Counter()
                self.most_in_flight = {}
                if name == "reset":
                    self.released.set()
                    self.rules, self.tokens, self.latency, self.rate, self.ahead = [], {}, 0.0, 0.0, 0.0
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(out).encode()]


def _hang_up(environ: Environ, start: Start) -> list[bytes]:
    with contextlib.suppress(OSError):  # the client may have gone first
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("500 Lost", [])  # goes nowhere
    return [b""]


def serve(port: int, home: Path, latency: float, *, until_eof: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input closes."""
    from reconciler.local.embedded import RequestHandler

    os.environ.setdefault(KEEP, "0")  # its home has nothing to begin with
    home.mkdir(parents=True, exist_ok=True)
    inner = Server(home, KEYS)
    lab = Lab(inner)
    lab.latency = latency / 1000
    server = make_server("127.0.0.1", port, lab, threaded=True, request_handler=RequestHandler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    inner.port = server.server_port
    inner.load()

    def record() -> None:
        write_record(home, inner.port, KEYS)
        if until_eof:
            end_with_input()

    record()
    lab.keeper = Keeper(server, home, record)
    lab.keeper.start()
    print(f"http://127.0.0.1:{inner.port}", flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    try:
        lab.keeper.wait()
    finally:
        inner.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--home", type=Path, help="its folder (default: one that is gone afterwards)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="lab-") as folder, contextlib.suppress(SystemExit):
        serve(options.port, options.home or Path(folder), options.latency, until_eof=options.until_eof)
    os._exit(0)  # threads of open connections have nothing left to do
