"""Using a finished model: predict, check, compare."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from model import batch, compare, data, later, predict, sample, train
from model.errors import InputError
from model.reading import Reading
from model.run import Run
from tests.model.conftest import quick


def test_predict_refuses_what_does_not_match(finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path) -> None:
    _, out = finished
    now = dt.datetime(2025, 7, 1, 0, 5, tzinfo=dt.UTC)
    made = predict.forecast(str(out), str(sample_csv), now=now)
    assert made["hour"] == "2025-07-01T00:00:00Z"
    assert made["price"]["lower"] < made["price"]["forecast"] < made["price"]["upper"]
    assert made["model"]["run_id"] == "r-1"

    def broken(name: str, change: object) -> str:
        copy = tmp_path / name
        shutil.copytree(out, copy)
        manifest = json.loads((copy / "manifest.json").read_text())
        change(copy, manifest)  # type: ignore[operator]
        (copy / "manifest.json").write_text(json.dumps(manifest))
        return str(copy)

    def refused(uri: str, message: str, data: Path = sample_csv) -> None:
        with pytest.raises(InputError, match=message):
            predict.forecast(uri, str(data), now=now)

    columns = "features"
    refused(broken("a", lambda _, m: m[columns]["columns"].pop()), "other features than this program computes")
    refused(broken("b", lambda _, m: m[columns]["probe"].__setitem__(7, 123.0)), "computes 1 of the model's features")
    refused(broken("c", lambda c, _: (c / "return.ubj").write_bytes(b"x")), "not the file that the manifest names")
    refused(broken("d", lambda _, m: m.__setitem__("format", 99)), "has format 99")
    refused(str(tmp_path / "nothing"), "can't read")
    short = tmp_path / "short.csv"
    sample.write(short, 400, 1)
    refused(str(out), "the features need 720", short)


def test_times_are_taken_to_be_in_the_zone_of_the_training(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    """Read in another zone than in the training, the same file gave a forecast for another hour."""
    out, phoenix = str(finished[1]), Reading(zone="America/Phoenix")
    assert predict.read_manifest(out)["data"]["reading"] == {"timezone": "UTC", "date_order": None, "resample": False}
    for use in (predict.forecast, batch.table, later.check, later.outcomes):
        with pytest.raises(InputError, match=r"trained on times in UTC .* would be read as in America/Phoenix"):
            use(out, str(sample_csv), phoenix)
    with pytest.raises(InputError, match="if they are in America/Phoenix, write the offset behind each time"):
        predict.forecast(out, str(sample_csv), phoenix)
    for name in ("Etc/UTC", "GMT", "Zulu"):
        predict.read_data(predict.read_manifest(out), str(sample_csv), Reading(zone=name))
    in_utc = tmp_path / "utc.csv"  # says so itself, and may be read with any DATA_TIMEZONE
    in_utc.write_text(sample_csv.read_text().replace("Open time", "Time (UTC)", 1))
    hour = predict.forecast(out, str(sample_csv))["hour"]
    assert predict.forecast(out, str(in_utc), phoenix)["hour"] == hour
    before = tmp_path / "before"  # a model of before the manifest said how its data was read
    shutil.copytree(out, before)
    content = json.loads((before / "manifest.json").read_text())
    del content["data"]["reading"]
    (before / "manifest.json").write_text(json.dumps(content))
    assert predict.forecast(str(before), str(sample_csv), phoenix)["hour"] != hour


def test_bars_that_are_hours_off_those_of_the_training_are_refused(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    out, shifted = str(finished[1]), tmp_path / "shifted.csv"
    header, *lines = sample_csv.read_text().splitlines()
    late = [f"{np.datetime64(line[:19]) + np.timedelta64(7, 'h')}{line[19:]}" for line in lines]
    shifted.write_text("\n".join([header, *late]) + "\n")
    for use in (later.check, later.outcomes):
        with pytest.raises(InputError, match=r"has other closes .* in \d+ of 1800 common hours"):
            use(out, str(shifted))
    with pytest.raises(
        InputError, match=r"shifted.csv has other closes"
    ):  # and not the data, where the history is wrong
        later.check(out, str(sample_csv), history_uri=str(shifted))
    copied = tmp_path / "copied"
    shutil.copytree(out, copied)
    (copied / "predictions.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match=r"predictions.parquet is not the file that the manifest names"):
        later.outcomes(str(copied), str(shifted))
    (copied / "predictions.parquet").unlink()  # a model may be copied without it
    later.outcomes(str(copied), str(shifted))
    last = lines[-40].split(",")  # one bar that the exchange has corrected is no other series
    last[4] = last[1]
    shifted.write_text("\n".join([header, *lines[:-40], ",".join(last), *lines[-39:]]) + "\n")
    assert len(later.outcomes(out, str(shifted))) == 1


def test_predict_knows_nothing_but_the_data_it_is_given(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    """The forecast from a file that ends at an hour is that of the walk-forward's features at that hour."""
    run_, out = finished
    lines = sample_csv.read_text().splitlines()
    cut = tmp_path / "cut.csv"
    cut.write_text("\n".join(lines[:2501]) + "\n")
    made = predict.forecast(str(out), str(cut))
    row = slice(2499, 2500)
    model = run_.result.models["direction"]
    expected = float(model.predict(run_.matrix[row], run_.targets.har[row])[0])
    assert made["direction"]["probability_up"] == pytest.approx(expected, abs=2e-4)
    assert np.isclose(made["last_price"], run_.bars.close[2499])


