"""The numbers that a program wrote to `metrics.json`: those that every reader of JSON has, and no others. Pure."""

from __future__ import annotations

import math
from typing import Any

from reconciler.core import plain_json

FILE = "metrics.json"
MOST = 1024 * 1024  # bytes of the file
COUNT = 10_000
LONGEST = 1_000  # characters of a name
SAID = 5  # names that are said


def metrics_in(text: bytes) -> tuple[dict[str, float], str]:
    """(the metrics, what is left out of the file and why; empty for nothing). text: the file, or more of it than MOST.

    The metrics are the file's object, or the one under `metrics` in it. What isn't a number is no metric, and not
    spoken of; a number that is none, such as NaN, or that no float holds is left out.
    """
    try:
        content = plain_json.read(text, MOST, odd=True)
    except plain_json.NotJson as error:
        return {}, f"{FILE} is left out: {error}"
    metrics = content.get("metrics", content) if isinstance(content, dict) else {}
    if not isinstance(metrics, dict):
        return {}, ""
    numbers = {key: _float(value) for key, value in metrics.items() if _is_number(value)}
    good = [key for key, number in numbers.items() if math.isfinite(number) and len(key) <= LONGEST][:COUNT]
    return {key: numbers[key] for key in good}, _left_out([key for key in numbers if key not in set(good)])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _left_out(names: list[str]) -> str:
    if not names:
        return ""
    text = ", ".join(ascii(name if len(name) <= 60 else f"{name[:57]}...") for name in names[:SAID])
    suffix = f" and {len(names) - SAID} more" if len(names) > SAID else ""
    return f"{FILE}: {text}{suffix} left out: no finite number, a name of over {LONGEST:,} characters, or too many"
