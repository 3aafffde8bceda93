"""Time, passed in so that tests needn't wait."""

from __future__ import annotations

import time
from typing import Protocol

from reconciler.core.errors import Interrupted


class Clock(Protocol):
    """What tells the time and waits."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait. May raise Interrupted."""


def interrupted(clock: Clock) -> bool:
    """Whether whoever waits by this clock has been interrupted."""
    try:
        clock.sleep(0)
    except Interrupted:
        return True
    return False


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
