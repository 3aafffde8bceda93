"""The list of features: registering, choosing and computing them."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
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
    source: str
    """The code that computes it, for the fingerprint."""
    needs_flow: bool = False


_all: dict[str, Feature] = {}


def feature(
    name: str, formula: str, group: str, windows: Iterable[int] | None = None, needs_flow: bool = False
) -> Callable[[Compute], Compute]:
    """Register a function of `Series`, or of `Series` and a window for each of `windows`.

    ``{w}`` in name and formula stands for the window in hours.
    """

    def register(compute: Compute) -> Compute:
        source = inspect.getsource(compute)
        for window in windows if windows is not None else [None]:
            full = name.format(w=window)
            if full in _all:
                raise ValueError(f"two features named {full}")

            def bound(series: Series, window: int | None = window) -> Array:
                return compute(series) if window is None else compute(series, window)

            _all[full] = Feature(full, formula.format(w=window), group, bound, source, needs_flow)
        return compute

    return register


def select(has_flow: bool) -> list[Feature]:
    """All features that the data allows: those of the order flow need the full format."""
    return [f for f in _all.values() if has_flow or not f.needs_flow]


def names(features: Sequence[Feature]) -> list[str]:
    """Their names, in order."""
    return [f.name for f in features]


def build(bars: Bars, features: Sequence[Feature]) -> npt.NDArray[np.float32]:
    """The feature matrix, shape (hours, features); NaN where the history is too short or missing."""
    series = Series(bars)
    matrix = np.empty((len(bars), len(features)), dtype=np.float32)
    with np.errstate(all="ignore"):
        for column, each in enumerate(features):
            values = each.compute(series)
            matrix[:, column] = np.where(np.isfinite(values), values, np.nan)
    # An hour without a bar has no forecast, so it needs no features either.
    matrix[np.isnan(bars.close)] = np.nan
    return matrix


def fingerprint(features: Sequence[Feature]) -> str:
    """Changes when a feature's name, formula or code changes, so that a model refuses other features."""
    digest = hashlib.sha256()
    for each in features:
        digest.update(f"{each.name}\n{each.formula}\n{each.source}\n".encode())
    digest.update(inspect.getsource(Series).encode())
    return digest.hexdigest()[:16]
