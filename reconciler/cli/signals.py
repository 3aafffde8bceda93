"""What Ctrl-C and SIGTERM do: the first asks to stop, the second stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


def _leave(signum: int, frame: FrameType | None) -> None:
    """A second Ctrl-C: leave at once. What was done is found by the next run."""
    os.write(2, b"\ninterrupted again: leaving at once; run the command again to go on\n")
    os._exit(130)


def on_interrupt(first: Callable[[], object]) -> None:
    """Call `first` at the first SIGINT or SIGTERM; the second ends the process."""

    def handler(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _leave)
        signal.signal(signal.SIGTERM, _leave)
        first()

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
