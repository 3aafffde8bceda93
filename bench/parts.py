"""Training on data in parts by 1, 2 and 4 Dask workers, and by one process, each under a limit of memory.

    python -m bench.parts                                     1, 5 and 20 million rows; makes them first, in build/parts
    python -m bench.parts --rows 1000000 --workers 0 1 2      0: one process, without Dask

The rows are made (seeded, hours from the year 1700 on, since no market has that many) in files of 250,000; a size is
that many of the first ones. Each process may hold `--limit` MB: whichever holds more is ended, as ECS ends a container,
and the run counts as failed. Dask spills to disk below that. Prints for each run wall time, processor time of all
processes, and the peak memory of the process that trains and of the largest worker.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIRST = np.datetime64("1700-01-01T00", "h")
NOW = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""After the last hour that is made."""
FILE_ROWS = 250_000
FOLDS = 1
TICK = 0.05
"""Seconds between two looks at the memory of the processes."""


def make(folder: Path, rows: int, seed: int = 7) -> None:
    """Write the files of `rows` hours, those that aren't there yet."""
    import pandas as pd

    from model import parquet, sample

    folder.mkdir(parents=True, exist_ok=True)
    if len(list(folder.glob("*.parquet"))) * FILE_ROWS >= rows:
        return
    waiting: list[Any] = []
    names = ("Open time", "Open", "High", "Low", "Close", "Volume")
    number = 0
    for chunk in sample.series(FIRST + np.arange(rows), seed):
        prices = [np.round(values, 2) for values in chunk[1:5]]
        columns = [chunk[0].astype("datetime64[us]"), *prices, np.round(chunk[5], 6)]
        waiting.append(pd.DataFrame(dict(zip(names, columns, strict=True))))
        while sum(map(len, waiting)) >= FILE_ROWS or (waiting and sum(map(len, waiting)) + number * FILE_ROWS == rows):
            whole = pd.concat(waiting, ignore_index=True)
            part = folder / f".{number:05}"
            part.write_bytes(parquet.encode(whole[:FILE_ROWS]))
            part.rename(folder / f"{number:05}.parquet")
            number, waiting = number + 1, [whole[FILE_ROWS:]] if len(whole) > FILE_ROWS else []


