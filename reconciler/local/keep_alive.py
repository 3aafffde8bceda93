"""HTTP/1.1 for werkzeug's development server: connections stay open, as AWS SDKs expect for speed.

werkzeug closes each connection since it can't know how much of a request its application left unread. Here the
whole body is read before the application is called, so the next request always starts where it should. A request that
doesn't say in one way where its body ends is refused. Chunks are read here: with werkzeug's reader the whole process
crashes, or a thread never ends, where a body is shorter than it says.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterable
from typing import Any, cast

from werkzeug.serving import WSGIRequestHandler

from reconciler.core.files import FULL_DISK
from reconciler.local import server_log
from reconciler.local.received import Received

COPY_BYTES = 2**20
READ_BYTES = 2**18  # at a time: what is hashed and written next is still near
NO_BODY = (204, 304)
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
LONGEST_LINE = 1024
MOST_TRAILERS = 64
MOST_UNPROVED = 2**20  # bytes of a body, which are read before its signature can be checked
MOST_UNREAD, HANG_UP_SECONDS = 2**16, 1.0
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class BadBody(Exception):
    """A request whose body doesn't end where it says."""


class KeepAliveHandler(WSGIRequestHandler):
    """A request handler that keeps connections open and logs errors only."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the second packet of an answer waits for the client's acknowledgement

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        environ.pop("wsgi.input_terminated", None)
        with Received() as body:
            try:
                self._read_body(environ, body)
            except BadBody as error:
                self._refuse(environ, str(error).encode(), "text/plain")
                return
            except OSError as error:
                if error.errno not in FULL_DISK:
                    raise
                reason = f"{error.strerror}: uploads are written to {body.folder}. Make room there."
                text = f"<Error><Code>InsufficientStorage</Code><Message>{reason}</Message></Error>"
                self._refuse(environ, text.encode(), "application/xml")
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
            length = _length(headers) if environ["REQUEST_METHOD"] == "GET" else 0
            if length <= COPY_BYTES:
                parts.extend(answer)
                getattr(answer, "close", lambda: None)()
        except Exception:
            server_log.trace()
            status, headers, length = ["500 Internal Server Error"], [("Content-Type", "text/plain")], 0
            parts = [b"Internal Server Error"]
        if length > COPY_BYTES:
            self._send_blocks(status[0], headers, length, answer)
        else:
            self._send(environ["REQUEST_METHOD"], status[0], headers, b"".join(parts))

    def _send_blocks(self, status: str, headers: list[tuple[str, str]], length: int, blocks: Iterable[bytes]) -> None:
        """Send what is too long for memory. Once it is begun it can't become another answer, only be cut short."""
        try:
            self._send("GET", status, headers, b"", length)
            for block in blocks:
                self.wfile.write(block)
                length -= len(block)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            server_log.trace()
        finally:
            self.close_connection = self.close_connection or length != 0
            getattr(blocks, "close", lambda: None)()

    def _send(
        self, method: str, status: str, headers: list[tuple[str, str]], body: bytes, length: int | None = None
    ) -> None:
        code, _, message = status.partition(" ")
        bare = method == "HEAD" or int(code) in NO_BODY
        names = {name.lower() for name, _ in headers}
        self.send_response_only(int(code), message)
        for name, value in headers:
            if name.lower() != "connection" and not (name.lower() == "content-length" and not bare):
                self.send_header(name, value)
        if not bare:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (("server", self.version_string()), ("date", self.date_time_string())):
            if name not in names:
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        head = b"".join([*getattr(self, "_headers_buffer", []), b"\r\n"])
        self._headers_buffer: list[bytes] = []
        self.wfile.write(head if bare else head + body)

    def _read_body(self, environ: dict[str, Any], body: Received) -> None:
        """Read the request's body into `body`. Raises BadBody."""
        lengths, codings = (self.headers.get_all(name, []) for name in ("Content-Length", "Transfer-Encoding"))
        if codings:
            if lengths or [coding.strip().lower() for coding in codings] != ["chunked"]:
                raise BadBody("the body must be chunked, or have a length")
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            self._read_chunks(body, environ)
        elif lengths:
            if len(lengths) > 1 or re.fullmatch(r"[0-9]{1,15}", lengths[0].strip()) is None:
                raise BadBody("the body must have one length")
            if (environ["REQUEST_METHOD"], environ.get("HTTP_X_AMZ_CONTENT_SHA256")) == ("PUT", UNSIGNED_CHUNKS):
                self._read_aws_chunks(int(lengths[0]), body, environ)
            else:
                self._copy(int(lengths[0]), body, environ)
        if body.trailer is None:  # else the signature covers the length with all chunks
            environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)

    def _refuse(self, environ: dict[str, Any], text: bytes, kind: str) -> None:
        """Answer a request of which not all was read, and end the connection."""
        self.close_connection = True
        self._send(str(environ["REQUEST_METHOD"]), "400 Bad Request", [("Content-Type", kind)], text)
        self._hang_up()

    def _hang_up(self) -> None:
        """Let the client read the answer: closed with bytes unread, the connection would be reset under it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(HANG_UP_SECONDS)
            self.rfile.read(MOST_UNREAD)

    def _copy(self, size: int, body: Received, environ: dict[str, Any]) -> None:
        if body.tell() + size > MOST_UNPROVED and not cast(Any, self.server.app).knows(environ):
            raise BadBody("the body is too large for a request whose access key isn't known")
        body.expect(size)
        room = memoryview(bytearray(min(size, READ_BYTES)))
        while size > 0:
            part = room[: self.rfile.readinto(room[:size])]
            if not part:
                raise BadBody("the body is shorter than it says")
            body.write(part)
            size -= len(part)

    def _read_chunks(self, body: Received, environ: dict[str, Any]) -> None:
        while True:
            head = CHUNK.fullmatch(self.rfile.readline(LONGEST_LINE))
            if head is None:
                raise BadBody("a chunk of the body has no size")
            size = int(head[1], 16)
            if size == 0:
                break
            self._copy(size, body, environ)
            if self.rfile.readline(3).strip(b"\r\n"):
                raise BadBody("a chunk of the body is longer than it says")
        for _ in range(MOST_TRAILERS):
            line = self.rfile.readline(LONGEST_LINE)
            if not line.strip(b"\r\n"):
                return
        raise BadBody("the body has too many trailers")

    def _read_aws_chunks(self, left: int, body: Received, environ: dict[str, Any]) -> None:
        """Read so many bytes of an upload whose chunks no signature covers, and leave what is around the content."""

        def line() -> bytes:
            nonlocal left
            text = self.rfile.readline(min(LONGEST_LINE, left))
            left -= len(text)
            return text

        while head := CHUNK.fullmatch(line()):
            size = int(head[1], 16)
            if size == 0 and left <= LONGEST_LINE * MOST_TRAILERS:
                body.trailer = self.rfile.read(left)
                return
            if size > left:
                break
            self._copy(size, body, environ)
            left -= size
            if line().strip(b"\r\n"):
                break
        raise BadBody("the chunks of the body aren't whole")

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Write errors to standard error, which is the server's log."""
        if type == "error":
            super().log(type, message, *args)


def _length(headers: list[tuple[str, str]]) -> int:
    """How long an answer says that it is; 0 where it doesn't."""
    return next((int(value) for name, value in headers if name.lower() == "content-length" and value.isdigit()), 0)
