"""How fast one service is called: as fast as it allows, which its throttling tells. Shared by all threads.

One throttled call slows all calls to that service, so that what is repeated doesn't come on top of what is new. Calls
get starting times, `interval` seconds apart. The interval doubles when the service throttles and shrinks with every
call that succeeds; throttled answers to calls that began before the last slowing down say nothing new.
"""

from __future__ import annotations

import threading

SLOWEST = 5.0  # seconds between two calls, at most
FIRST = 0.05  # seconds between two calls after the first throttled one
EASE = 0.9  # of the interval is left after each call that succeeds
FREE = 0.005  # an interval below this is none


class Pace:
    """The pace of one service. Times are seconds by the clock of the caller."""

    def __init__(self) -> None:
        self.interval = 0.0
        self._next = 0.0
        self._slowed = float("-inf")
        self._lock = threading.Lock()

    def delay(self, now: float) -> float:
        """Take the next starting time; seconds until then."""
        with self._lock:
            if not self.interval:
                return 0.0
            start = max(now, self._next)
            self._next = start + self.interval
            return start - now

    def throttled(self, began: float, now: float) -> None:
        """A call that began at `began` was throttled."""
        with self._lock:
            if began >= self._slowed:
                self.interval = min(max(self.interval * 2, FIRST), SLOWEST)
                self._slowed = now
                self._next = max(self._next, now + self.interval)

    def succeeded(self) -> None:
        """A call wasn't throttled."""
        if self.interval:
            with self._lock:
                self.interval = self.interval * EASE if self.interval * EASE >= FREE else 0.0
