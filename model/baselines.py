"""The baselines: fitted on the same hours as the boosters, and forecasting the same hours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model import boost, linear, split
from model.bars import Array
from model.forecasts import Forecasts
from model.linear import Linear, Seasonal
from model.rows import Features, Numbers, Rows, present
from model.split import Fold, rows_between
from model.targets import Targets

BLEND = 0.25
"""How much of the seasonal HAR is in the volatility forecast, the booster being the rest. On the data before the first
test fold it saved 0.4 % of the booster's squared error, p 0.03; starting the booster from it cost 2 %."""


@dataclasses.dataclass(frozen=True)
class Fits:
    """Baselines fitted on everything, for hours after the run."""

    base_rate: float = np.nan
    """Share of rises: the simplest forecast of direction."""
    logistic: Linear | None = None
    """Logistic regression on the inputs of direction, older hours counting less as for the booster."""
    lhar: Seasonal | None = None
    """The seasonal HAR with leverage, jumps and volume."""


def blend(booster: Array, lhar: Array, share: float = BLEND) -> Array:
    """The forecast of log variance: the booster's with a `share` of the seasonal HAR's, if that is there."""
    return np.asarray(np.where(np.isfinite(lhar), (1 - share) * booster + share * lhar, booster))


def direction(
    matrix: Features, columns: Numbers, targets: Targets, folds: Sequence[Fold], half_life: float, forecasts: Forecasts
) -> tuple[float, Linear]:
    """Fill in base rate and logistic regression; return those of all rows."""
    complete = np.isfinite(targets.up) & present(matrix)

    def fitted(stop: int) -> tuple[Linear, float]:
        rows = rows_between(0, stop, complete)
        up, weight = targets.up[rows], boost.weights(rows, stop, half_life)
        return linear.logistic(Rows(matrix, rows, columns), up, weight=weight), float(up.mean())

    for fold in folds:
        test = slice(fold.test_start, fold.test_stop)
        model, forecasts.p_base[test] = fitted(fold.train_stop)
        forecasts.p_logistic[test] = linear.sigmoid(
            model.predict(Rows(matrix, np.arange(test.start, test.stop), columns))
        )
    logistic, rate = fitted(len(complete))
    return rate, logistic


Fit = Callable[[Numbers], Callable[[Any], Array]]
"""From the rows to fit on to a function from rows (numbers or a slice) to forecasts."""


def volatility(targets: Targets, folds: Sequence[Fold], embargo: int) -> tuple[Array, Array, Seasonal]:
    """Out-of-sample forecasts of HAR and of the seasonal HAR, and the latter fitted on all rows.

    The forecasts have shape (n,): the folds', and before them those of the first training period's tail, which
    were fitted on its head as boosters are, for calibration. NaN elsewhere.
    """
    complete = np.isfinite(targets.lv) & np.isfinite(targets.har).all(axis=1)

    def plain(rows: Numbers) -> Callable[[Any], Array]:
        model = linear.least_squares(targets.har[rows], targets.lv[rows])
        return lambda test: model.predict(targets.har[test])

    def seasonal(rows: Numbers) -> Seasonal:
        return linear.seasonal(targets.lhar[rows], targets.week_hour[rows], targets.lv[rows])

    def with_seasons(rows: Numbers) -> Callable[[Any], Array]:
        model = seasonal(rows)
        return lambda test: model.predict(targets.lhar[test], targets.week_hour[test])

    usable = np.isfinite(targets.har).all(axis=1)

    def walk(fit: Fit) -> Array:
        forecast = np.full(len(complete), np.nan)
        head_stop, tail_start = split.tail(folds[0].train_stop, embargo)
        tail = np.arange(tail_start, folds[0].train_stop)
        forecast[tail] = fit(rows_between(0, head_stop, complete))(tail)
        for fold in folds:
            test = slice(fold.test_start, fold.test_stop)
            forecast[test] = fit(rows_between(0, fold.train_stop, complete))(test)
        return np.where(usable, forecast, np.nan)

    return walk(plain), walk(with_seasons), seasonal(rows_between(0, len(complete), complete))
