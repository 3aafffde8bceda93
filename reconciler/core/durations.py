"""Durations as text: `90m`, `2h`, `1d`, or a number of seconds. In deploy.yaml, in options and in variables. Pure."""

from __future__ import annotations

import re

DAY = 86_400
UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_DURATION = re.compile(r"\s*([0-9]{1,300})\s*([smhd]?)\s*")  # which a float can hold, too


def seconds_of(text: str) -> int | None:
    """The seconds of such a text; None for another text."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * UNITS[match[2] or "s"] if match else None
