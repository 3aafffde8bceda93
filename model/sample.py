"""A synthetic price series in the Kaggle hourly format. It is made up, and named so.

A random walk with stochastic volatility (persistent, with a daily and a weekly rhythm), a
little mean reversion from hour to hour, and volume that moves with volatility. Each hour's
path is walked in small steps, so that Open, High, Low and Close belong together.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.bars import Array
from model.errors import InputError

STEPS = 30
CHUNK = 100_000
HEADER = "Open time,Open,High,Low,Close,Volume\n"
LAST_HOUR = np.datetime64("2025-06-30T23", "h")


def write(path: Path, rows: int, seed: int) -> None:
    """Write `rows` hours that end on 2025-06-30 to `path`; the same seed gives the same bytes.

    Raises:
        InputError: `path` can't be written, or `rows` isn't positive.
    """
    if rows < 1:
        raise InputError(f"--rows is {rows}: at least 1 row is needed")
    if path.exists() and not path.is_file():
        raise InputError(f"can't write {path}: it is not a regular file")
    hours = LAST_HOUR - np.arange(rows - 1, -1, -1)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", newline="\n") as file:
            file.write(HEADER)
            for chunk in series(hours, seed):
                stamps = np.datetime_as_string(chunk[0].astype("datetime64[s]"))
                for stamp, o, h, low, c, v in zip(stamps, *chunk[1:], strict=True):
                    file.write(f"{stamp[:10]} {stamp[11:]},{o:.2f},{h:.2f},{low:.2f},{c:.2f},{v:.6f}\n")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(f"can't write {path}: {error.strerror}") from error


Chunk = tuple[Any, Array, Array, Array, Array, Array]
"""Hours with their Open, High, Low, Close and Volume."""


def series(hours: npt.NDArray[Any], seed: int) -> Iterator[Chunk]:
    """The bars of these hours, which follow each other, `CHUNK` at a time; the same seed gives the same numbers."""
    rng = np.random.default_rng(seed)
    log_price, slow, fast, last = float(np.log(30_000.0)), 0.0, 0.0, 0.0
    for start in range(0, len(hours), CHUNK):
        chunk = hours[start : start + CHUNK]
        bars, log_price, slow, fast, last = _chunk(rng, chunk, log_price, slow, fast, last)
        yield bars


def _chunk(
    rng: np.random.Generator, hours: npt.NDArray[Any], log_price: float, slow: float, fast: float, last: float
) -> tuple[Chunk, float, float, float, float]:
    """The bars of some hours, and the state after them."""
    n = len(hours)
    slow_noise, fast_noise = 0.03 * rng.standard_normal(n), 0.25 * rng.standard_normal(n)
    number = hours.astype(np.int64)
    hour, weekday = number % 24, (number // 24 + 3) % 7
    rhythm = 0.35 * np.sin(2 * np.pi * (hour - 9) / 24) - 0.25 * (weekday >= 5)
    steps = rng.standard_normal((n, STEPS)) / np.sqrt(STEPS)
    walk = np.cumsum(steps, axis=1)
    sigma, drift, base = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        slow = 0.9985 * slow + slow_noise[i]
        fast = 0.85 * fast + fast_noise[i]
        sigma[i] = 0.004 * np.exp(0.5 * slow + 0.5 * fast + rhythm[i])
        # A pull back of the last move, and gently towards 30,000, so that long series stay in range.
        drift[i] = -0.08 * last - 2e-5 * (log_price - 10.31)
        base[i] = log_price
        last = sigma[i] * walk[i, -1] + drift[i]
        log_price += last
    paths = base[:, None] + sigma[:, None] * walk + drift[:, None] * np.linspace(1 / STEPS, 1, STEPS)
    opens, closes = np.exp(base), np.exp(paths[:, -1])
    highs = np.maximum(np.exp(paths.max(axis=1)), opens)
    lows = np.minimum(np.exp(paths.min(axis=1)), opens)
    volume = 900 * (sigma / 0.004) ** 1.3 * np.exp(0.3 * rng.standard_normal(n))
    return (hours, opens, highs, lows, closes, volume), float(log_price), float(slow), float(fast), float(last)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m model.sample OUT.csv --rows N --seed S``."""
    parser = argparse.ArgumentParser(prog="python -m model.sample", description="Write a synthetic hourly price file.")
    parser.add_argument("out", type=Path, help="the CSV file to write")
    parser.add_argument("--rows", type=int, default=6000, help="hours (default 6000)")
    parser.add_argument("--seed", type=int, default=7, help="seed (default 7)")
    options = parser.parse_args(arguments)
    began = dt.datetime.now(dt.UTC)
    write(options.out, options.rows, options.seed)
    from model import log

    seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
    log.get().info(
        "synthetic sample written", path=str(options.out), rows=options.rows, seed=options.seed, seconds=seconds
    )
    return 0


if __name__ == "__main__":
    import os
    import sys

    from model import log as _log

    try:
        _log.configure(os.environ)
        raise SystemExit(main())
    except InputError as _error:
        sys.stderr.write(f"error: {_error}\n")
        raise SystemExit(_error.exit_code) from None
