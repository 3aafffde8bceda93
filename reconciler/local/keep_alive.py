"""HTTP/1.1 for werkzeug's development server: connections stay open, as AWS SDKs expect for speed.

werkzeug closes each connection since it can't know how much of a request its application left unread. Here the
whole body is read before the application is called, so the next request always starts where it should.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

from werkzeug.serving import WSGIRequestHandler

SPOOL_BYTES = 2**24
COPY_BYTES = 2**20
NO_BODY = (204, 304)


class KeepAliveHandler(WSGIRequestHandler):
    """A request handler that keeps connections open and logs errors only."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the second packet of an answer waits for the client's acknowledgement

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        with cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)) as body:
            if not self._read_body(environ, body):
                self.close_connection = True
                return
            environ["wsgi.input"] = body
            self._answer(environ)

    def _answer(self, environ: dict[str, Any]) -> None:
        status: list[str] = []
        headers: list[tuple[str, str]] = []

        def start_response(line: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            status[:], headers[:] = [line], fields
            return parts.append

        parts: list[bytes] = []
        try:
            answer: Iterable[bytes] = self.server.app(environ, start_response)
            parts.extend(answer)
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        except Exception:
            traceback.print_exc()
            status, headers = ["500 Internal Server Error"], [("Content-Type", "text/plain")]
            parts = [b"Internal Server Error"]
        self._send(environ["REQUEST_METHOD"], status[0], headers, b"".join(parts))

    def _send(self, method: str, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, message = status.partition(" ")
        bare = method == "HEAD" or int(code) in NO_BODY
        names = {name.lower() for name, _ in headers}
        self.send_response_only(int(code), message)
        for name, value in headers:
            if name.lower() != "connection" and not (name.lower() == "content-length" and not bare):
                self.send_header(name, value)
        if not bare:
            self.send_header("Content-Length", str(len(body)))
        for name, value in (("server", self.version_string()), ("date", self.date_time_string())):
            if name not in names:
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        head = b"".join([*getattr(self, "_headers_buffer", []), b"\r\n"])
        self._headers_buffer: list[bytes] = []
        self.wfile.write(head if bare else head + body)

    def _read_body(self, environ: dict[str, Any], body: IO[bytes]) -> bool:
        """Read the request's body into `body`; False when the client went away in the middle."""
        source = environ["wsgi.input"]
        if environ.pop("wsgi.input_terminated", False):  # chunked: werkzeug's reader knows the end
            shutil.copyfileobj(source, body, COPY_BYTES)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        else:
            left = int(environ.get("CONTENT_LENGTH") or 0)
            while left > 0:
                part = source.read(min(left, COPY_BYTES))
                if not part:
                    return False
                body.write(part)
                left -= len(part)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)
        return True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Write errors to standard error, which is the server's log."""
        if type == "error":
            super().log(type, message, *args)
