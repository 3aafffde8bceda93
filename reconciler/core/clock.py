"""Time, passed in so that tests needn't wait."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

from reconciler.core.errors import Interrupted


class Clock(Protocol):
    """What tells the time and waits."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait. May raise Interrupted."""


def moment_of(text: object) -> datetime | None:
    """The time that is written as AWS mostly writes one, `2026-11-30T03:04:05.678Z`; None for another form.

    What reads any form has to guess which it is, and takes 27 times as long as this.
    """
    if not isinstance(text, str) or not text.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


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
