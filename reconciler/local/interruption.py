"""An interruption that a rule asks for: some seconds after the task runs, or after so many lines of output."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.local.behaviour import Quirks
from reconciler.local.runner import Output


class Interruption:
    """Calls `interrupt` once, when it is due; never when no rule asks for it. do: that rule's."""

    def __init__(self, quirks: Quirks, do: str, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._lines_left = int(quirks.number(do, "after_lines", 0))
        self._timer: threading.Timer | None = None
        if quirks.first(do) and self._lines_left == 0:
            self._timer = threading.Timer(quirks.number(do, "after_seconds", 0), interrupt)
            self._timer.daemon = True

    def running(self) -> None:
        """The task has begun to run: the time counts from now. Called once."""
        if self._timer is not None:
            self._timer.start()

    def cancel(self) -> None:
        """Forget the interruption of a task that has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def counting(self, write: Output) -> Output:
        """`write`, counting lines."""
        if self._lines_left == 0:
            return write

        def counting(chunk: bytes) -> None:
            write(chunk)
            before, self._lines_left = self._lines_left, self._lines_left - chunk.count(b"\n")
            if before > 0 >= self._lines_left:
                self._interrupt()

        return counting
