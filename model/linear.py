"""Least squares and logistic regression with a ridge penalty, in numpy.

They are the baselines (HAR, logistic regression) and the start that boosting corrects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model.bars import Array
from model.rows import BLOCK, Rows

Matrix = npt.NDArray[np.floating[Any]]
CLIP = 4.0
"""Standardised inputs are cut at this many standard deviations."""
STEPS = 12
"""Steps of Newton's method, at most."""
KEPT = 30_000_000
"""Numbers (240 MB) up to which standardised inputs are kept between the steps of a fit, not made again for each."""


@dataclasses.dataclass(frozen=True)
class Linear:
    """``intercept + sum(weights * clip((x - mean) / std))``; a missing input counts as its mean."""

    mean: Array
    std: Array
    weights: Array
    intercept: float

    def predict(self, inputs: Matrix | Rows) -> Array:
        """The linear score of each row, shape (n,). Rows with every input missing give NaN."""
        scores = np.empty(len(inputs))
        for part, block in _blocks(inputs):
            # einsum and not BLAS, whose sum for a row may depend on how many rows come after it.
            z = _standard(block, self.mean, self.std)
            scores[part] = self.intercept + np.einsum("ij,j->i", z, self.weights)
            scores[part][np.isnan(block).all(axis=1)] = np.nan
        return scores

    def terms(self, inputs: Matrix) -> Array:
        """What each input adds to the score of each row, shape (n, p)."""
        return _standard(inputs, self.mean, self.std) * self.weights

    def times(self, factor: float) -> Linear:
        """The one whose score is `factor` times this one's."""
        return dataclasses.replace(self, weights=self.weights * factor, intercept=self.intercept * factor)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact."""
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Linear:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: `raw` isn't from there.
        """
        mean, std, weights = (np.asarray(raw[name], float) for name in ("mean", "std", "weights"))
        if not mean.shape == std.shape == weights.shape == (len(weights),):
            raise ValueError("means, standard deviations and weights are of different numbers of inputs")
        if not all(np.isfinite(part).all() for part in (mean, std, weights, float(raw["intercept"]))):
            raise ValueError("a number is none")
        return cls(mean, std, weights, float(raw["intercept"]))


def _blocks(inputs: Matrix | Rows) -> Iterator[tuple[slice, Matrix]]:
    if isinstance(inputs, Rows):
        yield from inputs.blocks()
        return
    for start in range(0, len(inputs), BLOCK):
        part = slice(start, min(start + BLOCK, len(inputs)))
        yield part, inputs[part]


def _standard(inputs: Matrix, mean: Array, std: Array) -> Array:
    z = inputs.astype(np.float64)
    z -= mean
    z /= std
    return np.nan_to_num(np.clip(z, -CLIP, CLIP, out=z), copy=False)


class Standard(NamedTuple):
    """How inputs are standardised."""

    mean: Array
    std: Array
    ones: bool
    """Whether a first column of ones is added, for the intercept."""

    def of(self, inputs: Matrix) -> Array:
        """The standardised inputs."""
        z = _standard(inputs, self.mean, self.std)
        return np.column_stack([np.ones(len(z)), z]) if self.ones else z


class Block(NamedTuple):
    """Some of the rows that are fitted on."""

    inputs: Matrix
    labels: Array
    weight: Any
    """How much each row counts, shape (n,); 1.0: all the same."""
    season: Any


class Table(Protocol):
    """The rows that are fitted on, wherever they are."""

    width: int
    """Inputs of a row."""

    def __len__(self) -> int:
        """How many rows."""

    def sums(
        self, start: Sequence[Any], of: Callable[..., Sequence[Any]], *given: Any, standard: Standard | None = None
    ) -> list[Any]:
        """Add up what ``of(block, *given)`` gives for each block, its inputs standardised, on top of `start`."""


class Together:
    """A table in this process. Blocks of standardised inputs are kept if they are few, else made each time."""

    def __init__(self, inputs: Matrix | Rows, labels: Array, weight: Array | None = None, season: Any = None) -> None:
        self.width = len(inputs.columns) if isinstance(inputs, Rows) else inputs.shape[1]
        self._inputs, self._labels, self._weight, self._season = inputs, labels, weight, season
        self._kept: tuple[Standard, list[Block]] | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def sums(
        self, start: Sequence[Any], of: Callable[..., Sequence[Any]], *given: Any, standard: Standard | None = None
    ) -> list[Any]:
        """As of `Table`: add up what ``of(block, *given)`` gives for each block, on top of `start`."""
        totals = list(start)
        for block in self._blocks(standard):
            totals = [a + b for a, b in zip(totals, of(block, *given), strict=True)]
        return totals

    def _blocks(self, standard: Standard | None) -> Iterable[Block]:
        if standard is None or not standard.ones or len(self) * self.width > KEPT:
            return self._made(standard)
        if self._kept is None or self._kept[0] is not standard:
            self._kept = standard, list(self._made(standard))
        return self._kept[1]

    def _made(self, standard: Standard | None) -> Iterator[Block]:
        for part, block in _blocks(self._inputs):
            yield Block(
                block if standard is None else standard.of(block),
                self._labels[part],
                1.0 if self._weight is None else self._weight[part],
                None if self._season is None else self._season[part],
            )


def _totals(block: Block) -> tuple[Any, ...]:
    return np.nansum(block.inputs, axis=0, dtype=np.float64), np.isfinite(block.inputs).sum(axis=0)


def _squares(block: Block, mean: Array) -> tuple[Any, ...]:
    return (np.nansum((block.inputs.astype(np.float64) - mean) ** 2, axis=0),)


