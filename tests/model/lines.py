"""Files of bars, line by line."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable

from model.data import Data

START = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
HEADER = "Open time,Open,High,Low,Close,Volume"
ROWS = 300
FULL = (
    "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
    "Taker buy base asset volume,Taker buy quote asset volume,Ignore"
)


def hour(i: int) -> str:
    return f"{START + dt.timedelta(hours=i):%Y-%m-%d %H:%M:%S}"


def price(i: int) -> float:
    return round(50_000 + 300 * math.sin(i / 7.0) + i, 2)


def line(i: int, **other: object) -> str:
    o, c = price(i), price(i + 1)
    bar: dict[str, object] = {"t": hour(i), "o": o, "h": max(o, c) + 20, "l": min(o, c) - 20, "c": c, "v": 10 + i % 5}
    return ",".join(str(v) for v in (bar | other).values())


def good(rows: int = ROWS) -> list[str]:
    return [HEADER, *(line(i) for i in range(rows))]


Load = Callable[..., Data]


def replaced(number: int, text: str) -> list[str]:
    """The good file with another line `number` (1 is the header)."""
    lines = good()
    lines[number - 1] = text
    return lines
