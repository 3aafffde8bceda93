"""Returns, distances and positions, measured in units of the week's hourly volatility s[t]."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.features.registry import feature
from model.features.series import Series, lag


@feature("ret_lag{w}", "r[t-{w}] / s[t]", "returns", windows=range(6))
def ret_lag(x: Series, w: int) -> Array:
    """A single past return."""
    return np.asarray(lag(x.ret, w) / x.scale)


@feature("momentum_{w}", "ln(C[t] / C[t-{w}]) / (s[t] sqrt({w}))", "returns", windows=(2, 3, 6, 12, 24, 48, 72, 168))
def momentum(x: Series, w: int) -> Array:
    """The return over a window."""
    return np.asarray((x.log_close - lag(x.log_close, w)) / (x.scale * np.sqrt(w)))


@feature("distance_{w}", "(ln C[t] - mean(ln C[t-{w}+1..t])) / s[t]", "returns", windows=(6, 24, 72, 168))
def distance(x: Series, w: int) -> Array:
    """How far the price is from its moving average."""
    return (x.log_close - x.rolling("mean", "log_close", w)) / x.scale


@feature("position_{w}", "(C[t] - min L) / (max H - min L) over t-{w}+1..t", "position", windows=(1, 3, 6, 24, 168))
def position(x: Series, w: int) -> Array:
    """Where the close lies in the range of a window: 0 at its low, 1 at its high."""
    high, low = x.rolling("max", "high", w), x.rolling("min", "low", w)
    return (x.bars.close - low) / np.where(high > low, high - low, np.nan)


@feature("body", "ln(C[t]/O[t]) / ln(H[t]/L[t])", "position")
def body(x: Series) -> Array:
    """The candle's body as a share of its range, with sign."""
    b = x.bars
    return np.asarray(np.log(b.close / b.open) / np.log(np.where(b.high > b.low, b.high / b.low, np.nan)))


@feature("upper_wick", "ln(H[t] / max(O[t], C[t])) / s[t]", "position")
def upper_wick(x: Series) -> Array:
    """What the hour gave back from its high."""
    return np.log(x.bars.high / np.maximum(x.bars.open, x.bars.close)) / x.scale


@feature("lower_wick", "ln(min(O[t], C[t]) / L[t]) / s[t]", "position")
def lower_wick(x: Series) -> Array:
    """What the hour gained from its low."""
    return np.log(np.minimum(x.bars.open, x.bars.close) / x.bars.low) / x.scale


@feature("autocorrelation_168", "mean(r[i] r[i-1]) / s[t]^2 over the last 168 hours", "returns")
def autocorrelation(x: Series) -> Array:
    """Whether moves have lately been followed by moves back."""
    return x.mean_of(x.ret * lag(x.ret, 1), 168) / x.scale**2


@feature("same_hour_{w}d", "sum of r[t+1-24k], k = 1..{w}, / s[t]", "returns", windows=(1, 7))
def same_hour(x: Series, w: int) -> Array:
    """The returns of the coming hour of the day on the days before."""
    return np.asarray(np.sum([lag(x.ret, 24 * k - 1) for k in range(1, w + 1)], axis=0) / x.scale)


@feature("round_number", "fraction of C[t] / 10^(floor(log10 C[t]) - 1)", "position")
def round_number(x: Series) -> Array:
    """Where the price lies between two round numbers (thousands, at a price of ten thousands)."""
    step = 10.0 ** (np.floor(np.log10(x.bars.close)) - 1)
    return x.bars.close / step % 1.0
