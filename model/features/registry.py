"""The list of features: registering, choosing and computing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from model.bars import Array, Bars
from model.features.series import Series

Compute = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Feature:
    """One column of the feature matrix."""

    name: str
    formula: str
    group: str
    compute: Callable[[Series], Array]
    needs_flow: bool = False


_all: dict[str, Feature] = {}


def feature(
    name: str, formula: str, group: str, windows: Iterable[int] | None = None, needs_flow: bool = False
) -> Callable[[Compute], Compute]:
    """Register a function of `Series`, or of `Series` and a window for each of `windows`.

    ``{w}`` in name and formula stands for the window in hours.
    """

    def register(compute: Compute) -> Compute:
        for window in windows if windows is not None else [None]:
            full = name.format(w=window)
            if full in _all:
                raise ValueError(f"two features named {full}")

            def bound(series: Series, window: int | None = window) -> Array:
                return compute(series) if window is None else compute(series, window)

            _all[full] = Feature(full, formula.format(w=window), group, bound, needs_flow)
        return compute

    return register


def select(has_flow: bool) -> list[Feature]:
    """All features that the data allows: those of the order flow need the full format."""
    return [f for f in _all.values() if has_flow or not f.needs_flow]


LEFT_OUT = {
    "direction": ("calendar", "volatility", "volume"),
    "return": ("calendar", "volatility", "volume"),
}
"""Groups that a target doesn't get: on the data before the first test fold they brought nothing but time."""

WEAK_FOR_VOLATILITY = """
    hour_sin2 weekend day_of_month ret_lag0 ret_lag1 ret_lag2 ret_lag3 ret_lag4 ret_lag5 momentum_24
    momentum_48 momentum_72 distance_72 distance_168 position_1 autocorrelation_168 same_hour_1d
    same_hour_7d round_number lv_mean_24 lv_rel_lag2 lv_rel_lag3 lv_rel_lag4 lv_rel_lag5 lv_rel_3 lv_rel_6
    lv_rel_72 lv_week_month lv_std_24 lv_std_168 lv_coming_1d lv_season_1d rv_rel_3 rv_rel_24 rv_rel_168
    up_variance_24 skew_72 volume_rel_24 volume_day_month volume_coming_1d signed_volume_3 signed_volume_24
    money_flow_6 impact
"""
"""What volatility doesn't get: it moved the forecasts least on the data before the first test fold (SHAP), and
without it they were as good in half the time."""


def columns_for(target: str, features: Sequence[Feature]) -> npt.NDArray[np.int64]:
    """Which columns of the feature matrix `target` learns from."""
    if target == "volatility":
        weak = WEAK_FOR_VOLATILITY.split()
        mask = [f.name not in weak for f in features]
    else:
        mask = [f.group not in LEFT_OUT[target] for f in features]
    return np.flatnonzero(mask).astype(np.int64)


def names(features: Sequence[Feature]) -> list[str]:
    """Their names, in order."""
    return [f.name for f in features]


LOOKBACK = 1440
"""Hours before a chunk that are computed with it: twice the longest window."""
CHUNK = 250_000
"""Hours that are computed together, so that memory for intermediate series stays bounded."""


def build(
    bars: Bars, features: Sequence[Feature], chunk: int = CHUNK, into: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """The feature matrix, shape (hours, features); NaN where the history is too short or missing.

    Args:
        bars: the hours.
        features: the columns.
        chunk: hours that are computed together.
        into: where to write it (a file mapped into memory); new memory without.
    """
    matrix = np.empty((len(bars), len(features)), dtype=np.float32) if into is None else into
    for start in range(0, len(bars), chunk):
        before = max(0, start - LOOKBACK)
        stop = min(start + chunk, len(bars))
        series = Series(bars.slice(before, stop))
        with np.errstate(all="ignore"):
            for column, feature in enumerate(features):
                values = feature.compute(series)[start - before :]
                matrix[start:stop, column] = np.where(np.isfinite(values), values, np.nan)
    # An hour without a bar has no forecast, so it needs no features either.
    matrix[np.isnan(bars.close)] = np.nan
    return matrix


def probe(features: Sequence[Feature]) -> list[float | None]:
    """Each feature's value on a fixed stretch of made-up bars (None for NaN).

    Kept with a model, it tells whether a program computes the same features as the one that
    trained it, whatever their code looks like.
    """
    row = build(_probe_bars(), features)[-1]
    return [None if np.isnan(value) else float(value) for value in row]


def differing(features: Sequence[Feature], expected: Sequence[float | None]) -> list[str]:
    """Names of features whose probe isn't `expected`, to four digits."""
    return [
        feature.name
        for feature, value, expected_value in zip(features, probe(features), expected, strict=True)
        if (value is None) != (expected_value is None)
        or (
            value is not None
            and expected_value is not None
            and not np.isclose(value, expected_value, rtol=1e-4, atol=1e-5)
        )
    ]


def _probe_bars(hours: int = 800) -> Bars:
    """Bars out of sines: no random numbers, so that they are the same everywhere."""
    t = np.arange(hours, dtype=np.float64)
    close = 30_000 * np.exp(0.02 * np.sin(t * 0.7) + 0.01 * np.sin(t * 2.3) + 0.05 * np.sin(t * 0.05))
    first = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(first, close) * (1 + 0.002 * (1.5 + np.sin(t * 1.1)))
    low = np.minimum(first, close) * (1 - 0.002 * (1.5 + np.cos(t * 1.7)))
    volume = 1000 * (1.5 + np.sin(t * 0.9))
    flow = {"trades": volume * (2 + np.cos(t * 0.3)), "taker_base": volume * (0.5 + 0.2 * np.sin(t * 1.9))}
    start = np.datetime64("2024-05-03T00:00:00", "s")
    return Bars(start + (t * 3600).astype("timedelta64[s]"), first, high, low, close, volume, flow)
