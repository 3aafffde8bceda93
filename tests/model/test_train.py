"""A whole training run on synthetic data: what it writes and that it repeats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from model import boost, parquet, sample, store, train
from model.errors import InputError
from model.run import Run
from tests.model.conftest import quick

FILES = {"direction.ubj", "return.ubj", "volatility.ubj", "metrics.json", "predictions.parquet", "manifest.json"}


def test_writes_everything_the_contract_names(finished: tuple[Run, Path]) -> None:
    _, out = finished
    assert {p.name for p in out.iterdir()} >= FILES
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["run_id"] == "r-1"
    assert manifest["code_version"] == "abc"
    assert set(manifest["files"]) == {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} - {
        "manifest.json"
    }
    for name, checksum in manifest["files"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == checksum
    metrics = json.loads((out / "metrics.json").read_text())
    assert all(isinstance(value, float) for value in metrics["metrics"].values())
    assert metrics["metrics"]["direction_auc"] == pytest.approx(
        metrics["overall"]["estimates"]["direction_auc"]["value"], abs=1e-6
    )
    assert len(metrics["folds"]) == 6


def test_tests_only_on_what_lies_after_its_training(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    stop = 0
    for fold in run.folds:
        assert fold.train_stop + run.settings.embargo <= fold.test_start < fold.test_stop
        assert stop in (0, fold.test_start)
        stop = fold.test_stop
    assert stop == len(run.bars)
    assert np.isnan(run.result.forecasts.p_up[: run.folds[0].test_start]).all()


def test_finds_the_skill_that_was_put_in_and_claims_none_in_prices(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    by = {(c.target, c.baseline): c for c in run.overall.comparisons}
    assert by["volatility", "HAR"].verdict == "skill"
    assert by["price", "persistence"].verdict != "skill"
    assert run.overall.estimates["price_r2_of_levels"].value > 0.9  # and it means nothing: persistence has it too
    assert run.overall.estimates["price_r2_of_persistence"].value > 0.9
    assert abs(run.overall.estimates["price_coverage"].value - 0.9) < 0.03


def test_predictions_match_the_bars(finished: tuple[Run, Path]) -> None:
    run, out = finished
    rows = parquet.decode((out / "predictions.parquet").read_bytes(), "predictions")
    at = np.searchsorted(run.bars.time.astype("datetime64[us]"), rows["hour"].to_numpy().astype("datetime64[us]"))
    inside = at < len(run.bars)
    assert np.allclose(rows["next_close"][inside], run.bars.close[at[inside]])
    assert np.allclose(rows["close"], run.bars.close[at - 1])
    bounded = rows.dropna()
    assert (bounded["lower_price"] < bounded["forecast_price"]).all()
    assert (bounded["forecast_price"] < bounded["upper_price"]).all()


@pytest.mark.share(2)
@pytest.mark.parametrize("threads", [1, 3])
def test_same_in_same_out_with_any_number_of_threads(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path, threads: int
) -> None:
    _, first = finished
    train.train(quick(data=str(sample_csv), output=str(tmp_path), threads=threads))
    for name in ("direction.ubj", "return.ubj", "volatility.ubj", "metrics.json", "predictions.parquet"):
        assert (tmp_path / name).read_bytes() == (first / name).read_bytes(), name


def test_shap_values_add_up_to_the_forecast(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    rows = slice(2000, 2050)
    for target in ("direction", "volatility"):
        model = run.result.models[target]
        values = model.contributions(run.matrix[rows], run.targets.har[rows])
        assert values.shape == (50, len(model.columns) + 1)
        forecast = model.predict(run.matrix[rows], run.targets.har[rows])
        expected = np.log(forecast / (1 - forecast)) if target == "direction" else forecast
        assert np.allclose(values.sum(axis=1), expected, atol=1e-4)


def test_a_year_ago_counts_half() -> None:
    weights = boost.weights(np.arange(0, 20_000), 20_000, 8760.0)
    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    assert weights[10_000] / weights[10_000 + 8760] == pytest.approx(0.5)
    assert boost.weights(np.arange(10), 10, 0.0) is None


@pytest.mark.long
def test_another_seed_gives_another_model(finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path) -> None:
    _, first = finished
    train.train(quick(data=str(sample_csv), output=str(tmp_path), seed=8))
    assert (tmp_path / "volatility.ubj").read_bytes() != (first / "volatility.ubj").read_bytes()


def test_too_little_data_says_how_much_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    sample.write(path, 900, 1)
    with pytest.raises(InputError, match=r"too few for 6 folds.*at least \d+ are needed"):
        train.train(quick(data=str(path), output=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_no_manifest(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(data=str(sample_csv), output=str(tmp_path))
    (tmp_path / store.MANIFEST).write_text("{}")  # of an earlier run
    monkeypatch.setattr(parquet, "encode", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        train.train(dataclasses.replace(settings, folds=2))
    assert not (tmp_path / store.MANIFEST).exists()
    assert (tmp_path / "metrics.json").exists()
