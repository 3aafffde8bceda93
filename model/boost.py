"""One XGBoost model for one target: early stopping on the tail of its training period, then a refit.

Every booster is trained with one thread. Threads train different boosters side by side, so
that a model file is the same to the byte however many threads there are.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from model import linear, split, stopping
from model.bars import Array
from model.linear import Linear
from model.params import Params
from model.targets import Targets

Features = npt.NDArray[np.float32]
OBJECTIVES = {"direction": "binary:logistic", "return": "reg:squarederror", "volatility": "reg:squarederror"}
MAX_BIN = 64
_METRIC = {"direction": "logloss", "return": "rmse", "volatility": "rmse"}


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A booster with the linear forecast that it starts from, if it has one."""

    target: str
    booster: xgb.Booster
    start: Linear | None
    rounds: int
    columns: npt.NDArray[np.int64]
    """Which columns of the feature matrix the booster takes, in order."""

    def predict(self, features: Features, har: Array) -> Array:
        """Forecasts in the target's own unit of learning (probability, r/s, log variance), shape (n,)."""
        return np.asarray(self.booster.predict(self._matrix(features, har)), dtype=np.float64)

    def _matrix(self, features: Features, har: Array) -> xgb.DMatrix:
        return xgb.DMatrix(
            features[:, self.columns],
            base_margin=_margin(self.start, har),
            nthread=1,
            feature_names=self.booster.feature_names,
        )

    def contributions(self, features: Features, har: Array) -> Array:
        """SHAP values of each of `columns`, shape (n, columns + 1); the last is the bias."""
        return np.asarray(self.booster.predict(self._matrix(features, har), pred_contribs=True), dtype=np.float64)

    def save(self, names: Sequence[str]) -> bytes:
        """The model file, in XGBoost's UBJSON format, with the start as an attribute of the booster."""
        self.booster.feature_names = [names[column] for column in self.columns]
        self.booster.set_attr(
            target=self.target, rounds=str(self.rounds), start=json.dumps(self.start.to_json() if self.start else None)
        )
        return bytes(self.booster.save_raw(raw_format="ubj"))


def load(raw: bytes, names: Sequence[str]) -> Fitted:
    """The inverse of `Fitted.save`, for a feature matrix with the columns `names`.

    Raises:
        ValueError: the booster takes a feature that isn't among `names`, or `raw` isn't a model.
    """
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray(raw))
    start = json.loads(booster.attr("start") or "null")
    columns = np.array([list(names).index(name) for name in booster.feature_names or []], dtype=np.int64)
    return Fitted(
        str(booster.attr("target")),
        booster,
        Linear.from_json(start) if start else None,
        int(booster.attr("rounds") or 0),
        columns,
    )


def _margin(start: Linear | None, har: Array) -> Array | None:
    return None if start is None else np.nan_to_num(start.predict(har))


def label(target: str, targets: Targets) -> Array:
    """What the booster of `target` learns, NaN where unknown. Returns are learnt in units of s[t], cut at 5."""
    if target == "direction":
        return targets.up
    if target == "volatility":
        return targets.lv
    with np.errstate(all="ignore"):
        return np.clip(targets.ret / targets.scale, -5, 5)


class _Cancel(xgb.callback.TrainingCallback):
    """Ends training when SIGTERM has come."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return stopping.requested()


def _start(target: str, har: Array, y: Array) -> Linear | None:
    """Volatility starts from HAR, so that the trees learn only what HAR leaves."""
    return linear.least_squares(har, y) if target == "volatility" else None


def _train(
    target: str, params: Params, seed: int, parts: Sequence[xgb.DMatrix], rounds: int, base: float, patience: int | None
) -> xgb.Booster:
    settings = {
        **params.booster(),
        "objective": OBJECTIVES[target],
        "eval_metric": _METRIC[target],
        "nthread": 1,
        "seed": seed,
        "tree_method": "hist",
        "max_bin": MAX_BIN,
        "base_score": base,
        "verbosity": 1,
    }
    return xgb.train(
        settings,
        parts[0],
        rounds,
        evals=[(part, "tail") for part in parts[1:]],
        verbose_eval=False,
        early_stopping_rounds=patience,
        callbacks=[_Cancel()],
    )


def fit(
    target: str,
    features: Features,
    columns: npt.NDArray[np.int64],
    targets: Targets,
    stop: int,
    embargo: int,
    params: Params,
    seed: int,
    tail_forecast: bool = False,
) -> tuple[Fitted, Array | None]:
    """Train on rows ``[0, stop)`` and `columns` of the features.

    The number of rounds is chosen on the tail of the period with the head alone, then the
    booster is trained again on all of it.

    Returns:
        The model and, if `tail_forecast`, the head's forecasts of the rows of the tail
        (shape (stop,), NaN before the tail): out of sample, for calibration.
    """
    y = label(target, targets)
    usable = np.isfinite(y) & np.isfinite(features).any(axis=1)
    if target != "direction":
        usable &= np.isfinite(targets.scale)
    if target == "volatility":
        usable &= np.isfinite(targets.har).all(axis=1)
    head_stop, tail_start = split.tail(stop, embargo)
    head = split.rows_between(0, head_stop, usable)
    late = split.rows_between(tail_start, stop, usable)
    everything = split.rows_between(0, stop, usable)

    def matrix(rows: npt.NDArray[np.int64], start: Linear | None, ref: xgb.DMatrix | None = None) -> xgb.DMatrix:
        return xgb.QuantileDMatrix(
            features[np.ix_(rows, columns)],
            y[rows],
            base_margin=_margin(start, targets.har[rows]),
            max_bin=MAX_BIN,
            nthread=1,
            ref=ref,
        )

    start = _start(target, targets.har[head], y[head])
    first = matrix(head, start)
    base = 0.5 if target == "direction" else 0.0
    early = _train(target, params, seed, [first, matrix(late, start, first)], params.max_rounds, base, params.patience)
    rounds = early.best_iteration + 1 if not stopping.requested() else 1
    forecast = None
    if tail_forecast:
        forecast = np.full(stop, np.nan)
        forecast[late] = Fitted(target, early[:rounds], start, rounds, columns).predict(
            features[late], targets.har[late]
        )
    start = _start(target, targets.har[everything], y[everything])
    booster = _train(target, params, seed, [matrix(everything, start)], rounds, base, None)
    return Fitted(target, booster, start, rounds, columns), forecast
