"""Choosing where the feature matrix is kept and where boosters are trained."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from model import log
from model.engine import Engine, InMemory, OnDisk
from model.errors import InputError
from model.rows import Features

COPIES = 2
"""Training holds as much again as the matrix: the rows that it bins, and the binned ones."""
SHARE = 0.5
"""The share of the memory for the matrix and its copies; the rest is for bars, labels and forecasts, about as much."""


def fits(rows: int, columns: int, memory: int) -> bool:
    """Whether a matrix of so many float32 can be trained on within `memory` bytes (0: no limit)."""
    return not memory or rows * columns * 4 * COPIES <= memory * SHARE


@contextmanager
def choose(
    rows: int, columns: int, memory: int, scheduler: str, workers: int = 0
) -> Iterator[tuple[Engine, Features | None]]:
    """For the time of the block: the engine, and the file-backed matrix to fill if it doesn't fit in memory.

    Args:
        rows: of the matrix.
        columns: of the matrix.
        memory: what this process may use, in bytes; 0: no limit.
        scheduler: address of a Dask scheduler, or empty.
        workers: so many are waited for; 0: those that there are.

    Raises:
        InputError: the disk is too small, or the scheduler can't be used.
    """
    whole = fits(rows, columns, memory)
    if whole and not scheduler:
        yield InMemory(), None
        return
    with tempfile.TemporaryDirectory(prefix="model-rows-") as folder:
        matrix: Features | None = None
        if not whole:
            need, free = rows * columns * 5, shutil.disk_usage(folder).free  # four bytes a number, one binned
            if need > free:
                raise InputError(
                    f"{rows:,} hours need {need / 1e9:.1f} GB below {Path(folder).parent}, where "
                    f"{free / 1e9:.1f} GB are free: give the task more memory or "
                    "ephemeral storage, or set TMPDIR to a larger disk"
                )
            matrix = np.memmap(Path(folder) / "features", dtype=np.float32, mode="w+", shape=(rows, columns))
            log.get().info("larger than memory: trained from disk", gb=round(need / 1e9, 1), memory_mb=memory // 2**20)
        engine: Engine
        if scheduler:
            from model.cluster import OnCluster

            cluster = OnCluster(scheduler, workers=workers)
            log.get().info("trained by Dask workers", scheduler=scheduler, workers=len(cluster.workers))
            engine = cluster
        else:
            engine = OnDisk(Path(folder))
        try:
            yield engine, matrix
        finally:
            engine.close()
