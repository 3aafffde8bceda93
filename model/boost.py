"""One XGBoost model for one target: early stopping on the tail of its training period, then a refit.

A booster starts from a linear forecast where there is a good one, and learns what that leaves.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from model import harmless, linear, split, stopping, trees, ubjson
from model.bars import Array
from model.engine import Engine, InMemory, Part
from model.linear import Linear
from model.params import Params
from model.rows import Features, Numbers, Rows, present
from model.targets import Targets
from model.ubjson import Unreadable

OBJECTIVES = {"direction": "binary:logistic", "return": "reg:squarederror", "volatility": "reg:squarederror"}
_METRIC = {"direction": "logloss", "return": "rmse", "volatility": "rmse"}
HAR = 3
"""Regressors of HAR, from which volatility starts."""
HALF = 0.5
"""Direction starts from logistic regression's log-odds times this."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A booster with the linear forecast that it starts from, if it has one."""

    target: str
    booster: xgb.Booster
    start: Linear | None
    rounds: int
    columns: Numbers
    """Which columns of the feature matrix the booster takes, in order."""

    def predict(self, features: Features, har: Array) -> Array:
        """Forecasts in the target's own unit of learning (probability, r/s, log variance), shape (n,).

        Args:
            features: the whole feature matrix, or some of its rows, with every column.
            har: the regressors of HAR for the same rows.
        """
        return self.predict_rows(Rows(features, np.arange(len(features)), self.columns), har)

    def predict_rows(self, rows: Rows, har: Array) -> Array:
        """As `predict`, of `rows` and a block at a time; `har` has shape (len(rows), 3)."""
        forecasts = [self.booster.predict(self._matrix(block, har[part])) for part, block in rows.blocks()]
        return np.concatenate(forecasts).astype(np.float64) if forecasts else np.empty(0)

    def _matrix(self, inputs: Features, har: Array) -> xgb.DMatrix:
        start = margin(self.target, self.start, inputs, har)
        return xgb.DMatrix(inputs, base_margin=start, nthread=1, feature_names=self.booster.feature_names)

    def contributions(self, features: Features, har: Array) -> Array:
        """SHAP values of each of `columns`, shape (n, columns + 1); the last is the bias.

        A start from the same inputs (direction's) is spread over them; one from HAR is in the bias.
        """
        inputs = np.ascontiguousarray(features[:, self.columns])
        values = np.asarray(self.booster.predict(self._matrix(inputs, har), pred_contribs=True), dtype=np.float64)
        if self.start is not None and self.target == "direction":
            terms = self.start.terms(inputs)
            values[:, :-1] += terms
            values[:, -1] -= terms.sum(axis=1)
        return values

    def save(self, names: Sequence[str]) -> bytes:
        """The model file, in XGBoost's UBJSON format, with the start as an attribute of the booster."""
        self.booster.feature_names = [names[column] for column in self.columns]
        self.booster.set_attr(
            target=self.target, rounds=str(self.rounds), start=json.dumps(self.start.to_json() if self.start else None)
        )
        return bytes(self.booster.save_raw(raw_format="ubj"))


def _first_line(message: str) -> str:
    """XGBoost's message without time, source line and stack."""
    line = message.strip().splitlines()[0] if message.strip() else ""
    return re.sub(r"^(\[[\d:]+\]\s*)?(\S+\.(cc|cu|h):\d+:\s*)?", "", line)


def load(raw: bytes, names: Sequence[str]) -> Fitted:
    """The inverse of `Fitted.save`, for a feature matrix with the columns `names`.

    Raises:
        ValueError: the booster takes a feature that isn't among `names`.
        Unreadable: this XGBoost can't read `raw`.
    """
    content = ubjson.decode(raw)
    trees.check(content, OBJECTIVES.values())
    booster = xgb.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(raw))
    except xgb.core.XGBoostError as error:  # a text of many lines, with a stack
        raise Unreadable(_first_line(str(error))) from error
    try:
        notes = content["learner"].get("attributes", {})
        start = harmless.loads(notes.get("start") or "null")
        columns = np.array([list(names).index(name) for name in booster.feature_names or []], dtype=np.int64)
        fitted = Fitted(
            str(notes.get("target")),
            booster,
            Linear.from_json(start) if start else None,
            int(notes.get("rounds") or 0),
            columns,
        )
        if fitted.start and len(fitted.start.weights) != _starts_from(fitted.target, len(columns)):
            raise ValueError("it starts from other inputs than it has")
        return fitted
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"it was changed: what this program notes in it can't be read ({error})") from error


