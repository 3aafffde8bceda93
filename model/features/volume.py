"""Volume against its own past, and money flow."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.features.registry import feature
from model.features.series import Series, lag


@feature("volume_rel_{w}", "ln V[t] - mean(ln V[t-{w}+1..t])", "volume", windows=(24, 168))
def relative(x: Series, w: int) -> Array:
    """The hour's volume against a window's."""
    return x.log_volume - x.rolling("mean", "log_volume", w)


@feature("volume_day_month", "mean(ln V, 24 h) - mean(ln V, 720 h)", "volume")
def day_month(x: Series) -> Array:
    """The day against the month."""
    return x.rolling("mean", "log_volume", 24) - x.rolling("mean", "log_volume", 720)


@feature("volume_coming_{w}d", "mean of ln V[t+1-24k], k = 1..{w}, - mean(ln V, 168 h)", "volume", windows=(1, 7))
def coming(x: Series, w: int) -> Array:
    """Volume of the coming hour of the day on the days before."""
    return x.mean_of_lags(x.log_volume, [24 * k - 1 for k in range(1, w + 1)]) - x.rolling("mean", "log_volume", 168)


@feature("signed_volume_{w}", "sum(sign(r) V) / sum(V), {w} hours", "pressure", windows=(3, 24))
def signed(x: Series, w: int) -> Array:
    """Volume of rising less that of falling hours."""
    return x.mean_of(np.sign(x.ret) * x.bars.volume, w) / x.rolling("mean", "volume", w)


@feature("money_flow_{w}", "sum(((2C-H-L)/(H-L)) V) / sum(V), {w} hours", "pressure", windows=(6, 24))
def money_flow(x: Series, w: int) -> Array:
    """Volume weighted by where each hour closed in its range."""
    b = x.bars
    weight = (2 * b.close - b.high - b.low) / np.where(b.high > b.low, b.high - b.low, np.nan)
    return x.mean_of(weight * b.volume, w) / x.rolling("mean", "volume", w)


@feature("volume_lag{w}", "ln V[t-{w}] - mean(ln V, 168 h)", "volume", windows=(1, 2))
def lagged(x: Series, w: int) -> Array:
    """A past hour's volume."""
    return lag(x.log_volume, w) - x.rolling("mean", "log_volume", 168)


@feature("impact", "mean over 24 h of ln(|r| / V) less its mean over 168 h", "volume")
def impact(x: Series) -> Array:
    """Price move for the volume (Amihud), the day against the week."""
    ratio = np.log(np.maximum(np.abs(x.ret), 1e-7)) - x.log_volume
    return x.mean_of(ratio, 24) - x.mean_of(ratio, 168)
