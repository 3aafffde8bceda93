"""The hourly bars that everything else works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Array = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")
FLOW = ("trades", "taker_base")
"""Columns of the full format that features use, beyond open, high, low, close, volume."""


@dataclasses.dataclass(frozen=True)
class Bars:
    """Hourly bars on an unbroken grid; NaN where the exchange stood still or data is missing.

    `time[i]` is the start of hour i in UTC; bar i is known at `time[i]` + 1 h.
    Prices in quote currency, volume in base currency. All arrays have shape (n,).
    """

    time: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    flow: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    """The columns of `FLOW`, all or none."""

    def __len__(self) -> int:
        return len(self.time)

    def map(self, change: Any) -> Bars:
        """The same bars with `change` applied to every array, time included."""
        return Bars(
            change(self.time),
            change(self.open),
            change(self.high),
            change(self.low),
            change(self.close),
            change(self.volume),
            {name: change(values) for name, values in self.flow.items()},
        )

    def slice(self, start: int, stop: int) -> Bars:
        """Bars `start` to `stop` (excluded), as views."""
        return self.map(lambda values: values[start:stop])


def of_each(change: Callable[..., Any], *sources: T) -> T:
    """A dataclass of arrays, each of them what `change` makes of the same array of all `sources`."""
    fields = [field.name for field in dataclasses.fields(sources[0])]  # type: ignore[arg-type]  # it is a dataclass
    return type(sources[0])(*(change(*(getattr(source, name) for source in sources)) for name in fields))
