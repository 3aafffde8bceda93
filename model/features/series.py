"""Series that several features share, each made once; every one looks back only."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from model.bars import Array, Bars

GK = 2 * np.log(2) - 1


def log_garman_klass(bars: Bars) -> Array:
    """Log of the Garman-Klass variance of each hour, shape (n,).

    ln( 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2 ); NaN for an hour without range.
    Positive under the logarithm, since High and Low cover Open and Close.
    """
    with np.errstate(all="ignore"):
        variance = 0.5 * np.log(bars.high / bars.low) ** 2 - GK * np.log(bars.close / bars.open) ** 2
        result: Array = np.log(np.where(variance > 0, variance, np.nan))
    return result


def lag(values: Array, hours: int) -> Array:
    """`values` as they were `hours` ago (0 or more)."""
    if hours == 0:
        return values
    result = np.full_like(values, np.nan)
    result[hours:] = values[:-hours]
    return result


class Series:
    """Log prices, returns and the like of some bars, computed on first use."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self._cache: dict[tuple[str, str, int], Array] = {}

    @functools.cached_property
    def log_close(self) -> Array:
        """ln C."""
        return np.asarray(np.log(self.bars.close))

    @functools.cached_property
    def ret(self) -> Array:
        """r[t] = ln C[t]/C[t-1]; NaN after a gap."""
        return self.log_close - lag(self.log_close, 1)

    @functools.cached_property
    def lv(self) -> Array:
        """Log Garman-Klass variance."""
        return log_garman_klass(self.bars)

    @functools.cached_property
    def log_volume(self) -> Array:
        """ln V; NaN where nothing was traded."""
        volume = self.bars.volume
        return np.asarray(np.log(np.where(volume > 0, volume, np.nan)))

    def rolling(self, how: str, name: str, window: int) -> Array:
        """A rolling statistic (a method of pandas' ``rolling``) over the last `window` hours.

        At least half of the hours must be there. `name` is an attribute of this object or of its bars,
        or ``ret2`` for squared returns.
        """
        key = (how, name, window)
        if key not in self._cache:
            view = pd.Series(self._source(name)).rolling(window, min_periods=max(1, (window + 1) // 2))
            self._cache[key] = getattr(view, how)().to_numpy()
        return self._cache[key].copy()

    def _source(self, name: str) -> Array:
        if name == "ret2":
            return np.asarray(self.ret**2)
        source: Array = getattr(self, name) if hasattr(self, name) else getattr(self.bars, name)
        return source

    def mean_of(self, values: Array, window: int) -> Array:
        """Rolling mean of any series over `window` hours, at least half of them there."""
        view = pd.Series(values).rolling(window, min_periods=max(1, (window + 1) // 2))
        return np.asarray(view.mean().to_numpy())

    def mean_of_lags(self, values: Array, lags: Sequence[int]) -> Array:
        """Mean of `values` at several lags, leaving out those that are missing."""
        total, count = np.zeros(len(values)), np.zeros(len(values))
        for hours in lags:
            past = lag(values, hours)
            present = ~np.isnan(past)
            total[present] += past[present]
            count += present
        return np.asarray(total / np.where(count > 0, count, np.nan))

    def sd(self, window: int) -> Array:
        """Root mean squared hourly return over `window` hours."""
        return np.asarray(np.sqrt(np.maximum(self.rolling("mean", "ret2", window), 0)))

    @property
    def scale(self) -> Array:
        """The hourly volatility that returns are measured in: one week's, shape (n,)."""
        scale = self.sd(168)
        return np.where(scale > 1e-6, scale, np.nan)