def _starts_from(target: str, columns: int) -> int:
    """How many inputs a booster's start has; its own columns, or HAR's regressors."""
    return HAR if target == "volatility" else columns


def margin(target: str, start: Linear | None, inputs: Features | Rows, har: Array) -> Array | None:
    """What each row's booster starts from, shape (n,); None: from nothing."""
    if start is None:
        return None
    return np.nan_to_num(start.predict(har if target == "volatility" else inputs))


def _start(target: str, inputs: Rows, har: Array, y: Array) -> Linear | None:
    """Volatility starts from HAR; direction half way to logistic regression, which trees alone only come near to."""
    if target == "volatility":
        return linear.least_squares(har, y)
    return linear.logistic(inputs, y).times(HALF) if target == "direction" else None


def label(target: str, targets: Targets) -> Array:
    """What the booster of `target` learns, NaN where unknown. Returns are learnt in units of s[t], cut at 5."""
    if target == "direction":
        return targets.up
    if target == "volatility":
        return targets.lv
    with np.errstate(all="ignore"):
        return np.clip(targets.ret / targets.scale, -5, 5)


def weights(numbers: Numbers, stop: int, half_life: float, mean: float | None = None) -> Array | None:
    """How much the rows `numbers` of a training period ``[0, stop)`` count, 1 on average; None: all the same.

    `mean` is that of `aged` over all rows of the period, where `numbers` are only some of them.
    """
    if not half_life or not len(numbers):
        return None
    ages = aged(numbers, stop, half_life)
    return np.asarray(ages / (ages.mean() if mean is None else mean))


def aged(numbers: Numbers, stop: int, half_life: float) -> Array:
    """How much rows count by their age alone: 1 at `stop`, half at each half-life before."""
    return np.asarray(0.5 ** ((stop - numbers) / half_life))


class Kept(Protocol):
    """Where the two boosters of one fit are kept, so that a fit that was interrupted goes on from them."""

    def take(self, part: str) -> Fitted | None:
        """The booster of a part (`EARLY` or `WHOLE`), None if it isn't kept."""

    def put(self, part: str, fitted: Fitted) -> None:
        """Keep the booster of a part."""


EARLY, WHOLE = "early", "whole"
"""Trained on the head of a period, which gives the rounds; and with these on all of it."""


class _Unkept:
    def take(self, part: str) -> None:
        """Nothing is kept."""

    def put(self, part: str, fitted: Fitted) -> None:
        """Keep nothing."""


def fit(
    target: str,
    features: Features,
    columns: Numbers,
    targets: Targets,
    stop: int,
    embargo: int,
    params: Params,
    seed: int,
    tail_forecast: bool = False,
    engine: Engine | None = None,
    kept: Kept | None = None,
) -> tuple[Fitted, Array | None]:
    """Train on rows ``[0, stop)`` and `columns` of the features.

    The number of rounds is chosen on the tail of the period with the head alone, then the
    booster is trained again on all of it.

    Returns:
        The model and, if `tail_forecast`, the head's forecasts of the rows of the tail
        (shape (stop,), NaN before the tail): out of sample, for calibration.
    """
    period = _Period(target, features, columns, targets, stop, embargo, params, seed, engine or InMemory())
    return fit_period(period, tail_forecast, kept)


class Period(Protocol):
    """What a booster is trained on, wherever its rows are."""

    def early(self) -> Fitted:
        """Train on the head, for as many rounds as its forecasts of the tail get better."""

    def whole(self, rounds: int) -> Fitted:
        """Train on the whole period."""

    def tail_forecast(self, early: Fitted) -> Array | None:
        """The forecasts of the tail's rows, shape (stop,), NaN elsewhere; None where they are made later."""


