"""A registry that wants a password: a proxy in front of a real one, which can also fail on purpose."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = ("transfer-encoding", "connection", "authorization")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, guard: GuardedRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.guard = guard


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """An engine that asks for TLS first has to see that this is HTTP, or it gives up."""
        if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

    def handle_any(self) -> None:
        guard, body = self.server.guard, self._body()
        if not guard.lets_in(self.headers.get("Authorization", "")):
            self._answer(401, [("WWW-Authenticate", 'Basic realm="guarded"')], b"")
            return
        guard.asked.append((self.command, self.path))
        if status := guard.before(self.command, self.path):
            self._answer(status, [], b"broken on purpose")
            return
        onward = http.client.HTTPConnection(guard.registry, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        headers["Content-Length"] = str(len(body))
        onward.request(self.command, self.path, body=body, headers=headers)
        answer = onward.getresponse()
        content = answer.read()
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in (*HOP_BY_HOP, "content-length")]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, kept, content, length)
        onward.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


class GuardedRegistry:
    """Answers on 127.0.0.1. passwords: those that are let in; asked: method and path of each request let in.

    before: called with method and path; returns a status to answer with instead, or None.
    """

    def __init__(self, registry: str) -> None:
        self.passwords: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        self.registry = registry
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def lets_in(self, authorization: str) -> bool:
        """Whether a request may go on."""
        try:
            username, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            return False
        return username == "AWS" and password in self.passwords

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
