"""Least squares and logistic regression with a ridge penalty, in numpy.

They are the baselines (HAR, logistic regression) and the start that boosting corrects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from model.bars import Array
from model.rows import BLOCK, Rows

Matrix = npt.NDArray[np.floating[Any]]
CLIP = 4.0
"""Standardised inputs are cut at this many standard deviations."""
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


def _moments(inputs: Matrix | Rows) -> tuple[Array, Array]:
    """Mean and standard deviation of each column over the rows that have it (0 and 1 without any)."""
    total: Any = 0.0
    count: Any = 0
    for _, block in _blocks(inputs):
        total = total + np.nansum(block, axis=0, dtype=np.float64)
        count = count + np.isfinite(block).sum(axis=0)
    mean = total / np.maximum(count, 1)
    squares: Any = 0.0
    for _, block in _blocks(inputs):
        squares = squares + np.nansum((block.astype(np.float64) - mean) ** 2, axis=0)
    std = np.sqrt(squares / np.maximum(count, 1))
    return np.asarray(mean), np.asarray(np.where(std > 0, std, 1.0))


class _Standardised:
    """Blocks of standardised inputs with a first column of ones; kept if they are few, else made each time."""

    def __init__(self, inputs: Matrix | Rows, width: int) -> None:
        self.inputs = inputs
        self.mean, self.std = _moments(inputs)
        self._kept = list(self._made()) if len(inputs) * width <= KEPT else None

    def _made(self) -> Iterator[tuple[slice, Array]]:
        for part, block in _blocks(self.inputs):
            yield part, np.column_stack([np.ones(len(block)), _standard(block, self.mean, self.std)])

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        return iter(self._kept) if self._kept is not None else self._made()


def _width(inputs: Matrix | Rows) -> int:
    return len(inputs.columns) if isinstance(inputs, Rows) else inputs.shape[1]


def _solve(matrix: Array, right: Array) -> Array:
    """The solution, or the shortest of the best ones where there is none or many (constant inputs, no rows)."""
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right)[0], dtype=np.float64)


def least_squares(inputs: Matrix | Rows, labels: Array, penalty: float = 0.0) -> Linear:
    """Ridge regression; the intercept isn't penalised. `inputs` (n, p), `labels` (n,) without NaN."""
    width = _width(inputs)
    z = _Standardised(inputs, width)
    gram, moment = np.zeros((width + 1, width + 1)), np.zeros(width + 1)
    for part, block in z:
        gram += block.T @ block
        moment += block.T @ labels[part]
    ridge = np.full(width + 1, penalty + 1e-9 * len(labels))
    ridge[0] = 0.0
    weights = _solve(gram + np.diag(ridge), moment)
    return Linear(z.mean, z.std, weights[1:], float(weights[0]))


def logistic(
    inputs: Matrix | Rows, labels: Array, penalty: float = 3000.0, steps: int = 12, weight: Array | None = None
) -> Linear:
    """Logistic regression by Newton's method; its score is a log-odds.

    Args:
        inputs: shape (n, p).
        labels: 0 or 1, shape (n,).
        penalty: of the squared weights of standardised inputs.
        steps: of Newton's method, at most.
        weight: how much each row counts, shape (n,), 1 on average; None: all the same.
    """
    width = _width(inputs)
    z = _Standardised(inputs, width)
    ridge = np.full(width + 1, penalty)
    ridge[0] = 0.0
    weights = np.zeros(width + 1)
    for _ in range(steps):
        gradient, hessian = ridge * weights, np.diag(ridge + 1e-9 * len(labels))
        for part, block in z:
            p = sigmoid(block @ weights)
            w: Any = 1.0 if weight is None else weight[part]
            gradient += block.T @ (w * (p - labels[part]))
            hessian += (block * (w * p * (1 - p))[:, None]).T @ block
        step = _solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return Linear(z.mean, z.std, weights[1:], float(weights[0]))


@dataclasses.dataclass(frozen=True)
class Seasonal:
    """``offsets[season] + sum(weights * clip((x - mean) / std))``: an intercept for each season (hour of the week)."""

    slopes: Linear
    """Its intercept is 0."""
    offsets: Array
    """One a season."""

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
    width = _width(inputs)
    mean, std = _moments(inputs)
    gram, moment = np.zeros((width, width)), np.zeros(width)
    sums, count, label = np.zeros((seasons, width)), np.zeros(seasons), np.zeros(seasons)
    for part, block in _blocks(inputs):
        z, of, y = _standard(block, mean, std), season[part], labels[part]
        gram += z.T @ z
        moment += z.T @ y
        count += np.bincount(of, minlength=seasons)
        label += np.bincount(of, y, seasons)
        sums += np.stack([np.bincount(of, column, seasons) for column in z.T], axis=1)
    there = np.maximum(count, 1)
    gram -= sums.T @ (sums / there[:, None])
    moment -= sums.T @ (label / there)
    weights = _solve(gram + np.diag(np.full(width, 1e-9 * max(len(labels), 1))), moment)
    offsets = label / there - (sums / there[:, None]) @ weights
    known = count > 0
    offsets[~known] = offsets[known].mean() if known.any() else 0.0
    return Seasonal(Linear(mean, std, weights, 0.0), offsets)


def sigmoid(score: Array) -> Array:
    """Log-odds to probability."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -35, 35))))
