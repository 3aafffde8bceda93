"""Some rows and columns of a feature matrix, read a block at a time.

So that a matrix which lies on disk, larger than memory, is gone through like one in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

BLOCK = 65_536
"""Rows of a block: some 10 MB with 40 columns."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows `numbers` (ascending) and the columns `columns` of `features`, shape (len(self), len(columns))."""

    features: Features
    numbers: Numbers
    columns: Numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, Features]]:
        """Pairs of a slice of `numbers` and those rows, copied."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield part, self.take(part)

    def take(self, part: slice) -> Features:
        """The rows of a slice of `numbers`, copied."""
        numbers = self.numbers[part]
        if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:  # side by side: no search for each
            return np.ascontiguousarray(self.features[numbers[0] : numbers[-1] + 1, self.columns])
        return self.features[np.ix_(numbers, self.columns)]

    def all(self) -> Features:
        """The inputs of all rows in one array."""
        return self.take(slice(0, len(self)))


def present(features: Features) -> npt.NDArray[np.bool_]:
    """Which rows have any feature, shape (n,)."""
    mask = np.empty(len(features), dtype=np.bool_)
    for start in range(0, len(features), BLOCK):
        mask[start : start + BLOCK] = np.isfinite(features[start : start + BLOCK]).any(axis=1)
    return mask
