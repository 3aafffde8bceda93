"""Where boosters are trained: in this process's memory, or from its disk when the data is larger than that.

`model.cluster` is a third place, for several machines.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import xgboost as xgb

from model import stopping
from model.bars import Array
from model.rows import Rows

MAX_BIN = 64


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows to train on or to stop early on. `label`, `weight` and `margin` have shape (len(rows),)."""

    rows: Rows
    label: Array
    weight: Array | None = None
    margin: Array | None = None
    """What the booster starts from, in its own unit before the link function."""


class Engine(Protocol):
    """Trains one booster."""

    @property
    def place(self) -> str:
        """Where it trains, in words. Boosters of one place are the same to the byte."""

    side_by_side: bool
    """Whether several boosters may be trained at once, each by a thread of its own."""

    def train(self, settings: dict[str, Any], parts: Sequence[Part], rounds: int, patience: int | None) -> xgb.Booster:
        """Train on the first of `parts`; stop early on the second, if there is one.

        Args:
            settings: XGBoost's training parameters.
            parts: the rows.
            rounds: boosting rounds, at most.
            patience: rounds without a better score on the second part after which it ends.
        """

    def close(self) -> None:
        """End what goes on, from any thread."""


class _Cancel(xgb.callback.TrainingCallback):
    """Ends training when SIGTERM has come."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return stopping.requested()


def _run(settings: dict[str, Any], matrices: Sequence[xgb.DMatrix], rounds: int, patience: int | None) -> xgb.Booster:
    return xgb.train(
        settings | {"nthread": 1, "max_bin": MAX_BIN},
        matrices[0],
        rounds,
        evals=[(matrix, "tail") for matrix in matrices[1:]],
        verbose_eval=False,
        early_stopping_rounds=patience,
        callbacks=[_Cancel()],
    )


class InMemory:
    """Every booster is trained with one thread, so that its file is the same however many threads there are."""

    place = "one machine"
    side_by_side = True

    def train(self, settings: dict[str, Any], parts: Sequence[Part], rounds: int, patience: int | None) -> xgb.Booster:
        """Train with all rows in memory. Arguments: as of `Engine`."""
        matrices: list[xgb.DMatrix] = []
        for part in parts:
            matrices.append(
                xgb.QuantileDMatrix(
                    part.rows.all(),
                    part.label,
                    weight=part.weight,
                    base_margin=part.margin,
                    max_bin=MAX_BIN,
                    nthread=1,
                    ref=matrices[0] if matrices else None,
                )
            )
        return _run(settings, matrices, rounds, patience)

    def close(self) -> None:
        """Nothing to end."""


class _Blocks(xgb.DataIter):
    """Hands XGBoost a part block by block; it keeps them binned, a byte a number, in files that begin with `cache`."""

    def __init__(self, part: Part, size: int, cache: str) -> None:
        self._part, self._size = part, size
        self._blocks = part.rows.blocks(size)
        super().__init__(cache_prefix=cache)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand XGBoost the next block; False after the last."""
        following = next(self._blocks, None)
        if following is None:
            return False
        place, block = following
        part = self._part
        input_data(
            data=block,
            label=part.label[place],
            weight=None if part.weight is None else part.weight[place],
            base_margin=None if part.margin is None else part.margin[place],
        )
        return True

    def reset(self) -> None:
        """From the first block on."""
        self._blocks = self._part.rows.blocks(self._size)


class OnDisk:
    """XGBoost's external memory: only a block of rows is in memory at a time."""

    place = InMemory.place
    side_by_side = False
    """One booster at a time, since two would read the disk against each other."""

    def __init__(self, folder: Path, block: int = 250_000) -> None:
        self._folder, self._block = folder, block

    def train(self, settings: dict[str, Any], parts: Sequence[Part], rounds: int, patience: int | None) -> xgb.Booster:
        """Train on rows that are read a block at a time. Arguments: as of `Engine`."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="binned-") as cache:
            made: list[xgb.DMatrix] = []
            for number, part in enumerate(parts):
                blocks = _Blocks(part, self._block, str(Path(cache) / str(number)))
                made.append(
                    xgb.ExtMemQuantileDMatrix(blocks, max_bin=MAX_BIN, nthread=1, ref=made[0] if made else None)
                )
            booster = _run(settings, made, rounds, patience)
            del made
        return booster

    def close(self) -> None:
        """Nothing to end."""
