"""What is forecast at the end of hour t about hour t+1, and the regressors of the HAR baseline."""

from __future__ import annotations

import dataclasses

import numpy as np

from model.bars import Array, Bars
from model.features.series import Series

HAR_HOURS = (1, 24, 168)
MINIMUM_HISTORY = 720
"""Hours of history that every feature needs for its full window."""


@dataclasses.dataclass(frozen=True)
class Targets:
    """Row t holds what hour t+1 brought, NaN where it isn't known. Shapes (n,); `har` is (n, 3).

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


def _next(values: Array) -> Array:
    return np.append(values[1:], np.nan)


def make(bars: Bars) -> Targets:
    """Labels and baselines' inputs of every hour."""
    with np.errstate(all="ignore"):
        x = Series(bars)
        ret = _next(x.ret)
        up = np.where(np.isfinite(ret) & (ret != 0), ret > 0, np.nan).astype(np.float64)
        har = np.column_stack([x.lv, *(x.rolling("mean", "lv", w) for w in HAR_HOURS[1:])])
        return Targets(up, ret, _next(x.lv), x.scale, x.lv, har)