@contextlib.contextmanager
def first_files(folder: Path, rows: int) -> Iterator[Path]:
    """A folder with links to the files of the first `rows` hours, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="bench-parts-", dir=folder.parent) as made:
        for path in sorted(folder.glob("*.parquet"))[: -(-rows // FILE_ROWS)]:
            os.link(path, Path(made) / path.name)
        yield Path(made)


@dataclasses.dataclass
class Process:
    """A process that is watched."""

    name: str
    child: subprocess.Popen[bytes]
    peak: int = 0
    """MB resident."""
    seconds: float = 0.0
    """Seconds of processor time."""
    over: bool = False
    """Whether it was ended because it held more than the limit."""

    def look(self, limit: int) -> None:
        """Note what it holds, and end it if that is too much."""
        try:
            status = Path(f"/proc/{self.child.pid}/status").read_text()
            times = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return
        fields = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
        self.peak = max(self.peak, int(fields.get("VmHWM", 0)) // 1024)
        self.seconds = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        if int(fields.get("VmRSS", 0)) // 1024 > limit and self.child.poll() is None:
            self.over = True
            self.child.kill()


class Watched:
    """Processes of one run; a thread looks at their memory."""

    def __init__(self, limit: int, folder: Path) -> None:
        self.limit, self.folder = limit, folder
        self.processes: list[Process] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def start(self, name: str, command: Sequence[str], **environment: str) -> Process:
        """Start a process; what it writes goes to a file of that name."""
        with (self.folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
            )
        self.processes.append(Process(name, child))
        return self.processes[-1]

    def _look(self) -> None:
        while not self._end.wait(TICK):
            for process in list(self.processes):
                process.look(self.limit)

    def close(self) -> None:
        """End all of them."""
        self._end.set()
        self._thread.join()
        for process in self.processes:
            process.child.kill()
            process.child.wait()


def train(data: str, output: str, scheduler: str, workers: int, limit: int, rounds: int) -> None:
    """What the process that trains does; every hour counts the same, since old ones would else count for nothing."""
    from model import log
    from model import train as program
    from model.params import DEFAULTS
    from model.settings import Settings

    log.configure({"LOG_FORMAT": "plain"})
    few = {"max_rounds": rounds, "patience": rounds, "half_life": 0.0, "subsample": 1.0, "colsample": 1.0}
    params = {target: dataclasses.replace(known, **few) for target, known in DEFAULTS.items()}
    program.train(
        Settings(
            data=data,
            output=output,
            folds=FOLDS,
            params=params,
            scheduler=scheduler,
            workers=workers,
            memory=limit * 2**20,
            threads=2,
        ),
        NOW,
    )


def run(data: Path, workers: int, limit: int, rounds: int, keep: Path) -> dict[str, Any]:
    """Train by so many workers, or by this one process without Dask where there are none."""
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    watched = Watched(limit, keep)
    try:
        address = ""
        if workers:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            address = f"tcp://127.0.0.1:{port}"
            dask = [sys.executable, "-m", "dask"]
            watched.start(
                "scheduler", [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
            )
            for number in range(workers):
                options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", f"{limit}MB"]
                spilled = ["--local-directory", str(keep / f"spilled-{number}")]
                pause = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False"}
                watched.start(f"worker-{number}", [*dask, "worker", address, *options, *spilled], **pause)
        began = time.perf_counter()
        given = json.dumps([str(data), str(keep / "output"), address, workers, limit, rounds])
        program = watched.start("program", [sys.executable, "-m", "bench.parts", "--one", given], TMPDIR=str(keep))
        while program.child.poll() is None and not any(p.over for p in watched.processes):
            time.sleep(TICK)
        seconds, ended = time.perf_counter() - began, [p.name for p in watched.processes if p.over]
        others = [p for p in watched.processes if p.name.startswith("worker")]
        done = not ended and program.child.poll() == 0
        return {
            "workers": workers,
            "done": done,
            "ended": ended,
            "seconds": round(seconds, 1),
            "cpu": round(sum(p.seconds for p in watched.processes), 1),
            "program_mb": program.peak,
            "worker_mb": max((p.peak for p in others), default=0),
        }
    finally:
        watched.close()
        for folder in keep.glob("spilled-*"):
            shutil.rmtree(folder, ignore_errors=True)


def line(result: dict[str, Any], alone: float | None) -> str:
    """A run as a row; `alone`: seconds of a single worker with as many rows."""
    who = f"{result['workers']} workers" if result["workers"] else "one process"
    how = f"{result['seconds']:>8.1f} s" if result["done"] else f"ended after {result['seconds']:.0f} s at the limit"
    if not result["done"] and not result["ended"]:
        how = f"failed after {result['seconds']:.0f} s"
    times = f"{alone / result['seconds']:.2f} times" if alone and result["done"] else ""
    return (
        f"{result['rows']:>11,}  {who:<12} {how:<32} {result['cpu']:>8.1f} s cpu {result['program_mb']:>7,} MB"
        f" {result['worker_mb']:>7,} MB  {times:<12} {' '.join(result['ended'])}  load {result['load']}"
    )


def main() -> int:
    """Run the benchmark. Exit code 1 if the largest size isn't done by the most workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4], help="0: one process")
    parser.add_argument("--limit", type=int, default=3500, help="MB that a process may hold (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="boosting rounds, at most (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/parts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        train(*json.loads(given.one))
        return 0
    began = time.perf_counter()
    make(given.folder / "rows", max(given.rows))
    print(f"rows are there after {time.perf_counter() - began:.0f} s")
    results: list[dict[str, Any]] = []
    for rows in given.rows:
        with first_files(given.folder / "rows", rows) as data:
            alone = None
            for workers in given.workers:
                result = run(data, workers, given.limit, given.rounds, given.folder / f"run-{rows}-{workers}")
                result |= {"rows": rows, "load": round(os.getloadavg()[0], 1)}
                alone = result["seconds"] if workers == 1 and result["done"] else alone
                results.append(result)
                print(line(result, alone), flush=True)
                content = {"processors": os.cpu_count(), "limit_mb": given.limit, "results": results}
                (given.folder / "bench.json").write_text(json.dumps(content, indent=2) + "\n")
    return 0 if results and results[-1]["done"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
