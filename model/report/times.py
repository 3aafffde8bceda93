"""Hours as places on an axis."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt

from model.bars import Array
from model.run import Run

Rows = npt.NDArray[np.int64]


def day_ticks(time: Array, count: int) -> list[float]:
    """Midnights (hours since 1970) in a stretch of hours, about `count` of them."""
    days = np.unique(np.ceil(time / 24)).astype(int)
    days = days[(days * 24 >= time[0]) & (days * 24 <= time[-1])]
    return [float(d * 24) for d in days[:: max(1, math.ceil(len(days) / count))]]


def day(hours: float) -> str:
    """``3 Jan`` of hours since 1970."""
    moment = dt.datetime.fromtimestamp(hours * 3600, dt.UTC)
    return f"{moment.day} {moment:%b}"


def month(hours: float) -> str:
    """``Jan 24`` of hours since 1970."""
    return f"{dt.datetime.fromtimestamp(hours * 3600, dt.UTC):%b %y}"


def forecast_hours(run: Run, rows: Rows) -> Array:
    """The forecast hours of some rows, as hours since 1970."""
    return (run.bars.time[rows].astype("datetime64[h]").astype(np.int64) + 1).astype(np.float64)


def last_rows(run: Run, hours: int) -> Rows:
    """The last test rows whose outcome is known."""
    rows = np.flatnonzero(np.isfinite(run.result.forecasts.lower) & np.isfinite(run.targets.ret))
    return rows[-hours:].astype(np.int64)
