"""Prediction intervals by rolling split conformal calibration.

Scores are out-of-sample errors in units of the forecast volatility. The interval of hour t+1
uses the quantiles of the last `WINDOW` scores that are known at the end of hour t.
"""

from __future__ import annotations

import pandas as pd

from model.bars import Array

WINDOW = 2000
MIN_SCORES = 100


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
