"""Training over several machines with Dask, when DASK_SCHEDULER_ADDRESS is set."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xgboost as xgb

from model import log, stopping
from model.engine import MAX_BIN, Part
from model.errors import InputError, ModelError

WAIT = 30
"""Seconds for the scheduler to answer, and for it to have a worker."""
COME = 600
"""Seconds for as many workers as are to come, and for a scheduler that is started with this process."""
AGAIN = 2
"""Times that a booster is trained again whose workers were lost meanwhile, where others come for them."""
BLOCK = 250_000
Blocks = dict[str, list[tuple[Any, tuple[int, ...]]]]
"""Rows that are on workers, as float32: by XGBoost's names (data, label, weight, base_margin) futures and shapes."""


class OnCluster:
    """Every booster is trained by all workers, each with its share of the rows in its own memory."""

    side_by_side = False

    def __init__(self, address: str, wait: float = WAIT, workers: int = 0) -> None:
        """Connect.

        Args:
            address: of the scheduler.
            wait: seconds for it to answer, and to have a worker.
            workers: so many are to come, and are waited for; 0: those that there are.

        Raises:
            InputError: Dask isn't installed, nothing answers at `address`, or it has too few workers.
        """
        self._expected, wait = workers, COME if workers else wait
        try:
            import distributed
        except ImportError as error:
            raise InputError(
                "DASK_SCHEDULER_ADDRESS is set, but Dask is not installed: pip install 'dask[dataframe]' distributed, "
                "or build the image with REQUIREMENTS=dask"
            ) from error
        try:
            connect: Any = distributed.Client
            self.client = connect(address, timeout=wait)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"DASK_SCHEDULER_ADDRESS is {address!r}: no scheduler answers there within {wait:g} s. Is it running, "
                "and does the security group let this task reach it?"
            ) from error
        try:
            self.client.wait_for_workers(workers or 1, timeout=wait)
        except TimeoutError as error:
            count = len(self.workers)
            self.close()
            if workers:
                raise InputError(f"{count} of {workers} Dask workers came within {wait:g} s (DASK_WORKERS)") from error
            raise InputError(f"the Dask scheduler at {address} has no workers: start some, then run again") from error

    @property
    def place(self) -> str:
        """How many Dask workers train."""
        return f"{len(self.workers)} Dask workers"

    @property
    def workers(self) -> list[str]:
        """Addresses of the workers, in order."""
        return sorted(self.client.scheduler_info(n_workers=-1)["workers"])

    def train(self, settings: dict[str, Any], parts: Sequence[Part], rounds: int, patience: int | None) -> xgb.Booster:
        """Train on rows that this process sends to the workers. Arguments: as of `Engine`.

        Raises:
            ModelError: a worker failed, or none is left.
        """
        return self.train_on(settings, [functools.partial(self._sent, part) for part in parts], rounds, patience)

    def train_on(
        self, settings: dict[str, Any], parts: Sequence[Callable[[], Blocks]], rounds: int, patience: int | None
    ) -> xgb.Booster:
        """`train` on rows that are on the workers already, or come there when they are asked for.

        Raises:
            ModelError: a worker failed, or none is left.
        """
        for again in reversed(range(AGAIN + 1 if self._expected else 1)):
            before = self.workers
            try:
                return self._train(settings, parts, rounds, patience)
            except ModelError as error:
                if not again or not self._others_have_come(before):
                    raise
                log.get().warning("workers were lost; the booster is trained again", why=str(error))
        raise AssertionError  # the last time returns or raises

    def _others_have_come(self, before: Sequence[str]) -> bool:
        """Whether workers were lost, and as many are there again; waits for that."""
        try:
            self.client.wait_for_workers(self._expected, timeout=COME)
        except (TimeoutError, OSError, ValueError):
            return False
        return not {*before} <= {*self.workers}

    def _train(
        self, settings: dict[str, Any], parts: Sequence[Callable[[], Blocks]], rounds: int, patience: int | None
    ) -> xgb.Booster:
        from xgboost import dask as over

        if stopping.requested():
            raise stopping.Stopped
        try:
            matrices: list[Any] = []
            for part in parts:
                matrices.append(
                    over.DaskQuantileDMatrix(
                        self.client, **_arrays(part()), max_bin=MAX_BIN, ref=matrices[0] if matrices else None
                    )
                )
            trained = over.train(
                self.client,
                settings | {"max_bin": MAX_BIN},
                matrices[0],
                rounds,
                evals=[(matrix, "tail") for matrix in matrices[1:]],
                verbose_eval=False,
                early_stopping_rounds=patience,
            )
        except Exception as error:  # Dask and XGBoost raise many kinds for a worker that is gone
            if stopping.requested():
                raise stopping.Stopped from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"training on the Dask workers failed: {reason}") from error
        booster: xgb.Booster = trained["booster"]
        booster.set_param({"nthread": 1})
        return booster

    def _sent(self, part: Part) -> Blocks:
        """The part, a block at a time to the workers in turn, so that each has as many rows."""
        workers = self.workers
        size = max(1, min(BLOCK, -(-len(part.rows) // len(workers))))
        turn = itertools.cycle(workers)
        blocks: Blocks = {"data": [], "label": [], "weight": [], "base_margin": []}
        for place, block in part.rows.blocks(size):
            worker = next(turn)
            vectors = {"label": part.label, "weight": part.weight, "base_margin": part.margin}
            arrays = {name: values[place].astype(np.float32) for name, values in vectors.items() if values is not None}
            for name, values in {"data": block, **arrays}.items():
                future = self.client.scatter(values, workers=[worker], hash=False)
                blocks[name].append((future, values.shape))
        return blocks

    def close(self) -> None:
        """Leave the workers: what waits for the workers ends with an error."""
        self.client.close(timeout=5)


def _arrays(blocks: Blocks) -> dict[str, Any]:
    """The blocks as Dask arrays, which stay where they are."""
    import dask.array

    da: Any = dask.array
    return {
        name: da.concatenate([da.from_delayed(future, shape, np.float32) for future, shape in pairs])
        for name, pairs in blocks.items()
        if pairs
    }
