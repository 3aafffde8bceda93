"""What is forecast at the end of hour t about hour t+1, and the regressors of the baselines of volatility."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from model.bars import Array, Bars
from model.features.registry import CHUNK, LOOKBACK
from model.features.series import Series, lag

HAR_HOURS = (1, 24, 168)
MINIMUM_HISTORY = 720
"""Hours of history that every feature needs for its full window."""


@dataclasses.dataclass(frozen=True)
class Targets:
    """Row t holds what hour t+1 brought, NaN where it isn't known. Shapes (n,); `har` (n, 3), `lhar` (n, len(LHAR)).

    Everything but `up`, `ret` and `lv` is known at the end of hour t.
    """

    up: Array
    """1 if C[t+1] > C[t], 0 if below, NaN if equal."""
    ret: Array
    """ln C[t+1]/C[t]."""
    lv: Array
    """Log Garman-Klass variance of hour t+1."""
    scale: Array
    """s[t], the week's hourly volatility, in which returns are learnt."""
    lv_now: Array
    """Log Garman-Klass variance of hour t: the persistence forecast."""
    har: Array
    """Mean log variance of the last hour, day and week."""
    lhar: npt.NDArray[np.float32]
    """The regressors of the seasonal HAR with leverage, jumps and volume, named in `LHAR`."""
    week_hour: npt.NDArray[np.int16]
    """Hour of the week of hour t+1, Monday's midnight 0, in UTC."""


LHAR = (
    *(f"lv_{w}" for w in (1, 6, 24, 168, 720)),
    *(f"fall_{w}" for w in (1, 24, 168)),
    *("jump_1", "jump_24", "jump_168"),
    *(f"volume_{w}" for w in (1, 24, 168)),
)
"""Mean log variance, mean fall in units of s[t], jumps, and mean log volume, over so many hours."""


def lhar(bars: Bars, chunk: int = CHUNK) -> npt.NDArray[np.float32]:
    """The regressors of `LHAR`, shape (n, len(LHAR)); `chunk` hours at a time, so that memory stays bounded."""
    columns = np.empty((len(bars), len(LHAR)), dtype=np.float32)
    for start in range(0, len(bars), chunk):
        before, stop = max(0, start - LOOKBACK), min(start + chunk, len(bars))
        for number, column in enumerate(_lhar(Series(bars.slice(before, stop)))):
            late = column[start - before :]
            columns[start:stop, number] = np.where(np.isfinite(late), late, np.nan)
    return columns


def _lhar(x: Series) -> Iterator[Array]:
    """Corsi and Reno's LHAR-CJ by the hour.

    A jump is what realised variance has beyond bipower variation, which jumps don't move; in a single hour, the
    squared return beyond the variance of the range.
    """
    yield x.lv
    for w in (6, 24, 168, 720):
        yield x.rolling("mean", "lv", w)
    fall = np.where(np.isnan(x.ret), np.nan, np.minimum(x.ret, 0)) / x.scale
    yield fall
    for w in (24, 168):
        yield x.mean_of(fall, w)
    yield np.log1p(x.ret**2 / np.exp(x.lv))
    bipower = np.pi / 2 * np.abs(x.ret) * np.abs(lag(x.ret, 1))
    for w in (24, 168):
        yield np.log(np.maximum(x.rolling("mean", "ret2", w) / x.mean_of(bipower, w), 1))
    yield x.log_volume
    for w in (24, 168):
        yield x.rolling("mean", "log_volume", w)


def week_hours(bars: Bars) -> npt.NDArray[np.int16]:
    """Hour of the week of the hour after each bar, Monday's midnight 0, in UTC."""
    coming = bars.time.astype("datetime64[h]").astype(np.int64) + 1
    return np.asarray((coming + 72) % 168, dtype=np.int16)  # 1970-01-01 was a Thursday


def _next(values: Array) -> Array:
    return np.append(values[1:], np.nan)


def make(bars: Bars) -> Targets:
    """Labels and baselines' inputs of every hour."""
    with np.errstate(all="ignore"):
        x = Series(bars)
        ret = _next(x.ret)
        up = np.where(np.isfinite(ret) & (ret != 0), ret > 0, np.nan).astype(np.float64)
        har = np.column_stack([x.lv, *(x.rolling("mean", "lv", w) for w in HAR_HOURS[1:])])
        return Targets(up, ret, _next(x.lv), x.scale, x.lv, har, lhar(bars), week_hours(bars))
