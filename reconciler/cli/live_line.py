"""What is under way, drawn over and over at a terminal: steps with their time, uploads, the build."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.cli.terminal import Terminal, seconds, size
from reconciler.core.spec import Address

WIDTH = 20  # characters of a bar


class LiveLine:
    """Steps under way, and a line for each thing that tells how far it is. Called from several threads."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._clock = terminal, clock
        self._steps: dict[Address, float] = {}
        self._lines: dict[str, str] = {}
        self._lock = threading.Lock()

    def begin(self, address: Address) -> None:
        """A step begins."""
        with self._lock:
            self._steps[address] = self._clock()
        self.draw()

    def end(self, address: Address) -> None:
        """A step is over."""
        with self._lock:
            self._steps.pop(address, None)
        self.draw()

    def tell(self, subject: str, text: str) -> None:
        """How far something is; empty when it is over."""
        with self._lock:
            if text:
                self._lines[subject] = text
            else:
                self._lines.pop(subject, None)
        self.draw()

    def under_way(self) -> list[str]:
        """The steps, as people call them."""
        with self._lock:
            return [str(address) for address in self._steps]

    def draw(self) -> None:
        """Draw it again, with the time as it is now."""
        with self._lock:  # also of the drawing, or what another thread has ended meanwhile would be drawn last
            now = self._clock()
            steps = [f"{address} {seconds(now - began)}" for address, began in self._steps.items()]
            lines = [f"  working on {', '.join(steps)}"] if steps else []
            self._terminal.status("\n".join([*lines, *self._lines.values()]))


@dataclass
class _Sending:
    began: float
    sent_bytes: int = 0


class Uploads:
    """The progress of uploads. Called from several threads."""

    def __init__(self, live: LiveLine, clock: Callable[[], float] = time.monotonic) -> None:
        self._live, self._clock = live, clock
        self._sending: dict[str, _Sending] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str, sent: int, whole: int) -> None:
        """So many bytes more of the object BUCKET/KEY."""
        now = self._clock()
        with self._lock:
            sending = self._sending.setdefault(name, _Sending(now))
            sending.sent_bytes += sent
            sent_bytes, took = sending.sent_bytes, now - sending.began
        self._live.tell(name, "" if sent_bytes >= whole else progress(name.partition("/")[2], sent_bytes, whole, took))


def progress(name: str, sent: int, whole: int, took: float) -> str:
    """How far an upload is. sent, whole: bytes; took: seconds."""
    share = min(sent / max(whole, 1), 1.0)
    bar = "#" * int(share * WIDTH)
    rate = sent / took if took > 0 else 0.0
    time_left = f", {size(rate)}/s, about {seconds((whole - sent) / rate)} left" if rate and took >= 1 else ""
    return f"  uploading {name} [{bar:<{WIDTH}}] {share:4.0%} of {size(whole)}{time_left}"
