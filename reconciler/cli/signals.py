"""What Ctrl-C and SIGTERM do: the first asks to stop, the second stops.

A cancelled CI job sends SIGINT, SIGTERM some seconds later, and SIGKILL ten seconds after the first. There, SIGTERM
after SIGINT is nobody's impatience but a part of the notice: what has been begun, such as stopping the task, goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from reconciler.cli.terminal import attended

received: list[int] = []  # since `on_interrupt`


def _leave(signum: int, frame: FrameType | None) -> None:
    """Ctrl-C again: leave at once. What was done is found by the next run."""
    os.write(
        2, b"\ninterrupted again: leaving at once; running tasks in AWS continue; run the command again to continue\n"
    )
    os._exit(130)


def _late(signum: int, frame: FrameType | None) -> None:
    """SIGTERM after SIGINT: go on with the end; once more, and leave."""
    signal.signal(signum, _leave)


def on_interrupt(first: Callable[[], object]) -> None:
    """Call `first` at the first SIGINT or SIGTERM; the second ends the process, but for SIGTERM after SIGINT in CI."""

    def handler(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        notice = signum == signal.SIGINT and not attended()
        signal.signal(signal.SIGINT, _leave)
        signal.signal(signal.SIGTERM, _late if notice else _leave)
        first()

    received.clear()
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
