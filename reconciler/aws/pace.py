"""How fast one service is called: as fast as it allows, which its throttling tells. Shared by all threads.

One throttled call slows all calls to that service, so that what is repeated doesn't come on top of what is new. The
rate falls by a third when the service throttles, comes back to where that was within seconds, stays about there for a
while and then rises faster and faster, until the service throttles again or there is no limit any more: the curve that
TCP's CUBIC and the AWS SDKs' adaptive mode follow. Throttled answers to calls that began before the last slowing down
say nothing new.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.core.clock import Clock

FIRST = 20.0  # calls per second after the first throttled one
LEAST = 0.2  # calls per second
FREE = 400.0  # calls per second from which on there is no limit
LESS = 0.7  # of the rate is left when the service throttles
GROWTH = 0.02  # how steep the curve is, per cubic second, as a part of the rate
BACK = ((1 - LESS) / GROWTH) ** (1 / 3)  # seconds until the rate is what it was


class Pace:
    """The pace of one service. Times are seconds by the clock of the caller. rate: calls per second; 0 for no limit."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._most = 0.0  # the rate at which it throttled
        self._slowed = float("-inf")
        self._next = 0.0
        self._lock = threading.Lock()

    def delay(self, now: float) -> float:
        """0.0 when a call may start now; else the seconds after which to ask again, since another may be first."""
        with self._lock:
            if now < self._slowed or now < self._next - 2 / LEAST:  # the clock was set back
                self._slowed = self._next = now
            if self.rate:
                self.rate = self._risen(now)
            if not self.rate:
                return 0.0
            if now < self._next:
                return self._next - now
            self._next = now + 1 / self.rate
            return 0.0

    def wait(self, clock: Clock, tell: Callable[[float], None]) -> None:
        """Wait until a call may start. tell: told once, if it has to wait at all, the seconds of the first pause."""
        announced = False
        while pause := self.delay(clock.now()):
            if not announced:
                tell(pause)
                announced = True
            clock.sleep(pause)

    def throttled(self, began: float, now: float) -> None:
        """A call that began at `began` was throttled."""
        with self._lock:
            if began < self._slowed:
                return
            rate = self._risen(now) if self.rate else 0.0
            self._most = max(rate, LEAST / LESS) if rate else FIRST / LESS
            self.rate = self._most * LESS
            self._slowed = now
            self._next = now + 1 / self.rate

    def _risen(self, now: float) -> float:
        rate = self._most * (1 + GROWTH * (now - self._slowed - BACK) ** 3)
        return rate if rate < FREE else 0.0
