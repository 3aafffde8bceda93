"""From forecasts of the log variance to forecasts of the variance.

The exponential of a mean is below the mean of the exponential. Duan's smearing estimate puts it right without
supposing a distribution: the forecast times the mean of the exponentials of its out-of-sample errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.bars import Array
from model.split import Fold

WINDOW = 2160
"""Hours of errors that count: how far forecasts are off in the tails changes over the years. On the data before the
first test fold a quarter of a year had the least QLIKE; all of the past, a year, half a year or a month a bit more."""


def factor(errors: Array) -> float:
    """Mean of the exponentials of the last errors (actual less forecast log variance), NaN left out; 1 without any."""
    finite = errors[np.isfinite(errors)][-WINDOW:]
    return float(np.exp(finite).mean()) if len(finite) else 1.0


def by_fold(lv: Array, forecast: Array, folds: Sequence[Fold]) -> tuple[Array, float]:
    """The variance forecast in each fold, with the factor of the out-of-sample errors before it, and the last factor.

    Row t's error is known at the end of hour t+1, so a fold that begins at row t uses the rows up to t - 1.

    Args:
        lv: what came, shape (n,).
        forecast: of the log variance, out of sample, NaN where there is none; rows before the first fold
            only calibrate.
        folds: the test folds, in order.

    Returns:
        The variances, shape (n,), NaN outside of the folds; and the factor after the last row.
    """
    variances, errors = np.full(len(lv), np.nan), lv - forecast
    for fold in folds:
        test = slice(fold.test_start, fold.test_stop)
        variances[test] = np.exp(forecast[test]) * factor(errors[: fold.test_start])
    return variances, factor(errors)
