"""Scores with their uncertainty: block bootstrap intervals and the Diebold-Mariano test.

Forecast errors of neighbouring hours depend on each other, so whole blocks of hours are
drawn, and variances allow for autocorrelation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from model.bars import Array

BLOCK = 72
"""Hours in a bootstrap block."""
WORK = 40_000_000
"""Rows times resamples that an interval may cost; fewer resamples for very long series."""
FEWEST = 10
"""Rows that a test needs."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A score with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Plain numbers; None for what isn't a number."""
        return {name: value if math.isfinite(value) else None for name, value in dataclasses.asdict(self).items()}


def resamples(rows: int) -> int:
    """How many bootstrap resamples are drawn for so many rows: 1,000, at least 100 for very many rows."""
    return int(min(1000, max(100, WORK // max(rows, 1))))


def _starts(rows: int, seed: int, draws: int, block: int) -> Iterator[npt.NDArray[np.int64]]:
    """Where the blocks of each resample begin."""
    blocks, rng = max(1, math.ceil(rows / block)), np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.integers(0, rows, size=blocks)


def _interval(value: float, draws: Array) -> Estimate:
    good = draws[np.isfinite(draws)]
    low, high = np.percentile(good, [2.5, 97.5]) if len(good) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high))


def of_sums(parts: Array, score: Callable[[Array], Array], seed: int, block: int = BLOCK) -> Estimate:
    """A score that is a function of sums over rows (a mean, a ratio of two losses).

    Args:
        parts: what is summed, shape (rows, k), no NaN.
        score: from sums, shape (..., k), to scores, shape (...).
        seed: of the resampling.
        block: hours in a block.
    """
    rows = len(parts)
    if rows == 0:
        return Estimate(math.nan, math.nan, math.nan)
    block = min(block, rows)
    # Sums of a block from cumulative sums; blocks run around the end of the series.
    wrapped = np.concatenate([np.zeros((1, parts.shape[1])), np.cumsum(np.concatenate([parts, parts[:block]]), axis=0)])
    sums = wrapped[block:] - wrapped[:-block]
    samples = np.stack([sums[starts].sum(axis=0) for starts in _starts(rows, seed, resamples(rows), block)])
    with np.errstate(all="ignore"):
        return _interval(float(score(parts.sum(axis=0))), score(samples))


def skill(loss: Array, baseline: Array, seed: int) -> Estimate:
    """1 - mean(loss) / mean(baseline): the share of the baseline's loss that is saved."""
    return of_sums(np.column_stack([loss, baseline]), lambda s: 1 - s[..., 0] / s[..., 1], seed)


def quotient(above: Array, below: Array, seed: int) -> Estimate:
    """sum(above) / sum(below); a mean where `below` is ones."""
    return of_sums(np.column_stack([above, below]), lambda s: s[..., 0] / s[..., 1], seed)


def ratio(above: Array, below: Array, block: int = BLOCK) -> Estimate:
    """sum(above) / sum(below), with an interval from its linearisation over whole blocks: no resampling.

    For many small groups; of whole tests the bootstrap says more.

    Args:
        above: shape (n,), no NaN.
        below: shape (n,), no NaN; ones for a mean.
        block: rows that may depend on each other.
    """
    total = float(below.sum()) if len(below) else 0.0
    if total == 0:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(above.sum()) / total
    sums = np.add.reduceat(above - value * below, np.arange(0, len(above), block))
    reach = 1.96 * math.sqrt(float(sums @ sums)) / abs(total)
    return Estimate(value, value - reach, value + reach)


class _Ranks:
    """Rows sorted by score, ready for the AUC of any weights."""

    def __init__(self, labels: Array, scores: Array) -> None:
        self.order = np.argsort(scores, kind="stable").astype(np.int32)
        self.labels, ranked = labels[self.order], scores[self.order]
        edge = np.flatnonzero(np.diff(ranked, prepend=np.nan) != 0)
        self.edge = edge if len(edge) < len(ranked) else None
        """Where each group of equal scores begins; None if no two are equal."""

    def auc(self, times: npt.NDArray[np.int16]) -> float:
        """Area under the ROC curve with each row so many times, in the rows' own order."""
        w = np.take(times, self.order).astype(np.float64)
        up = w * self.labels
        down = w - up
        if self.edge is not None:
            up, down = np.add.reduceat(up, self.edge), np.add.reduceat(down, self.edge)
        below = np.cumsum(down)
        total = up.sum() * below[-1]
        below -= down / 2
        return float(up @ below / total) if total > 0 else math.nan


def _times_drawn(starts: npt.NDArray[np.int64], rows: int, block: int) -> npt.NDArray[np.int16]:
    """How often each row is in one of the blocks that begin at `starts` and run around the end of the series."""
    ends = starts + block
    steps = np.bincount(starts, minlength=rows) - np.bincount(ends % rows, minlength=rows)
    return np.asarray(np.cumsum(steps) + (ends >= rows).sum(), dtype=np.int16)


def auc(labels: Array, scores: Array, seed: int) -> Estimate:
    """Area under the ROC curve, with its block bootstrap interval.

    It is the chance that a rise got a higher score than a fall, ties counting half; no number without both.
    """
    rows = len(labels)
    if rows == 0:
        return Estimate(math.nan, math.nan, math.nan)
    block = min(BLOCK, rows)
    ranks = _Ranks(labels, scores)
    samples = [ranks.auc(_times_drawn(starts, rows, block)) for starts in _starts(rows, seed, resamples(rows), block)]
    return _interval(ranks.auc(np.ones(rows, dtype=np.int16)), np.asarray(samples))


@dataclasses.dataclass(frozen=True)
class DieboldMariano:
    """Test of equal expected loss. A positive statistic: the model's loss is lower than the baseline's."""

    statistic: float
    p_value: float

    def to_json(self) -> dict[str, float | None]:
        """Plain numbers; None where the test isn't defined."""
        return {name: value if math.isfinite(value) else None for name, value in dataclasses.asdict(self).items()}


def diebold_mariano(loss: Array, baseline: Array, lags: int | None = None) -> DieboldMariano:
    """Two-sided test on ``baseline - loss`` with a Newey-West variance (Bartlett weights).

    Args:
        loss: the model's loss of each hour, shape (n,), no NaN.
        baseline: the baseline's.
        lags: autocovariances that count; n^(1/3) by default, at most a week.
    """
    d = baseline - loss
    n = len(d)
    lags = lags_for(n) if lags is None else lags
    mean = float(d.mean()) if n else math.nan
    windows = window_sums(d - mean, lags, np.empty(0), is_last=True)
    return of_windows(mean, float(windows @ windows), n, lags)


def lags_for(rows: int) -> int:
    """How many autocovariances count for so many rows: n^(1/3), at most a week."""
    return int(min(168, round(rows ** (1 / 3))))


def window_sums(d: Array, lags: int, before: Array, is_last: bool) -> Array:
    """Sums of the windows of lags + 1 rows of a series that end in the rows `d`, those over its beginning included.

    Args:
        d: some rows of the series, in order.
        lags: see above.
        before: up to `lags` rows before `d`; fewer only where the series begins with them.
        is_last: whether the series ends with `d`: then the windows that reach beyond its end are there, too.
    """
    sums = np.cumsum(np.concatenate([np.zeros(lags + 1 - len(before)), before, d, np.zeros(lags if is_last else 0)]))
    return np.asarray(sums[lags + 1 :] - sums[: -lags - 1])


def of_windows(mean: float, squares: float, rows: int, lags: int) -> DieboldMariano:
    """The test from the mean difference and the sum of the squares of the windows of what differs from it.

    Bartlett's weighted sum of autocovariances is the mean square of the sums of all windows of lags + 1 hours, those
    that reach beyond an end of the series included. Of fewer rows than `FEWEST` there is none.
    """
    if rows < FEWEST:
        return DieboldMariano(math.nan, math.nan)
    variance = squares / ((lags + 1) * rows)
    if variance <= 0:
        return DieboldMariano(math.nan, math.nan)
    statistic = mean / math.sqrt(variance / rows)
    return DieboldMariano(statistic, math.erfc(abs(statistic) / math.sqrt(2)))
