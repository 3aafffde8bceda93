"""Training beyond this process's memory: from disk, and over the workers of a Dask cluster."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from model import boost, compare, features, limits, place, settings, targets, train
from model.bars import Array, Bars
from model.engine import Engine, InMemory, OnDisk, Part
from model.errors import InputError
from model.params import TARGETS
from model.parts import train as of_parts
from model.rows import Rows
from model.run import Run
from tests.model.conftest import QUICK, quick
from tests.model.test_parts import frame, write

STOP = 2400
TOLERANCE = 1e-4
"""What forecasts of two workers may differ by from those of one process, in standard deviations of the forecasts (root
mean square), when their inputs have so few values that all agree how to bin them. Sums are made in another order."""
LOSS = 0.02
"""What their squared error may differ by, as a share, when quantiles to bin by are put together from each worker's."""


def forecasts(bars: Bars, engine: Engine, levels: int = 0, names: tuple[str, ...] = TARGETS) -> dict[str, Array]:
    """Forecasts of the hours after STOP for every target, after 20 rounds on the hours before.

    Without sampling, since each worker draws its own rows, and without early stopping, whose choice of a round turns
    on the last digit where the score is flat. With `levels`, each input is rounded to so many values.
    """
    chosen = features.select(False)
    matrix, labels = features.build(bars, chosen), targets.make(bars)
    if levels:
        low, high = np.nanmin(matrix, axis=0), np.nanmax(matrix, axis=0)
        matrix = np.round((matrix - low) / (high - low) * (levels - 1))
    by_target = {}
    for target in names:
        params = dataclasses.replace(QUICK[target], subsample=1, colsample=1)
        y = boost.label(target, labels)
        numbers = np.arange(800, STOP)[np.isfinite(y[800:STOP])]
        rows = Rows(matrix, numbers, features.columns_for(target, chosen))
        weight = boost.weights(numbers, STOP, 1000.0)
        part = Part(rows, y[numbers], weight, margin=labels.har[numbers, 2] if target == "volatility" else None)
        wanted = params.booster() | {"objective": boost.OBJECTIVES[target], "tree_method": "hist", "seed": 7}
        booster = engine.train(wanted | {"base_score": 0.5 if target == "direction" else 0.0}, [part, part], 20, None)
        later = Rows(matrix, np.arange(STOP, len(bars) - 1), rows.columns).all()
        by_target[target] = booster.predict(xgb.DMatrix(later, nthread=1)).astype(np.float64)
    return by_target


def apart(left: Array, right: Array) -> float:
    """Root mean square of the difference, in standard deviations of `left`."""
    return float(np.sqrt(np.mean((left - right) ** 2)) / left.std())


def test_from_disk_it_learns_the_same(bars: Bars, tmp_path: Path) -> None:
    expected, made = forecasts(bars, InMemory()), forecasts(bars, OnDisk(tmp_path, block=500))
    for target in TARGETS:
        assert np.array_equal(expected[target], made[target]), target
    assert not list(tmp_path.iterdir())  # nothing is left behind