def fit_period(period: Period, tail_forecast: bool, kept: Kept | None) -> tuple[Fitted, Array | None]:
    """`fit` of a period, wherever its rows are."""
    kept = kept or _Unkept()
    whole, early = kept.take(WHOLE), kept.take(EARLY)
    if early is None and (whole is None or tail_forecast):
        early = period.early()
        kept.put(EARLY, early)
    forecast = period.tail_forecast(early) if tail_forecast and early else None
    if whole is None and early:
        whole = period.whole(early.rounds)
        kept.put(WHOLE, whole)
    assert whole is not None
    return whole, forecast


def booster_settings(target: str, params: Params, seed: int) -> dict[str, Any]:
    """XGBoost's training parameters."""
    return {
        **params.booster(),
        "objective": OBJECTIVES[target],
        "eval_metric": _METRIC[target],
        "seed": seed,
        "tree_method": "hist",
        "base_score": 0.5 if target == "direction" else 0.0,
        "verbosity": 1,
    }


def rounds_of(early: xgb.Booster) -> int:
    """How many rounds early stopping chose; 1 where SIGTERM ended it."""
    return early.best_iteration + 1 if not stopping.requested() else 1


@dataclasses.dataclass(frozen=True)
class _Period:
    """What a booster is trained on: the arguments of `fit`."""

    target: str
    features: Features
    columns: Numbers
    targets: Targets
    stop: int
    embargo: int
    params: Params
    seed: int
    engine: Engine

    @functools.cached_property
    def y(self) -> Array:
        return label(self.target, self.targets)

    @functools.cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        return usable(self.target, self.features, self.targets)

    @property
    def settings(self) -> dict[str, Any]:
        """XGBoost's training parameters."""
        return booster_settings(self.target, self.params, self.seed)

    def early(self) -> Fitted:
        """Train on the head, for as many rounds as its forecasts of the tail get better."""
        head_stop, _ = split.tail(self.stop, self.embargo)
        head, late = split.rows_between(0, head_stop, self.usable), self._tail()
        start = self._start(head)
        parts = [self._part(head, start, head_stop), dataclasses.replace(self._part(late, start), weight=None)]
        early = self.engine.train(self.settings, parts, self.params.max_rounds, self.params.patience)
        rounds = rounds_of(early)
        return Fitted(self.target, early[:rounds], start, rounds, self.columns)

    def whole(self, rounds: int) -> Fitted:
        """Train on the whole period."""
        everything = split.rows_between(0, self.stop, self.usable)
        start = self._start(everything)
        booster = self.engine.train(self.settings, [self._part(everything, start)], rounds, None)
        return Fitted(self.target, booster, start, rounds, self.columns)

    def tail_forecast(self, early: Fitted) -> Array:
        """The forecasts of the tail's rows, shape (stop,), NaN elsewhere."""
        forecast, late = np.full(self.stop, np.nan), self._tail()
        forecast[late] = early.predict_rows(self._rows(late), self.targets.har[late])
        return forecast

    def _tail(self) -> Numbers:
        return split.rows_between(split.tail(self.stop, self.embargo)[1], self.stop, self.usable)

    def _rows(self, numbers: Numbers) -> Rows:
        return Rows(self.features, numbers, self.columns)

    def _start(self, numbers: Numbers) -> Linear | None:
        return _start(self.target, self._rows(numbers), self.targets.har[numbers], self.y[numbers])

    def _part(self, numbers: Numbers, start: Linear | None, until: int | None = None) -> Part:
        rows, har = self._rows(numbers), self.targets.har[numbers]
        weight = weights(numbers, until or self.stop, self.params.half_life)
        return Part(rows, self.y[numbers], weight, margin(self.target, start, rows, har))


def usable(target: str, features: Features, targets: Targets) -> npt.NDArray[np.bool_]:
    """Which rows a booster of `target` can be trained on, shape (n,)."""
    mask = np.isfinite(label(target, targets)) & present(features)
    if target != "direction":
        mask &= np.isfinite(targets.scale)
    if target == "volatility":
        mask &= np.isfinite(targets.har).all(axis=1)
    return np.asarray(mask)
