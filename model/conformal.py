"""Prediction intervals by rolling split conformal calibration, with a factor for each hour and regime.

Scores are out-of-sample errors in units of the forecast volatility. The interval of hour t+1
uses the quantiles of the last `WINDOW` scores that are known at the end of hour t. Its width is
then multiplied by a factor of the hour of the day and one of the regime of volatility, which
follow how often prices have fallen outside: after each hour outside they grow, after each
inside they shrink, so that in the long run every hour and regime is covered as often as the
others (quantile tracking: Angelopoulos, Candès and Tibshirani 2023).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.bars import Array

WINDOW = 2000
MIN_SCORES = 100
REGIMES = 5
"""Fifths of the volatility forecasts of the last `WINDOW` hours, the calmest first."""
RATE = 0.02
"""How far the log of a factor moves; on data before the first test fold the smallest that evened the hours out."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What the interval of the next hour takes: the state after the last hour."""

    lower: float
    """Quantile of the scores."""
    upper: float
    hours: Array
    """Log of the factor of each hour of the day, shape (24,)."""
    edges: Array
    """Volatilities that part the regimes, shape (REGIMES - 1,)."""
    regimes: Array
    """Log of the factor of each regime, shape (REGIMES,)."""

    def bounds(self, center: Array, sigma: Array, hour: npt.NDArray[Any]) -> tuple[Array, Array]:
        """Lower and upper bound of the log return.

        Args:
            center: forecast log return, shape (n,).
            sigma: forecast volatility, shape (n,).
            hour: hour of the day that is forecast, shape (n,).
        """
        regime = np.minimum(np.searchsorted(self.edges, sigma), REGIMES - 1)
        width = sigma * np.exp(self.hours[hour] + self.regimes[regime])
        return center + self.lower * width, center + self.upper * width

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact."""
        return {
            "lower_score": self.lower,
            "upper_score": self.upper,
            "hours": self.hours.tolist(),
            "edges": self.edges.tolist(),
            "regimes": self.regimes.tolist(),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        lists = (np.asarray(raw[name], dtype=np.float64) for name in ("hours", "edges", "regimes"))
        return cls(float(raw["lower_score"]), float(raw["upper_score"]), *lists)


def quantiles(scores: Array, coverage: float, window: int = WINDOW) -> tuple[Array, Array]:
    """Lower and upper quantile for each row from the scores of the rows before it, shape (n,) each.

    Row t's own score becomes known at the end of hour t+1, so it is left out. The levels have
    the finite-sample correction of split conformal prediction for a full window; it is the same
    for every row, since a level that depended on how many scores there will be would know the
    future. NaN until `MIN_SCORES` are known.
    """
    rolling = pd.Series(scores).shift(1).rolling(window, min_periods=min(MIN_SCORES, window))
    level = min(1.0, (1 + coverage) / 2 * (window + 1) / window)
    return rolling.quantile(1 - level).to_numpy(), rolling.quantile(level).to_numpy()


def regimes(sigma: Array) -> npt.NDArray[np.int64]:
    """Which fifth of its last `WINDOW` hours each forecast volatility is in; `REGIMES` where that isn't known yet."""
    rank = pd.Series(sigma).rolling(WINDOW, min_periods=MIN_SCORES).rank(pct=True).to_numpy()
    fifths = np.full(len(sigma), REGIMES, dtype=np.int64)
    ranked = np.isfinite(rank)
    fifths[ranked] = np.ceil(rank[ranked] * REGIMES).astype(np.int64) - 1
    return fifths


