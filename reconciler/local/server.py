"""The server process of the embedded AWS: python -m reconciler.local.server HOME

It becomes a process of its own, whose parent is no process of whoever started it, makes the access key that everything
asked of it must be signed with, and says in HOME/server.json where it is. It answers `/_reconciler/identity` at once
and loads moto, which takes over a second, meanwhile; every other request waits until that is done. It ends on SIGTERM,
after ending the tasks that run.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from werkzeug.serving import WSGIRequestHandler, make_server

from reconciler.local import server_log
from reconciler.local.guard import refusal
from reconciler.local.idle import idle_seconds, spelled
from reconciler.local.json_answer import json_answer
from reconciler.local.keep_alive import KeepAliveHandler
from reconciler.local.keys import NONCE_HEADER, PROOF_HEADER, Keys, client_proof, new_keys, same, server_proof
from reconciler.local.processes import birth

if TYPE_CHECKING:
    from reconciler.local.embedded import Embedded

StartResponse = Callable[..., Any]
IDENTITY_PATH = "/_reconciler/identity"
CHECK_SECONDS = 2.0
SAVE_SECONDS = 10.0  # after its last use or work: by then a log that came late is whole
SAVE_SHARE = 20.0  # times as long as it took nothing is written, so that who has very much doesn't wait for it
SMALL_SECONDS = 30.0  # without use until memory is given back
M_MMAP_THRESHOLD, LARGE_BYTES = -3, 2**18  # of glibc: from how many bytes on memory is mapped by itself
LEAST_NONCE = 16
RECORD_VERSION = 2
ACCESS_KEY = re.compile(r"(?:Credential|AWSAccessKeyId)=(\w{1,128})")


class Server:
    """The WSGI application around the part that needs moto, which `load` fetches."""

    def __init__(self, home: Path, keys: Keys) -> None:
        self.home = home
        self.keys = keys
        self.port = 0
        self._embedded: Embedded | None = None
        self._error: str | None = None
        self._loaded = threading.Event()
        self.idle = idle_seconds(os.environ)
        self._used_at = time.monotonic()
        self._small = False
        self._worked_at = self._saved_at = self._save_again = 0.0

    def is_idle(self, now: float) -> bool:
        """Whether nothing has used it for so long that it is to end. now: of the monotonic clock.

        Neither while a task or function runs, nor while a schedule is still to come.
        """
        unused = now - self._used_at
        if self._embedded is None or unused < min(SMALL_SECONDS, self.idle or SMALL_SECONDS) or self._embedded.busy():
            return False
        if not self._small:
            self._small = True
            give_back()
        return 0 < self.idle < unused

    def load(self) -> None:
        """Import moto and put our operations into it."""
        try:
            from reconciler.local.embedded import Embedded

            self._embedded = Embedded(self.home, f"http://127.0.0.1:{self.port}", self.keys)
        except Exception as error:
            server_log.trace()
            self._error = f"{type(error).__name__}: {error}"
        self._loaded.set()
        if self._embedded is not None:
            self._embedded.warm()

    def handler_class(self) -> type[WSGIRequestHandler]:
        """moto's request handler, once moto is there."""
        self._loaded.wait()
        return type(self._embedded).handler if self._embedded is not None else Handler

    def keep(self) -> None:
        """Write what is to outlive this process, if it was used since, or a task or function ran."""
        if self._embedded is None:
            return
        if self._embedded.working():
            self._worked_at = time.monotonic()
        if max(self._used_at, self._worked_at) + SAVE_SECONDS > self._saved_at and time.monotonic() >= self._save_again:
            self._saved_at = time.monotonic()
            try:
                self._embedded.keep()
            except Exception:  # it is tried again; nobody's work ends for it
                server_log.trace()
            ended = time.monotonic()
            self._save_again = ended + SAVE_SHARE * (ended - self._saved_at)

    def close(self) -> None:
        """End the tasks that run."""
        if self._embedded is not None:
            self._embedded.close()

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Any:
        """Answer a request, if it comes from where it may."""
        why = refusal(environ)
        if why is not None:
            return json_answer(start, "403 Forbidden", {"message": f"reconciler: {why}"})
        self._used_at, self._small = time.monotonic(), False
        if environ["PATH_INFO"] == IDENTITY_PATH:
            return self._identify(environ, start)
        self._loaded.wait()
        if self._embedded is None:
            message = f"reconciler: the embedded AWS could not load moto: {self._error}"
            return json_answer(start, "500 Internal Server Error", {"message": message})
        return self._embedded(environ, start)

    def knows(self, environ: dict[str, Any]) -> bool:
        """Whether a request names an access key of this AWS. That isn't proved yet; it isn't a secret, nor told."""
        text = f"{environ.get('HTTP_AUTHORIZATION', '')} {unquote(str(environ.get('QUERY_STRING', '')))}"
        match = ACCESS_KEY.search(text)
        self._loaded.wait()
        return match is not None and self._embedded is not None and self._embedded.knows(match[1])

    def reset(self) -> None:
        """Forget every resource, run, log and image."""
        self._loaded.wait()
        if self._embedded is not None:
            self._embedded.reset()

    def _identify(self, environ: dict[str, Any], start: StartResponse) -> list[bytes]:
        """Prove to who has the secret that this server has it, and tell what it is. Everybody else learns nothing."""
        nonce = str(environ.get("HTTP_" + NONCE_HEADER.upper().replace("-", "_"), ""))
        proof = str(environ.get("HTTP_" + PROOF_HEADER.upper().replace("-", "_"), ""))
        if len(nonce) < LEAST_NONCE or not same(client_proof(self.keys, nonce), proof):
            return json_answer(start, "403 Forbidden", {"message": "reconciler: this needs the secret of this server"})
        answer = {"pid": os.getpid(), "runner": "process", "error": self._error, "idle": self.idle}
        if self._embedded is not None:
            answer["runner"] = self._embedded.runner_name
        body = json.dumps(answer).encode()
        return json_answer(start, "200 OK", body, (PROOF_HEADER, server_proof(self.keys, nonce, body)))


