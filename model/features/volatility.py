"""Volatility of ranges (Garman-Klass, lv) and of returns, over several windows."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.features.registry import feature
from model.features.series import Series, lag


@feature("lv", "lv[t] = ln(0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2)", "volatility")
def level(x: Series) -> Array:
    """The hour's own log Garman-Klass variance: HAR's first term."""
    return x.lv.copy()


@feature("lv_mean_{w}", "mean(lv[t-{w}+1..t])", "volatility", windows=(24, 168))
def level_mean(x: Series, w: int) -> Array:
    """The day's and the week's mean: HAR's other terms."""
    return x.rolling("mean", "lv", w)


@feature("lv_rel_lag{w}", "lv[t-{w}] - mean(lv[t-167..t])", "volatility", windows=range(6))
def relative_lag(x: Series, w: int) -> Array:
    """A past hour against the week."""
    return lag(x.lv, w) - x.rolling("mean", "lv", 168)


@feature("lv_rel_{w}", "mean(lv[t-{w}+1..t]) - mean(lv[t-167..t])", "volatility", windows=(3, 6, 12, 24, 72))
def relative_mean(x: Series, w: int) -> Array:
    """A window against the week."""
    return x.rolling("mean", "lv", w) - x.rolling("mean", "lv", 168)


@feature("lv_week_month", "mean(lv[t-167..t]) - mean(lv[t-719..t])", "volatility")
def week_month(x: Series) -> Array:
    """The week against the month."""
    return x.rolling("mean", "lv", 168) - x.rolling("mean", "lv", 720)


@feature("lv_std_{w}", "standard deviation of lv[t-{w}+1..t]", "volatility", windows=(24, 168))
def level_std(x: Series, w: int) -> Array:
    """How unsteady volatility has been."""
    return x.rolling("std", "lv", w)


@feature("lv_coming_{w}d", "mean of lv[t+1-24k] - mean of lv[t-24k], k = 1..{w}", "volatility", windows=(1, 7))
def coming_hour(x: Series, w: int) -> Array:
    """What the coming hour of the day was like against the present one, on the days before."""
    coming = x.mean_of_lags(x.lv, [24 * k - 1 for k in range(1, w + 1)])
    return coming - x.mean_of_lags(x.lv, [24 * k for k in range(1, w + 1)])


@feature("lv_season_{w}d", "mean of lv[t+1-24k], k = 1..{w}, - mean(lv[t-167..t])", "volatility", windows=(1, 7, 21))
def season_day(x: Series, w: int) -> Array:
    """The coming hour of the day on the days before, against the week."""
    same = x.mean_of_lags(x.lv, [24 * k - 1 for k in range(1, w + 1)])
    return same - x.rolling("mean", "lv", 168)


@feature("lv_season_{w}w", "mean of lv[t+1-168k], k = 1..{w}, - mean(lv[t-167..t])", "volatility", windows=(1, 4))
def season_week(x: Series, w: int) -> Array:
    """The coming hour of the week in the weeks before, against the week."""
    same = x.mean_of_lags(x.lv, [168 * k - 1 for k in range(1, w + 1)])
    return same - x.rolling("mean", "lv", 168)


@feature("rv_rel_{w}", "ln(mean r^2 over {w} h) - mean(lv[t-167..t])", "volatility", windows=(3, 6, 24, 168))
def realised(x: Series, w: int) -> Array:
    """Realised variance of returns, against the week's range variance."""
    mean = x.rolling("mean", "ret2", w)
    return np.log(np.where(mean > 0, mean, np.nan)) - x.rolling("mean", "lv", 168)


@feature("abs_ret", "|r[t]| / s[t]", "volatility")
def abs_ret(x: Series) -> Array:
    """The size of the last move."""
    return np.abs(x.ret) / x.scale


@feature("up_variance_{w}", "sum of r^2 where r > 0, over sum of r^2, {w} hours", "volatility", windows=(24, 168))
def up_variance(x: Series, w: int) -> Array:
    """The share of the variance that came from rises."""
    up = np.where(np.isnan(x.ret), np.nan, np.maximum(x.ret, 0) ** 2)
    return x.mean_of(up, w) / x.rolling("mean", "ret2", w)


@feature("skew_72", "mean(r^3) / mean(r^2)^1.5 over 72 hours", "volatility")
def skew(x: Series) -> Array:
    """Skewness of returns."""
    return x.mean_of(x.ret**3, 72) / x.sd(72) ** 3
