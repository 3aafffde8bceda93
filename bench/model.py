"""Time and memory of each stage of the training program, and how they grow with the rows.

    python bench/model.py                     all hours of 2018 to 2025 (70,000 rows, five folds) and 10 k to 100 k
    python bench/model.py --rows 10000 100000 1000000 10000000
    python bench/model.py --json out.json
    BTC_DATA=/path/to/real.csv python bench/model.py      that file too, with the program's six folds

Every size runs in a process of its own, so that its peak memory is its own. Above
`--train-rows`, where training whole would take long, one booster of the last fold is trained
for ten rounds ("ten rounds"), and scoring gets forecasts that cost nothing to make. With
MEMORY_LIMIT_MB what doesn't fit goes by way of the disk, as in the program.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
REAL_FOLDS = 6
FULL_ROWS, MOST_SECONDS, MOST_MB = 70_000, 90.0, 1500


class Memory:
    """The most resident memory that this process has while a stage runs, sampled every 20 ms."""

    def __init__(self) -> None:
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @staticmethod
    def now() -> int:
        """Resident memory in MB."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 2**20

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.peak = max(self.peak, self.now())

    def __enter__(self) -> Memory:
        self.peak = self.now()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.peak = max(self.peak, self.now())


class Stages:
    """Seconds, processor seconds and peak MB of each stage, by name."""

    def __init__(self, rows: int) -> None:
        self.rows, self.began = rows, time.perf_counter()
        self.stages: dict[str, dict[str, float]] = {}

    def note(self, name: str, seconds: float, cpu: float, mb: int) -> None:
        """Keep a stage's numbers, and show them."""
        self.stages[name] = {"seconds": round(seconds, 3), "mb": mb, "cpu": round(cpu, 3)}
        print(f"{self.rows:>12,} {name:<12} {seconds:>9.2f} s {cpu:>8.2f} cpu {mb:>7,} MB", file=sys.stderr)

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Do a stage's work."""
        start, cpu = time.perf_counter(), time.process_time()
        with Memory() as memory:
            result = work()
        self.note(name, time.perf_counter() - start, time.process_time() - cpu, memory.peak)
        return result

    def to_json(self) -> dict[str, Any]:
        """The stages and their totals."""
        return {
            "rows": self.rows,
            "stages": self.stages,
            "seconds": round(time.perf_counter() - self.began, 2),
            "cpu": round(time.process_time(), 2),
            "mb": max(stage["mb"] for stage in self.stages.values()),
        }


def measure(path: Path, rows: int, folds: int, whole: bool) -> dict[str, Any]:
    """Run the stages on a file; a dict of stage to seconds and peak MB. rows: for showing, 0 for those of the file."""
    stage = Stages(rows)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    sys.path.insert(0, str(ROOT))
    from model import data, features, limits, log, place, split, targets
    from model import train as _loaded  # noqa: F401  all that a run loads
    from model.settings import Settings

    log.configure({"LOG_FORMAT": "plain"})
    stage.note("import", time.perf_counter() - stage.began, time.process_time(), Memory.now())
    settings = Settings(data=str(path), folds=folds, threads=limits.threads(os.environ))
    loaded = stage("read", lambda: data.load(path))
    stage.rows, bars = loaded.rows, loaded.bars
    chosen = features.select(bool(bars.flow))
    with place.choose(len(bars), len(chosen), limits.memory(os.environ), "") as (engine, into):
        matrix = stage("features", lambda: features.build(bars, chosen, into=into))
        labels = stage("targets", lambda: targets.make(bars))
        parts = split.walk_forward(len(bars), folds, settings.first_train, settings.embargo)
        inputs = Inputs(settings, loaded, chosen, matrix, labels, parts, engine)
        (_train_whole if whole else _train_ten_rounds)(stage, inputs)
        return stage.to_json() | {"from_disk": into is not None}


class Inputs(NamedTuple):
    """What a training run makes before it trains."""

    settings: Any
    data: Any
    features: Any
    matrix: Any
    labels: Any
    folds: Any
    engine: Any


def _train_whole(stage: Stages, made: Inputs) -> None:
    """Train every fold, score, explain and write the output."""
    from model import outputs, report, store, train, walkforward
    from model.run import Run

    bars, settings = made.data.bars, made.settings
    result = stage(
        "train",
        lambda: walkforward.run(
            bars, made.features, made.matrix, made.labels, made.folds, settings, lambda *_: None, made.engine
        ),
    )
    scores = stage("score", lambda: train.scored(bars, made.labels, result.forecasts, settings))
    run = Run(*made[:6], result, *scores, {}, {})
    run.shap |= stage("explain", lambda: {t: report.mean_abs(run, t) for t in result.models})
    with tempfile.TemporaryDirectory() as folder:
        stage("write", lambda: outputs.write(run, store.Output(folder)))


