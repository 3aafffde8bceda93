"""The server process of the embedded AWS: python -m reconciler.local.server HOME

It answers `/_reconciler/identity` at once and loads moto, which takes over a second, meanwhile; every other request
waits until that is done. It ends on SIGTERM, after ending the tasks that run.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

from reconciler.local.guard import refusal
from reconciler.local.keep_alive import KeepAliveHandler

if TYPE_CHECKING:
    from reconciler.local.embedded import Embedded

StartResponse = Callable[..., Any]
IDENTITY_PATH = "/_reconciler/identity"
CHECK_SECONDS = 2.0


class Server:
    """The WSGI application around the part that needs moto, which `load` fetches."""

    def __init__(self, home: Path, identity: str) -> None:
        self.home = home
        self.identity = identity
        self.port = 0
        self._embedded: Embedded | None = None
        self._error: str | None = None
        self._loaded = threading.Event()

    def load(self) -> None:
        """Import moto and put our operations into it."""
        try:
            from reconciler.local.embedded import Embedded

            self._embedded = Embedded(self.home, f"http://127.0.0.1:{self.port}", self.identity)
        except Exception as error:
            import traceback

            traceback.print_exc()
            self._error = f"{type(error).__name__}: {error}"
        self._loaded.set()
        if self._embedded is not None:
            self._embedded.warm()

    def handler_class(self) -> type[WSGIRequestHandler]:
        """moto's request handler, once moto is there."""
        self._loaded.wait()
        return type(self._embedded).handler if self._embedded is not None else Handler

    def close(self) -> None:
        """End the tasks that run."""
        if self._embedded is not None:
            self._embedded.close()

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Any:
        """Answer a request, if it comes from where it may."""
        why = refusal(environ)
        if why is not None:
            return json_answer(start, "403 Forbidden", {"message": f"reconciler: {why}"})
        if environ["PATH_INFO"] == IDENTITY_PATH:
            shown = {"identity": self.identity, "pid": os.getpid(), "runner": "process", "error": self._error}
            if self._embedded is not None:
                shown["runner"] = self._embedded.runner_name
            return json_answer(start, "200 OK", shown)
        self._loaded.wait()
        if self._embedded is None:
            message = f"reconciler: the embedded AWS could not load moto: {self._error}"
            return json_answer(start, "500 Internal Server Error", {"message": message})
        return self._embedded(environ, start)


class Handler(KeepAliveHandler):
    """Turns into moto's handler for what is moto's, so that the identity is told before moto is there."""

    app: Server

    def make_environ(self) -> dict[str, Any]:
        """The WSGI environment of a request; other requests than for the identity wait for moto here."""
        if type(self) is Handler and not self.path.startswith(IDENTITY_PATH):
            wanted = self.app.handler_class()
            if wanted is not Handler:
                self.__class__ = wanted  # type: ignore[assignment]  # a sibling with the same attributes
                return self.make_environ()
        return super().make_environ()


def json_answer(start: StartResponse, status: str, value: object) -> list[bytes]:
    """A whole JSON answer."""
    body = json.dumps(value).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def write_record(home: Path, record: dict[str, object]) -> None:
    """server.json, readable by this user only and never half written."""
    part = home / f"server.json.{os.getpid()}"
    part.touch(mode=0o600)
    part.write_text(json.dumps(record))
    part.replace(home / "server.json")


def still_ours(home: Path, identity: str) -> bool:
    """Whether the folder still names this server: else nobody can find it, and it had better end."""
    try:
        return bool(json.loads((home / "server.json").read_text())["identity"] == identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def main(home: Path) -> None:
    """Serve until told to end."""
    os.umask(0o077)
    identity = os.environ.pop("RECONCILER_LOCAL_IDENTITY", None) or secrets.token_hex(16)
    app = Server(home, identity)
    Handler.app = app
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    app.port = server.server_port
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    threading.Thread(target=app.load, name="loading", daemon=True).start()
    write_record(home, {"pid": os.getpid(), "port": app.port, "identity": identity, "started_at": time.time()})
    while still_ours(home, identity) and not stopping.wait(CHECK_SECONDS):
        pass
    app.close()
    if still_ours(home, identity):
        (home / "server.json").unlink(missing_ok=True)
    os._exit(0)  # threads of open connections have nothing left to do


if __name__ == "__main__":
    main(Path(sys.argv[1]))
