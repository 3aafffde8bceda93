"""Fits on pieces: each worker adds up its own rows, or trains with them; only sums and models come back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model import boost, linear, split, stopping
from model.bars import Array
from model.boost import Fitted
from model.cluster import Blocks
from model.linear import Linear, Seasonal, Standard, Together
from model.params import Params
from model.parts.pieces import Hours, Pieces
from model.rows import Features, Numbers, Rows
from model.targets import LHAR


@dataclasses.dataclass(frozen=True)
class Taken:
    """The rows of a piece that a fit takes, in order."""

    numbers: Numbers
    """The numbers of the hours, among all."""
    inputs: Any
    """Shape (n, p)."""
    labels: Array
    har: Array | None = None
    season: Any = None

    def between(self, start: int, stop: int) -> Taken:
        """The rows of the hours from `start` to `stop`, as views."""
        span = slice(*np.searchsorted(self.numbers, (start, stop)))
        columns = [None if values is None else values[span] for values in (self.har, self.season)]
        return Taken(self.numbers[span], self.inputs[span], self.labels[span], *columns)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclasses.dataclass(frozen=True)
class Weighing:
    """How much rows of a training period count."""

    stop: int
    half_life: float
    mean: float
    """The mean of `boost.aged` over all rows of the period."""

    def of(self, numbers: Numbers) -> Array | None:
        """The weights of these rows; None: all the same."""
        return boost.weights(numbers, self.stop, self.half_life, self.mean)


# What workers do.


def of_target(piece: Hours, matrix: Features, target: str, columns: Numbers) -> Taken:
    """Every row of a piece that a booster of `target` can be trained on."""
    usable, t = boost.usable(target, matrix, piece.targets), piece.targets
    rows = np.flatnonzero(usable)
    har = t.har[rows] if target == "volatility" else None
    return Taken(rows + piece.start, Rows(matrix, rows, columns).all(), boost.label(target, t)[rows], har)


def of_variance(piece: Hours, seasonal: bool) -> Taken:
    """Every row of a piece that HAR, or the seasonal HAR, can be fitted on."""
    t = piece.targets
    rows = np.flatnonzero(np.isfinite(t.lv) & np.isfinite(t.har).all(axis=1))
    return Taken(rows + piece.start, (t.lhar if seasonal else t.har)[rows], t.lv[rows], season=t.week_hour[rows])


def counted(taken: Taken, start: int, stop: int, half_life: float) -> tuple[int, float, float]:
    """How many rows there are from `start` to `stop`, the sum of what they count by age, and that of their labels."""
    rows = taken.between(start, stop)
    aged = boost.aged(rows.numbers, stop, half_life).sum() if half_life else 0.0
    return len(rows), float(aged), float(rows.labels.sum())


def added(
    taken: Taken,
    start: int,
    stop: int,
    of_har: bool,
    weighing: Weighing | None,
    sums: int,
    of: Callable[..., Sequence[Any]],
    given: Sequence[Any],
    standard: Standard | None,
) -> list[Any]:
    """What `of` gives for the rows from `start` to `stop`, added up."""
    rows = taken.between(start, stop)
    weight = weighing.of(rows.numbers) if weighing else None
    inputs: Any = rows.har if of_har else rows.inputs
    table = Together(inputs, rows.labels, weight, rows.season)
    return table.sums([0.0] * sums, of, *given, standard=standard)


def inputs_of(taken: Taken, start: int, stop: int) -> Features:
    """What XGBoost trains on."""
    return np.asarray(taken.between(start, stop).inputs)


def beside_inputs(
    taken: Taken, start: int, stop: int, target: str, begin: Linear | None, weighing: Weighing | None
) -> dict[str, Any]:
    """Label, weight and margin of the same rows, by XGBoost's names."""
    rows = taken.between(start, stop)
    columns = {
        "label": rows.labels,
        "weight": weighing.of(rows.numbers) if weighing else None,
        "base_margin": boost.margin(target, begin, rows.inputs, rows.har if rows.har is not None else np.empty(0)),
    }
    return {name: np.asarray(values, dtype=np.float32) for name, values in columns.items() if values is not None}


def picked(values: dict[str, Any], name: str) -> Any:
    """The values of this name."""
    return values[name]


# What the process that trains does.


