"""Walk-forward folds: train on the past, leave an embargo, test on what follows."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError

MIN_TRAIN, MIN_TEST = 400, 100
TAIL = 0.15
"""Share of a training period that boosting stops early on."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """Rows ``[0, train_stop)`` train, rows ``[test_start, test_stop)`` test."""

    number: int
    train_stop: int
    test_start: int
    test_stop: int


def walk_forward(rows: int, folds: int, first_train: float, embargo: int) -> list[Fold]:
    """Folds of equal length over the last ``1 - first_train`` of the rows, each with all the past to train on.

    Row t's label is known one hour later, so an embargo of 1 already keeps every label of a
    training period out of its test; more is left out so that neighbouring hours aren't shared.

    Raises:
        InputError: too few rows for that many folds.
    """
    edges = np.linspace(int(rows * first_train), rows, folds + 1).astype(int)
    periods = [Fold(i, int(a) - embargo, int(a), int(b)) for i, (a, b) in enumerate(itertools.pairwise(edges))]
    if periods[0].train_stop < MIN_TRAIN or any(f.test_stop - f.test_start < MIN_TEST for f in periods):
        need = int(max((MIN_TRAIN + embargo) / first_train, MIN_TEST * folds / (1 - first_train))) + 1
        raise InputError(
            f"{rows} hours are too few for {folds} folds with an embargo of {embargo} hours: "
            f"at least {need} are needed, or set FOLDS or EMBARGO_HOURS lower"
        )
    return periods


def tail(stop: int, embargo: int) -> tuple[int, int]:
    """``(head_stop, tail_start)`` of a training period ``[0, stop)``: boosting stops early on its tail."""
    start = int(stop * (1 - TAIL))
    return max(1, start - embargo), start


def rows_between(start: int, stop: int, usable: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Numbers of the usable rows in ``[start, stop)``."""
    return start + np.flatnonzero(usable[start:stop])