def test_compare(finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path) -> None:
    _, first = finished
    second = tmp_path / "two"
    train.train(quick(data=str(sample_csv), output=str(second), seed=99))
    result = compare.compare(str(first), str(second))
    assert result["inputs"]["seed"] == [7, 99]
    assert result["metrics"]["direction_auc"]["difference"] == pytest.approx(
        result["metrics"]["direction_auc"]["b"] - result["metrics"]["direction_auc"]["a"], abs=1e-5
    )
    assert result["paired"]["hours"] == 1800
    assert result["paired"]["volatility"]["better"] == "neither"
    assert "B saves" in compare.as_text(result)
    same = compare.compare(str(first), str(first))
    assert same["inputs"] == {}
    assert same["paired"]["return"]["b_saves"]["value"] == 0


@pytest.mark.long
def test_check_scores_later_hours_only(sample_csv: Path, tmp_path: Path) -> None:
    lines = sample_csv.read_text().splitlines(keepends=True)
    early = tmp_path / "early.csv"
    early.write_text("".join(lines[:2401]))
    out = tmp_path / "o"
    run = train.train(quick(data=str(early), output=str(out)))
    result = later.check(str(out), str(sample_csv))
    assert result["first"] == str(run.bars.time[-1] + np.timedelta64(3600, "s")) + "Z"
    assert result["hours"] == 3000 - 2400
    by = {(c["target"], c["baseline"]): c for c in result["comparisons"]}
    assert by["volatility", "HAR"]["verdict"] == "skill"
    assert by["direction", "logistic regression"]["skill"]["value"] is not None
    assert abs(result["estimates"]["price_coverage"]["value"] - 0.9) < 0.05
    assert "none of them trained on" in later.as_text(result)
    # the first of its forecasts is the one that predict makes at that time
    made = predict.forecast(str(out), str(early))
    bars = data.load(sample_csv).bars
    assert made["hour"] == result["first"]
    assert made["last_price"] == bars.close[2399]
    with pytest.raises(InputError, match="at least 100 are needed"):
        later.check(str(out), str(early))


def test_check_takes_earlier_bars(sample_csv: Path, tmp_path: Path) -> None:
    """With earlier bars for the warm-up every later hour is scored, with the forecasts that the whole file gives."""
    lines = sample_csv.read_text().splitlines(keepends=True)
    early, late = tmp_path / "early.csv", tmp_path / "late.csv"
    early.write_text("".join(lines[:2201]))
    late.write_text("".join([lines[0], *lines[2151:]]))
    out = tmp_path / "o"
    train.train(quick(data=str(early), output=str(out)))
    whole = later.check(str(out), str(sample_csv))
    alone = later.check(str(out), str(late))
    assert whole["warm_up_hours"] == 0
    assert alone["warm_up_hours"] == 720 - 49
    assert alone["hours"] + alone["warm_up_hours"] == whole["hours"] == 800
    assert "671 later hours before them went to the warm-up" in later.as_text(alone)
    assert "warm-up" not in later.as_text(whole)
    joined = later.check(str(out), str(late), history_uri=str(early))
    assert joined == whole
    late.write_text("".join([lines[0], *lines[2400:]]))
    with pytest.raises(InputError, match="600 more lack the history, which --history gives"):
        later.check(str(out), str(late))
