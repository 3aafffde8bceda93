"""A finished training run, as the reports take it."""

from __future__ import annotations

import dataclasses

import numpy as np

from model.bars import Bars
from model.data import Data
from model.evaluate import Scores
from model.features import Feature
from model.settings import Settings
from model.split import Fold
from model.targets import Targets
from model.walkforward import Result


@dataclasses.dataclass
class Run:
    """Everything that a finished training run knows; what the reports are made from."""

    settings: Settings
    data: Data
    features: list[Feature]
    matrix: np.ndarray
    targets: Targets
    folds: list[Fold]
    result: Result
    overall: Scores
    by_fold: list[Scores]
    recent: Scores
    """The scores of the last `evaluate.RECENT` folds."""
    seconds: dict[str, float]
    """Seconds of each stage, for the log; no file depends on the clock."""
    shap: dict[str, list[tuple[str, float]]]
    """For each target its features and their mean absolute SHAP values, largest first."""

    @property
    def bars(self) -> Bars:
        """The checked bars."""
        return self.data.bars
