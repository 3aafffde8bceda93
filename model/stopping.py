"""Stopping on SIGTERM, from the first moment on.

While the heavy imports run, nothing has been made yet: the handler leaves at once.
Once work has begun, the handler raises `Stopped` in the main thread, and the
training threads see `requested()` at their next boosting round.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM  # 143, what a shell and ECS report for SIGTERM

_requested = threading.Event()
_working = False


class Stopped(BaseException):
    """SIGTERM came. Not an `Exception`, so that no ``except Exception`` swallows it."""


def _handle(_signum: int, _frame: FrameType | None) -> None:
    first = not _requested.is_set()
    _requested.set()
    if not _working:
        # Straight to the descriptor: `sys.stderr` may be in the middle of a write, and refuses another.
        os.write(2, b'{"event": "stopped by SIGTERM before any work", "level": "warning"}\n')
        os._exit(EXIT_CODE)
    if first:  # a second SIGTERM must not interrupt the clean end
        raise Stopped


def install() -> None:
    """Take over SIGTERM. Call it before importing anything heavy.

    In the image the signal is blocked until here (see the Dockerfile): one that came earlier arrives now.
    """
    signal.signal(signal.SIGTERM, _handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def begin_work() -> None:
    """From here on SIGTERM raises `Stopped` instead of leaving at once."""
    global _working
    _working = True


def requested() -> bool:
    """True once SIGTERM has come; safe to call from any thread."""
    return _requested.is_set()