def _train_ten_rounds(stage: Stages, made: Inputs) -> None:
    """Score forecasts that cost nothing to make, and train ten rounds of one booster of the last fold."""
    from model import boost, features, train

    settings, stop = made.settings, made.folds[-1].train_stop
    stage("score", lambda: train.scored(made.data.bars, made.labels, _stand_in(made.labels, made.folds), settings))
    few = dataclasses.replace(settings.params["volatility"], max_rounds=10, patience=10)
    columns = features.columns_for("volatility", made.features)
    stage(
        "ten rounds",
        lambda: boost.fit("volatility", made.matrix, columns, made.labels, stop, 24, few, 7, engine=made.engine),
    )


def _stand_in(labels: Any, parts: Any) -> Any:
    """Forecasts that cost nothing to make, to measure the scoring of very many rows."""
    import numpy as np

    from model.conformal import quantiles
    from model.forecasts import Forecasts

    rows = len(labels.ret)
    f = Forecasts.empty(rows)
    rng = np.random.default_rng(0)
    low, high = quantiles(labels.ret, 0.9)
    variance = np.exp(labels.lv_now)
    for fold in parts:
        f.fold[fold.test_start : fold.test_stop] = fold.number
    tested = ~np.isnan(f.fold)
    values = {
        "p_up": rng.uniform(0.4, 0.6, rows),
        "p_logistic": rng.uniform(0.4, 0.6, rows),
        "p_base": np.full(rows, 0.5),
        "ret": np.zeros(rows),
        "lv": labels.lv_now,
        "lv_har": labels.lv_now,
        "lower": low,
        "upper": high,
        "base_lower": low,
        "base_upper": high,
        "har_lower": low,
        "har_upper": high,
        "lhar_lower": low,
        "lhar_upper": high,
        "lv_lhar": labels.lv_now,
        "var": variance,
        "var_har": variance,
        "var_lhar": variance,
    }
    for name, made in values.items():
        getattr(f, name)[tested] = made[tested]
    return f


def table(results: list[dict[str, Any]]) -> str:
    """Seconds, processor seconds and peak MB by stage and size."""
    names = list(dict.fromkeys(name for r in results for name in r["stages"]))
    lines = [f"{'stage':<12}" + "".join(f"{r['rows']:>33,}" for r in results)]
    for name in [*names, "all"]:
        cells = []
        for r in results:
            s = r["stages"].get(name) if name != "all" else r
            cells.append(f"{s['seconds']:>9.2f} s {s['cpu']:>7.2f} cpu {s['mb']:>6,} MB" if s else f"{'-':>33}")
        lines.append(f"{name:<12}" + "".join(f"{c:>33}" for c in cells))
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark. Exit code 1 if the full size takes more than its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 30_000, FULL_ROWS, 100_000])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--train-rows", type=int, default=200_000, help="largest size that is trained on")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--one", nargs=2, metavar=("FILE", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        rows = int(given.one[1])
        print(json.dumps(measure(Path(given.one[0]), rows, given.folds, rows <= given.train_rows)))
        return 0
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-model-") as folder:
        sys.path.insert(0, str(ROOT))
        from model import sample

        jobs = [(Path(folder) / f"{rows}.csv", rows, given.folds) for rows in given.rows]
        for path, rows, _ in jobs:
            sample.write(path, rows, 7)
        if real := os.environ.get("BTC_DATA"):
            jobs.insert(0, (Path(real), 0, REAL_FOLDS))
        for path, rows, folds in jobs:
            command = [sys.executable, __file__, "--one", str(path), str(rows), "--folds", str(folds)]
            command += ["--train-rows", str(given.train_rows)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            results.append(json.loads(done.stdout))
    print(table(results))
    if given.json:
        content = {"processors": os.cpu_count(), "load": os.getloadavg()[0], "results": results}
        given.json.write_text(json.dumps(content, indent=2) + "\n")
    full = next((r for r in results if r["rows"] == FULL_ROWS), None)
    if full:
        kept = full["seconds"] <= MOST_SECONDS and full["mb"] <= MOST_MB
        print(f"\n{FULL_ROWS:,} rows, {given.folds} folds: {'kept' if kept else 'NOT kept'}")
        print(f"  {full['seconds']} s (at most {MOST_SECONDS:g}), {full['cpu']} of processor time")
        print(f"  {full['mb']:,} MB (at most {MOST_MB:,}); load of the machine {os.getloadavg()[0]:.1f}")
        return 0 if kept else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
