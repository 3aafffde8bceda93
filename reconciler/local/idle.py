"""When the server of the embedded AWS ends by itself: after a time in which nothing used it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.durations import DAY, UNITS, seconds_of

IDLE = "RECONCILER_LOCAL_IDLE"
DEFAULT = "8h"
LONGEST = 36_500 * DAY  # as in deploy.yaml


class BadSpan(ValueError):
    """A value that is no time. The text says what it should be."""


def idle_seconds(environment: Mapping[str, str]) -> float:
    """Seconds without use after which it ends; 0 for never. Raises BadSpan."""
    text = environment.get(IDLE, "").strip() or DEFAULT
    seconds = seconds_of(text)
    if seconds is None or seconds > LONGEST:
        raise BadSpan(f"{IDLE}={text!r} is not a duration: write 90m, 8h or 2d, or 0 for no limit")
    return float(seconds)


def spelled(seconds: float) -> str:
    """A time for people, in the largest unit that has it whole."""
    unit = next((unit for unit in ("d", "h", "m") if seconds % UNITS[unit] == 0), "s")
    return f"{seconds / UNITS[unit]:g} {'min' if unit == 'm' else unit}"