class Stretch:
    """Rows from `start` to `stop` of what was taken of each piece: a table (`linear.Table`) that lies on workers."""

    def __init__(
        self,
        pieces: Pieces,
        taken: Sequence[Any],
        start: int,
        stop: int,
        half_life: float = 0,
        of_har: bool = False,
        width: int = 0,
    ) -> None:
        self.pieces, self.taken, self.start, self.stop = pieces, taken, start, stop
        self.width, self._of_har = width, of_har
        self.over = pieces.over(start, stop)
        told = pieces.gather([pieces.submit(k, counted, taken[k], start, stop, half_life) for k in self.over])
        self.counts = [count for count, _, _ in told]
        self.mean_label = sum(label for _, _, label in told) / max(1, len(self))
        mean = sum(aged for _, aged, _ in told) / max(1, len(self))
        self.weighing = Weighing(stop, half_life, mean) if half_life and len(self) else None

    def __len__(self) -> int:
        return sum(self.counts)

    def sums(
        self, start: Sequence[Any], of: Callable[..., Sequence[Any]], *given: Any, standard: Standard | None = None
    ) -> list[Any]:
        """As of `linear.Table`, added up by the workers, each over its own pieces."""
        if stopping.requested():
            raise stopping.Stopped
        rest = (self._of_har, self.weighing, len(start), of, given, standard)
        parts = [self.pieces.submit(k, added, self.taken[k], self.start, self.stop, *rest) for k in self.over]
        totals = list(start)
        for part in self.pieces.gather(parts):
            totals = [a + b for a, b in zip(totals, part, strict=True)]
        return totals

    def blocks(self, target: str, begin: Linear | None) -> Blocks:
        """The rows where they lie, with what XGBoost takes beside them."""
        blocks: Blocks = {"data": [], "label": [], "weight": [], "base_margin": []}
        for k, count in zip(self.over, self.counts, strict=True):
            if not count:
                continue
            place = (self.taken[k], self.start, self.stop)
            blocks["data"].append((self.pieces.submit(k, inputs_of, *place), (count, self.width)))
            beside = self.pieces.submit(k, beside_inputs, *place, target, begin, self.weighing)
            present = {"label": True, "weight": bool(self.weighing), "base_margin": bool(begin)}
            for name in (name for name, is_present in present.items() if is_present):
                blocks[name].append((self.pieces.submit(k, picked, beside, name), (count,)))
        return blocks


class OfTarget:
    """Every row that boosters of one target can be trained on, taken from the features once for all periods."""

    def __init__(self, pieces: Pieces, target: str, columns: Numbers) -> None:
        self.pieces, self.target, self.columns = pieces, target, columns
        self._taken = [
            pieces.submit(k, of_target, pieces.hours[k], pieces.matrix[k], target, columns)
            for k in range(len(pieces.parts))
        ]

    def stretch(self, start: int, stop: int, half_life: float = 0, of_har: bool = False) -> Stretch:
        """The rows from `start` to `stop`, with their weights; inputs are HAR's regressors or the booster's."""
        width = boost.HAR if of_har else len(self.columns)
        return Stretch(self.pieces, self._taken, start, stop, half_life, of_har, width)

    def begin(self, start: int, stop: int) -> Linear | None:
        """What boosters start from, as `boost.fit` has it."""
        if self.target == "volatility":
            return linear.least_squares_of(self.stretch(start, stop, of_har=True))
        return linear.logistic_of(self.stretch(start, stop)).times(boost.HALF) if self.target == "direction" else None


@dataclasses.dataclass(frozen=True)
class PeriodInPieces:
    """A training period that lies on the workers; see `boost.Period`."""

    rows: OfTarget
    stop: int
    embargo: int
    params: Params
    seed: int
    tails: list[Fitted] = dataclasses.field(default_factory=list)
    """The booster whose forecasts of the tail were asked for."""

    @property
    def settings(self) -> dict[str, Any]:
        """XGBoost's training parameters."""
        return boost.booster_settings(self.rows.target, self.params, self.seed)

    def early(self) -> Fitted:
        """Train on the head, for as many rounds as the forecasts of the tail get better."""
        rows, (head_stop, tail_start) = self.rows, split.tail(self.stop, self.embargo)
        begin = rows.begin(0, head_stop)
        parts = [rows.stretch(0, head_stop, self.params.half_life), rows.stretch(tail_start, self.stop)]
        blocks = [functools.partial(part.blocks, rows.target, begin) for part in parts]
        train = rows.pieces.cluster.train_on
        if not len(parts[1]):  # every hour of the tail is missing: one round, as XGBoost chooses with an empty tail
            return Fitted(rows.target, train(self.settings, blocks[:1], 1, None), begin, 1, rows.columns)
        early = train(self.settings, blocks, self.params.max_rounds, self.params.patience)
        rounds = boost.rounds_of(early)
        return Fitted(rows.target, early[:rounds], begin, rounds, rows.columns)

    def whole(self, rounds: int) -> Fitted:
        """Train on the whole period."""
        rows, begin = self.rows, self.rows.begin(0, self.stop)
        blocks = functools.partial(rows.stretch(0, self.stop, self.params.half_life).blocks, rows.target, begin)
        booster = rows.pieces.cluster.train_on(self.settings, [blocks], rounds, None)
        return Fitted(rows.target, booster, begin, rounds, rows.columns)

    def tail_forecast(self, early: Fitted) -> None:
        """Keep the booster: the workers make its forecasts with all others."""
        self.tails.append(early)


class Variances:
    """HAR and the seasonal HAR, fitted on pieces."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        count = range(len(pieces.parts))
        self._har, self._lhar = (
            [pieces.submit(k, of_variance, pieces.hours[k], seasonal) for k in count] for seasonal in (False, True)
        )

    def fit(self, stop: int) -> tuple[Linear, Seasonal]:
        """Both, on all hours before `stop`."""
        plain = Stretch(self.pieces, self._har, 0, stop, width=boost.HAR)
        seasonal = Stretch(self.pieces, self._lhar, 0, stop, width=len(LHAR))
        return linear.least_squares_of(plain), linear.seasonal_of(seasonal)
