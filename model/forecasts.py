"""What a walk-forward, or a finished model on later hours, forecasts."""

from __future__ import annotations

import dataclasses

import numpy as np

from model.bars import Array


@dataclasses.dataclass
class Forecasts:
    """Out-of-sample forecasts, one row per hour of the bars, NaN outside of the test folds.

    Row t is made at the end of hour t about hour t+1.
    """

    fold: Array
    p_up: Array
    p_logistic: Array
    p_base: Array
    ret: Array
    lv: Array
    lv_har: Array
    lv_lhar: Array
    """Forecasts of the log variance: the model's, HAR's and the seasonal HAR's."""
    var: Array
    var_har: Array
    var_lhar: Array
    """Forecasts of the variance, by the same three."""
    lower: Array
    upper: Array
    """Bounds of the log return."""
    base_lower: Array
    base_upper: Array
    """Bounds from past returns alone (persistence with an empirical interval)."""
    har_lower: Array
    har_upper: Array
    """Bounds with HAR's volatility, made as the model's."""
    lhar_lower: Array
    lhar_upper: Array
    """Bounds with the seasonal HAR's volatility, made as the model's."""

    @classmethod
    def empty(cls, rows: int) -> Forecasts:
        """All NaN."""
        return cls(*(np.full(rows, np.nan) for _ in dataclasses.fields(cls)))