def _moments(table: Table) -> tuple[Array, Array]:
    """Mean and standard deviation of each column over the rows that have it (0 and 1 without any)."""
    nothing = np.zeros(table.width)
    total, count = table.sums([nothing, nothing], _totals)
    mean = total / np.maximum(count, 1)
    (squares,) = table.sums([nothing], _squares, mean)
    std = np.sqrt(squares / np.maximum(count, 1))
    return np.asarray(mean), np.asarray(np.where(std > 0, std, 1.0))


def _solve(matrix: Array, right: Array) -> Array:
    """The solution, or the shortest of the best ones where there is none or many (constant inputs, no rows)."""
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right)[0], dtype=np.float64)


def _normal(block: Block) -> tuple[Any, ...]:
    return block.inputs.T @ block.inputs, block.inputs.T @ block.labels


def least_squares(inputs: Matrix | Rows, labels: Array) -> Linear:
    """Linear regression. `inputs` (n, p), `labels` (n,) without NaN."""
    return least_squares_of(Together(inputs, labels))


def least_squares_of(table: Table) -> Linear:
    """`least_squares` of a table, wherever it is."""
    size, standard = table.width + 1, Standard(*_moments(table), ones=True)
    gram, moment = table.sums([np.zeros((size, size)), np.zeros(size)], _normal, standard=standard)
    ridge = np.full(size, 1e-9 * len(table))  # so that inputs which are the same can be solved, too; not the intercept
    ridge[0] = 0.0
    weights = _solve(gram + np.diag(ridge), moment)
    return Linear(standard.mean, standard.std, weights[1:], float(weights[0]))


def _newton(block: Block, weights: Array) -> tuple[Any, ...]:
    """Gradient and Hessian of the rows' log loss."""
    z, w = block.inputs, block.weight
    p = sigmoid(z @ weights)
    return z.T @ (w * (p - block.labels)), (z * (w * p * (1 - p))[:, None]).T @ z


def logistic(inputs: Matrix | Rows, labels: Array, penalty: float = 3000.0, weight: Array | None = None) -> Linear:
    """Logistic regression by Newton's method; its score is a log-odds.

    Args:
        inputs: shape (n, p).
        labels: 0 or 1, shape (n,).
        penalty: of the squared weights of standardised inputs.
        weight: how much each row counts, shape (n,), 1 on average; None: all the same.
    """
    return logistic_of(Together(inputs, labels, weight), penalty)


def logistic_of(table: Table, penalty: float = 3000.0) -> Linear:
    """`logistic` of a table, wherever it is."""
    size, standard = table.width + 1, Standard(*_moments(table), ones=True)
    ridge = np.full(size, penalty)
    ridge[0] = 0.0
    weights = np.zeros(size)
    for _ in range(STEPS):
        start = [ridge * weights, np.diag(ridge + 1e-9 * len(table))]
        gradient, hessian = table.sums(start, _newton, weights, standard=standard)
        step = _solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return Linear(standard.mean, standard.std, weights[1:], float(weights[0]))


@dataclasses.dataclass(frozen=True)
class Seasonal:
    """``offsets[season] + sum(weights * clip((x - mean) / std))``: an intercept for each season (hour of the week)."""

    slopes: Linear
    """The weights; their intercept is 0."""
    offsets: Array
    """The intercept of each season."""

    def predict(self, inputs: Matrix, season: npt.NDArray[np.integer[Any]]) -> Array:
        """The forecast of each row, shape (n,); a missing input counts as its mean."""
        return np.asarray(np.nan_to_num(self.slopes.predict(inputs)) + self.offsets[season])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact."""
        return {"slopes": self.slopes.to_json(), "offsets": self.offsets.tolist()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Seasonal:
        """The inverse of `to_json`."""
        return cls(Linear.from_json(raw["slopes"]), np.asarray(raw["offsets"], float))


def _by_season(block: Block, seasons: int) -> tuple[Any, ...]:
    z, of, y = block.inputs, block.season, block.labels
    return (
        z.T @ z,
        z.T @ y,
        np.bincount(of, minlength=seasons),
        np.bincount(of, y, seasons),
        np.stack([np.bincount(of, column, seasons) for column in z.T], axis=1),
    )


def seasonal(
    inputs: Matrix | Rows, season: npt.NDArray[np.integer[Any]], labels: Array, seasons: int = 168
) -> Seasonal:
    """Least squares with an indicator of each season, without making their columns.

    By the theorem of Frisch, Waugh and Lovell the slopes are those of inputs and labels less their means of the
    season. A season without a row gets the mean of the others' intercepts.

    Args:
        inputs: shape (n, p).
        season: of each row, 0 to `seasons` - 1, shape (n,).
        labels: shape (n,), no NaN.
        seasons: how many there are.
    """
    return seasonal_of(Together(inputs, labels, season=season), seasons)


def seasonal_of(table: Table, seasons: int = 168) -> Seasonal:
    """`seasonal` of a table, wherever it is."""
    width = table.width
    mean, std = _moments(table)
    start = [np.zeros((width, width)), np.zeros(width), np.zeros(seasons), np.zeros(seasons)]
    gram, moment, count, label, sums = table.sums(
        [*start, np.zeros((seasons, width))], _by_season, seasons, standard=Standard(mean, std, ones=False)
    )
    divisor = np.maximum(count, 1)
    gram = gram - sums.T @ (sums / divisor[:, None])
    moment = moment - sums.T @ (label / divisor)
    weights = _solve(gram + np.diag(np.full(width, 1e-9 * max(len(table), 1))), moment)
    offsets = label / divisor - (sums / divisor[:, None]) @ weights
    present = count > 0
    offsets[~present] = offsets[present].mean() if present.any() else 0.0
    return Seasonal(Linear(mean, std, weights, 0.0), offsets)


def sigmoid(score: Array) -> Array:
    """Log-odds to probability."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -35, 35))))
