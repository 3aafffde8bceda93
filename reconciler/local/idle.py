"""When the server of the embedded AWS ends by itself: after a time in which nothing used it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

IDLE = "RECONCILER_LOCAL_IDLE"
DEFAULT = "8h"
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
SPAN = re.compile(r"(\d{1,6})\s*([smhd]?)")


class BadSpan(ValueError):
    """A value that is no time. The text says what it should be."""


def idle_seconds(environment: Mapping[str, str]) -> float:
    """Seconds without use after which it ends; 0 for never. Raises BadSpan."""
    text = environment.get(IDLE, "").strip() or DEFAULT
    match = SPAN.fullmatch(text)
    if match is None:
        raise BadSpan(f"{IDLE}={text!r} is not a duration: write 90m, 8h or 2d, or 0 for no limit")
    return float(match[1]) * UNITS[match[2]]


def spelled(seconds: float) -> str:
    """A time for people, in the largest unit that has it whole."""
    unit = next((unit for unit in ("d", "h", "m") if seconds % UNITS[unit] == 0), "s")
    return f"{seconds / UNITS[unit]:g} {'min' if unit == 'm' else unit}"