def track(
    scores: Array,
    low: Array,
    high: Array,
    hour: npt.NDArray[Any],
    regime: npt.NDArray[np.int64],
    coverage: float,
    before: tuple[Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """The log of each row's factor from the rows before it, and the factors of hours and of regimes after the last.

    Args:
        scores: shape (n,), NaN where not known.
        low: quantiles of the scores, NaN where there is no interval.
        high: the same.
        hour: of the day, shape (n,).
        regime: as `regimes` gives them.
        coverage: nominal.
        before: the factors of hours and of regimes before the first row; without, all are 1.
    """
    logs = np.full(len(scores), np.nan)
    of_hour, of_regime = [0.0] * 24, [0.0] * (REGIMES + 1)
    if before:
        of_hour, of_regime = before[0].tolist(), [*before[1].tolist(), 0.0]
    # Rows without a score teach nothing; of the others row t is judged before row t + 1 is made.
    rows = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    walk = zip(
        rows.tolist(),
        scores[rows].tolist(),
        low[rows].tolist(),
        high[rows].tolist(),
        hour[rows].tolist(),
        regime[rows].tolist(),
        strict=True,
    )
    for row, score, bottom, top, h, r in walk:
        log = of_hour[h] + of_regime[r]
        logs[row] = log
        if not math.isnan(score):
            factor = math.exp(log)
            step = RATE * ((not bottom * factor <= score <= top * factor) - (1 - coverage))
            of_hour[h] += step
            if r < REGIMES:
                of_regime[r] += step
    return logs, np.asarray(of_hour), np.asarray(of_regime[:REGIMES])


def intervals(
    center: Array, sigma: Array, ret: Array, hour: npt.NDArray[Any], coverage: float
) -> tuple[Array, Array, Calibration]:
    """Bounds of the log return of each row, from the rows before it, and the calibration after the last row.

    Args:
        center: forecast log returns out of sample, shape (n,), NaN where there is none.
        sigma: forecast volatilities, the same.
        ret: what came, NaN where it isn't known.
        hour: hour of the day that is forecast, shape (n,).
        coverage: nominal.
    """
    lower, upper, after = walk_on(None, center, sigma, ret, hour, coverage)
    return lower, upper, after.calibration()


@dataclasses.dataclass(frozen=True)
class Walked:
    """Where the intervals stand after a row: all that those of the next rows take from the rows before."""

    scores: Array
    """The scores of the last rows that the next quantile may take, NaN where not known, shape (at most WINDOW + 1,)."""
    sigma: Array
    """The volatilities of the same rows."""
    volatilities: Array
    """The last `WINDOW` forecast volatilities that there are."""
    last: tuple[float, float]
    """Quantiles of the last row."""
    hours: Array
    regimes: Array

    def calibration(self) -> Calibration:
        """What the next interval takes."""
        parts = np.arange(1, REGIMES) / REGIMES
        edges = np.quantile(self.volatilities, parts) if len(self.volatilities) else np.full(REGIMES - 1, np.nan)
        return Calibration(*self.last, self.hours, edges, self.regimes)


def walk_on(
    before: Walked | None, center: Array, sigma: Array, ret: Array, hour: npt.NDArray[Any], coverage: float
) -> tuple[Array, Array, Walked]:
    """As `intervals`, for rows that follow those that `before` stands after, without a hole between; at least one."""
    scores, added = (ret - center) / sigma, slice(len(before.scores) if before else 0, None)
    long_scores = np.concatenate([before.scores, scores]) if before else scores
    long_sigma = np.concatenate([before.sigma, sigma]) if before else sigma
    low, high = (bounds[added] for bounds in quantiles(long_scores, coverage))
    factors = (before.hours, before.regimes) if before else None
    logs, of_hour, of_regime = track(scores, low, high, hour, regimes(long_sigma)[added], coverage, factors)
    width = sigma * np.exp(logs)
    volatilities = sigma[np.isfinite(sigma)][-WINDOW:]
    if before:
        volatilities = np.concatenate([before.volatilities, volatilities])[-WINDOW:]
    last, keep = (float(low[-1]), float(high[-1])), slice(-WINDOW - 1, None)
    after = Walked(long_scores[keep], long_sigma[keep], volatilities, last, of_hour, of_regime)
    return center + low * width, center + high * width, after
