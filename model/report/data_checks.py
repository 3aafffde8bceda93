"""What the data looks like: its largest moves, gaps and jumps, and how features have drifted since training."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.run import Run

LATE = 720
"""Last hours that are held against those before."""
MOST = 40_000
"""Hours that are looked at."""
DRIFTED = 0.25
"""Population stability index above which a distribution is usually called another."""
GROUPS = 10
"""Groups of values that are compared."""
DRIFTS, MOVES, GAPS = 10, 5, 5
"""How many of each the report shows."""


def stability(before: Array, after: Array) -> float:
    """Population stability index of two samples over `GROUPS` groups that are equal in the first.

    The sum of (b - a) ln(b / a) over the groups' shares; a share is at least 0.01 %. NaN without values on both sides.
    """
    first, second = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(first) or not len(second):
        return float("nan")
    edges = _edges(first)
    return _index(_shares(edges, first), _shares(edges, second))


def _edges(values: Array) -> Array:
    return np.unique(np.quantile(values, np.linspace(0, 1, GROUPS + 1)[1:-1]))


def _shares(edges: Array, values: Array) -> Array:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.maximum(counts / len(values), 1e-4)


def _index(first: Array, second: Array) -> float:
    return float(((second - first) * np.log(second / first)).sum())


def drift(run: Run) -> list[tuple[str, float, float, float]]:
    """Features whose last `LATE` hours differ most from those before.

    Slow features differ in any month, so that each is held against what is usual for it.

    Returns:
        Name, stability index, the median index of the stretches of `LATE` hours before, and the shift of the mean in
        standard deviations; the most unusual first.
    """
    drifts = []
    for column, feature in enumerate(run.features):
        if feature.group == "calendar":  # a month always differs from years in what the calendar says
            continue
        values = np.asarray(run.matrix[-MOST:, column], dtype=np.float64)
        before, after = values[:-LATE], values[-LATE:]
        index = stability(before, after)
        usual = usually(before)
        if np.isfinite(index) and np.isfinite(usual):
            scale = float(np.nanstd(before)) or 1.0
            drifts.append((feature.name, index, usual, float(np.nanmean(after) - np.nanmean(before)) / scale))
    return sorted(drifts, key=lambda entry: entry[2] - entry[1])[:DRIFTS]


def usually(values: Array) -> float:
    """The median stability index of stretches of `LATE` hours against all of `values`; NaN without one."""
    finite = values[np.isfinite(values)]
    if len(finite) < LATE:
        return float("nan")
    edges = _edges(finite)
    whole = _shares(edges, finite)
    starts = range(0, len(finite) - LATE + 1, LATE)
    return float(np.median([_index(whole, _shares(edges, finite[start : start + LATE])) for start in starts]))


def moves(run: Run) -> list[tuple[str, float, float]]:
    """The largest moves: hour, log return, and how many times the week's hourly volatility before it that was."""
    ret = run.targets.ret
    rows = np.argsort(-np.abs(np.nan_to_num(ret)), kind="stable")[:MOVES]
    scale = run.targets.scale
    return [(_hour(run, int(r)), float(ret[r]), abs(float(ret[r] / scale[r]))) for r in rows if np.isfinite(ret[r])]


def _hour(run: Run, row: int) -> str:
    return f"{run.bars.time[row] + np.timedelta64(3600, 's')}"[:16].replace("T", " ")


def gaps(run: Run) -> list[tuple[str, int]]:
    """The longest stretches without a bar: first missing hour, and hours."""
    missing = np.concatenate([[False], np.isnan(run.bars.close), [False]])
    edges = np.flatnonzero(np.diff(missing.astype(np.int8)))
    stretches = [
        (f"{run.bars.time[a]}"[:16].replace("T", " "), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    return sorted(stretches, key=lambda stretch: -stretch[1])[:GAPS]


def opens(run: Run) -> tuple[float, float, str]:
    """How far Open is from the Close before it: the median, the most, and the hour of that; shares of the price."""
    away = np.abs(run.bars.open[1:] / run.bars.close[:-1] - 1)
    if not np.isfinite(away).any():
        return float("nan"), float("nan"), ""
    worst = int(np.nanargmax(away))
    return float(np.nanmedian(away)), float(away[worst]), f"{run.bars.time[worst + 1]}"[:16].replace("T", " ")