@pytest.mark.long
def test_a_run_with_more_data_than_memory(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = finished
    small = quick(data=str(sample_csv), output=str(tmp_path / "o"), memory=3_000_000)
    made = train.train(small)
    assert "larger than memory: trained from disk" in "".join(capsys.readouterr())
    assert isinstance(made.matrix, np.memmap)
    names = features.names(run.features)
    for name in ("p_up", "ret", "lv", "lower", "p_logistic"):
        assert np.array_equal(getattr(run.result.forecasts, name), getattr(made.result.forecasts, name), equal_nan=True)
    for target in TARGETS:
        assert run.result.models[target].save(names) == made.result.models[target].save(names), target
    assert (tmp_path / "o/manifest.json").exists()


def test_when_it_goes_by_way_of_the_disk(tmp_path: Path) -> None:
    assert place.fits(70_000, 84, 512 * 2**20)
    assert place.fits(10**9, 84, 0)
    assert not place.fits(10_000_000, 84, 8 * 2**30)
    (tmp_path / "memory.max").write_text("536870912\n")
    assert limits.memory({}, tmp_path) == 512 * 2**20
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.memory({}, tmp_path) > 2**29
    assert limits.memory({"MEMORY_LIMIT_MB": "300"}, tmp_path) == 300 * 2**20
    with pytest.raises(InputError, match="MEMORY_LIMIT_MB is '2GB'"):
        limits.memory({"MEMORY_LIMIT_MB": "2GB"}, tmp_path)
    with pytest.raises(InputError, match=r"need .* GB below .*set TMPDIR"), place.choose(10**12, 84, 2**30, ""):
        pass


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster of two worker processes on this machine."""
    distributed: Any = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as cluster:
        yield str(cluster.scheduler_address)


@pytest.mark.long
def test_two_workers_learn_what_one_process_does(bars: Bars, scheduler: str) -> None:
    labels = targets.make(bars)
    with place.choose(len(bars), 84, 0, scheduler) as (engine, into):
        assert into is None
        in_memory, on_workers = forecasts(bars, InMemory(), levels=32), forecasts(bars, engine, levels=32)
        whole, parts = (forecasts(bars, e, names=("volatility",))["volatility"] for e in (InMemory(), engine))
    for target in TARGETS:
        assert apart(in_memory[target], on_workers[target]) < TOLERANCE, target
    alone, together = (np.nanmean((labels.lv[STOP:-1] - made) ** 2) for made in (whole, parts))
    assert abs(together / alone - 1) < LOSS


@pytest.mark.long
def test_a_whole_run_on_the_workers(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path, scheduler: str
) -> None:
    run, _ = finished
    few = {target: dataclasses.replace(params, max_rounds=20) for target, params in QUICK.items()}
    options = quick(data=str(sample_csv), output=str(tmp_path / "o"), scheduler=scheduler, folds=2, params=few)
    made = train.train(options)
    by = {(c.target, c.baseline): c for c in made.overall.comparisons}
    assert by["volatility", "HAR"].verdict == "skill"
    assert made.result.models.keys() == run.result.models.keys()


@pytest.mark.long
def test_data_in_parts_on_workers_of_which_one_is_lost(
    sample_csv: Path, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is killed when all parts are read: they are read again, and it comes out as of one process."""
    params = {t: dataclasses.replace(p, max_rounds=20, patience=20, subsample=1, colsample=1) for t, p in QUICK.items()}
    parts = write(frame(sample_csv), tmp_path / "parts", (0, 700, 1100, 1105, 2000, 3000))

    def given(name: str, **more: Any) -> settings.Settings:
        return quick(data=str(parts), output=str(tmp_path / name), folds=2, params=params, **more)

    def after_a_loss(training: Any, run: Any = of_parts.Training.run) -> None:
        pids = training.pieces.client.run(os.getpid)
        os.kill(pids[training.pieces.homes[0]], signal.SIGKILL)
        run(training)

    monkeypatch.setattr(of_parts.Training, "run", after_a_loss)
    train.train(given("one"))
    made = train.train(given("many", scheduler=scheduler, workers=2))
    assert made.data.rows == 3000
    assert compare.alike(compare.compare(str(tmp_path / "one"), str(tmp_path / "many")), LOSS)


def test_a_scheduler_that_is_not_there_is_one_line() -> None:
    from model.cluster import OnCluster

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(InputError, match=f"DASK_SCHEDULER_ADDRESS is '{address}': no scheduler answers"):
        OnCluster(address, wait=1)
    assert settings.load({"DATA_PATH": "x", "DASK_SCHEDULER_ADDRESS": address}).scheduler == address


@pytest.mark.parametrize(
    ("saved", "expected"),
    [((0.001, -0.019), True), ((0.001, -0.02), False), ((0.001, None), False), ((), False)],
)
def test_whether_two_runs_forecast_alike(saved: tuple[float | None, ...], expected: bool) -> None:
    paired = {"hours": 7} | {str(n): {"b_saves": {"value": value}} for n, value in enumerate(saved)}
    assert compare.alike({"paired": paired}, 0.02) is expected


@pytest.mark.long
def test_as_many_workers_as_are_to_come_are_waited_for(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from model import cluster

    monkeypatch.setattr(cluster, "COME", 0.5)
    assert settings.load({"DATA_PATH": "x", "DASK_WORKERS": "3"}).workers == 3
    with pytest.raises(InputError, match=r"2 of 3 Dask workers came within 0.5 s \(DASK_WORKERS\)"):
        cluster.OnCluster(scheduler, workers=3)
    cluster.OnCluster(scheduler, workers=2).close()
