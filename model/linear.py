"""Least squares and logistic regression with a ridge penalty, in numpy.

They are the baselines (HAR, logistic regression) and the start that boosting corrects.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from model.bars import Array

Matrix = npt.NDArray[np.floating[Any]]
CLIP = 4.0
"""Standardised inputs are cut at this many standard deviations."""


@dataclasses.dataclass(frozen=True)
class Linear:
    """``intercept + sum(weights * clip((x - mean) / std))``; a missing input counts as its mean."""

    mean: Array
    std: Array
    weights: Array
    intercept: float

    def predict(self, inputs: Matrix) -> Array:
        """The linear score of each row, shape (n,). Rows with every input missing give NaN."""
        missing = np.isnan(inputs)
        scores: Array = self.intercept + np.einsum("ij,j->i", _standard(inputs, self.mean, self.std), self.weights)
        scores[missing.all(axis=1)] = np.nan
        return scores

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
        """The inverse of `to_json`."""
        return cls(
            np.asarray(raw["mean"], float),
            np.asarray(raw["std"], float),
            np.asarray(raw["weights"], float),
            float(raw["intercept"]),
        )


def _standard(inputs: Matrix, mean: Array, std: Array) -> Array:
    return np.nan_to_num(np.clip((inputs.astype(np.float64) - mean) / std, -CLIP, CLIP))


def _moments(inputs: Matrix) -> tuple[Array, Array]:
    mean = np.nan_to_num(np.nanmean(inputs, axis=0, dtype=np.float64))
    std = np.nan_to_num(np.nanstd(inputs, axis=0, dtype=np.float64))
    return mean, np.where(std > 0, std, 1.0)


def least_squares(inputs: Matrix, labels: Array, penalty: float = 0.0) -> Linear:
    """Ridge regression; the intercept isn't penalised. `inputs` (n, p), `labels` (n,) without NaN.

    Uses einsum and not BLAS for the sums over rows, whose order then doesn't depend on threads.
    """
    mean, std = _moments(inputs)
    z = _standard(inputs, mean, std)
    centre, offset = labels.mean(), z.mean(axis=0)
    z -= offset
    gram = np.einsum("ij,ik->jk", z, z) + (penalty + 1e-9 * len(z)) * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, np.einsum("ij,i->j", z, labels - centre))
    return Linear(mean, std, weights, float(centre - offset @ weights))


def logistic(inputs: Matrix, labels: Array, penalty: float = 3000.0, steps: int = 12) -> Linear:
    """Logistic regression by Newton's method; its score is a log-odds. `labels` are 0 or 1."""
    mean, std = _moments(inputs)
    z = np.column_stack([np.ones(len(inputs)), _standard(inputs, mean, std)])
    ridge = np.full(z.shape[1], penalty)
    ridge[0] = 0.0
    weights = np.zeros(z.shape[1])
    for _ in range(steps):
        p = sigmoid(z @ weights)
        gradient = z.T @ (p - labels) + ridge * weights
        hessian = (z * (p * (1 - p))[:, None]).T @ z + np.diag(ridge + 1e-9 * len(z))
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return Linear(mean, std, weights[1:], float(weights[0]))


def sigmoid(score: Array) -> Array:
    """Log-odds to probability."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -35, 35))))