class Handler(KeepAliveHandler):
    """Turns into moto's handler for what is moto's, so that the identity is told before moto is there."""

    app: Server

    def make_environ(self) -> dict[str, Any]:
        """The WSGI environment of a request; other requests than for the identity wait for moto here."""
        if type(self) is Handler and not self.path.startswith(IDENTITY_PATH):
            handler_class = self.app.handler_class()
            if handler_class is not Handler:
                self.__class__ = handler_class  # type: ignore[assignment]  # a sibling with the same attributes
                return self.make_environ()
        return super().make_environ()


def write_record(home: Path, port: int, keys: Keys) -> None:
    """server.json, readable by this user only and never half written: where this process is, and its secret."""
    record = {
        "version": RECORD_VERSION,
        "pid": os.getpid(),
        "birth": birth(os.getpid()),
        "port": port,
        "started_at": time.time(),
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
    }
    part = home / f"server.json.{os.getpid()}"
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(record))
    part.replace(home / "server.json")


def still_ours(home: Path, keys: Keys) -> bool:
    """Whether the folder still names this server: else nobody can find it, and it had better end."""
    try:
        return bool(json.loads((home / "server.json").read_text())["access_key_id"] == keys.access_key_id)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def give_back() -> None:
    """Give memory back to the system that was needed only while there was work."""
    gc.unfreeze()
    gc.collect()
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another library than glibc
            ctypes.CDLL(None).malloc_trim(0)


def free_at_once() -> None:
    """Have the system get large memory back as soon as it is free: glibc else keeps what a few uploads once needed."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another library than glibc
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def become_orphan() -> int:
    """Go on as a child whose parent ends when the child has said that it serves, or has ended.

    Returns where to write that it serves. The parent of whoever serves is then the system's first process, so that a
    task finds none of the processes above it that hold what the user has in the environment.
    """
    ready, serving = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        return serving
    os.close(serving)
    os._exit(0 if os.read(ready, 1) else 1)


def main(home: Path) -> None:
    """Serve until told to end."""
    os.umask(0o077)
    free_at_once()
    serving = become_orphan()
    keys = new_keys()
    app = Server(home, keys)
    Handler.app = app
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    app.port = server.server_port
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    threading.Thread(target=app.load, name="loading", daemon=True).start()
    write_record(home, app.port, keys)
    os.write(serving, b".")
    os.close(serving)
    while still_ours(home, keys) and not stopping.wait(CHECK_SECONDS):
        if app.is_idle(time.monotonic()):
            server_log.tell(f"nothing has used it for {spelled(app.idle)}: it ends")
            break
        app.keep()
    app.close()
    if still_ours(home, keys):
        (home / "server.json").unlink(missing_ok=True)
    os._exit(0)  # threads of open connections have nothing left to do


if __name__ == "__main__":
    main(Path(sys.argv[1]))
