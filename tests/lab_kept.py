"""A lab that can go back: the process that serves is a fork, and another fork of what was kept takes its place.

    POST /__lab/keep    what the account holds now is kept: this process serves no longer, a copy of it does
    POST /__lab/back    forget all that came after; the answer doesn't come, since this process ends

A copy costs some hundredths of a second whatever the account holds, while making it anew takes an apply. Port,
identity and folder stay the same. Nothing may be under way when it is kept. What a copy hasn't: the threads that
deliver events and look at schedules, so rules and schedules don't fire.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from socketserver import BaseServer
from typing import Any

BACK = 75  # exit code of a copy that is to be replaced by another
FOLDERS = ("images", "tasks")  # what the account has on the disk


class Keeper:
    """Serves in a thread; in the main thread it waits to be asked for a copy. changed: called in each copy."""

    def __init__(self, server: Any, home: Path, changed: Callable[[], None]) -> None:
        self._server, self._home, self._changed = server, home, changed
        self._asked, self._copied = threading.Event(), threading.Event()

    def start(self) -> None:
        """Serve."""
        # Not werkzeug's own serve_forever, which closes the socket in the end.
        threading.Thread(target=BaseServer.serve_forever, args=(self._server, 0.1), daemon=True).start()

    def keep(self) -> None:
        """Called by a request's thread; returns when a copy serves."""
        self._asked.set()
        self._copied.wait()

    def back(self) -> None:
        """Called by a request's thread of a copy. It doesn't return."""
        os._exit(BACK)

    def wait(self) -> None:
        """Wait for ever. Here a process becomes a copy, or the one who keeps."""
        while True:
            self._asked.wait()
            self._server.shutdown()
            kept = self._home / f"kept-{os.getpid()}"
            self._copy(self._home, kept)
            gc.collect()
            gc.freeze()  # so that a copy shares the memory until it changes something
            while os.fork():
                self._copied.set()
                code = os.waitstatus_to_exitcode(os.wait()[1])
                if code != BACK:
                    os._exit(code if code >= 0 else 1)
                self._copy(kept, self._home)
            self._asked, self._copied = threading.Event(), threading.Event()
            self._changed()
            self.start()

    def _copy(self, source: Path, target: Path) -> None:
        for name in FOLDERS:
            shutil.rmtree(target / name, ignore_errors=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, target / name, symlinks=True)


def end_with_input() -> None:
    """End this process when standard input, which every copy shares, closes."""

    def read() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()
