"""Champion and challenger: judged on the same hours, put in place by a conditional write, taken back."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from model import batch, champion, compare, later, manifest, parquet, predict, promotion, settings, store
from model.errors import InputError, ModelError
from model.run import Run
from tests.model.test_cli import FAST
from tests.model.test_cli import run as command

Made = Callable[[str, float], str]


def put_predictions(run: Path, rows: pd.DataFrame) -> None:
    """Give a run other predictions, and its manifest their checksum."""
    raw = parquet.encode(rows)
    (run / "predictions.parquet").write_bytes(raw)
    content = json.loads((run / "manifest.json").read_text())
    content["files"]["predictions.parquet"] = hashlib.sha256(raw).hexdigest()
    (run / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def made(finished: tuple[Run, Path], tmp_path: Path) -> Made:
    """Finished runs that differ in how far their volatility forecasts are off."""
    _, out = finished

    def make(name: str, noise: float) -> str:
        copy = tmp_path / name
        shutil.copytree(out, copy)
        rows = parquet.decode((out / "predictions.parquet").read_bytes(), "p")
        rows["lv_forecast"] = rows["lv"] + noise * np.random.default_rng(len(name)).standard_normal(len(rows))
        put_predictions(copy, rows)
        content = json.loads((copy / "manifest.json").read_text()) | {"run_id": name}
        (copy / "manifest.json").write_text(json.dumps(content))
        return str(copy)

    return make


def in_place(models: str) -> str:
    content, _ = champion.read(models)
    assert content is not None
    return Path(content["run"]).name


def test_the_better_one_of_the_same_hours_is_promoted_and_taken_back(made: Made, tmp_path: Path) -> None:
    models, good, fair, same = str(tmp_path / "models"), made("good", 0.8), made("fair", 1.0), made("same", 0.8)
    assert promotion.promote(fair, models)["reason"] == "there was no champion"
    result = promotion.promote(good, models, hours=500)
    assert (result["promoted"], result["judged"]["verdict"], result["judged"]["hours"]) == (True, "better", 500)
    rows = parquet.decode(Path(good, "predictions.parquet").read_bytes(), "p").dropna(subset=["lv"]).iloc[-500:]
    assert result["judged"]["loss"] == pytest.approx(float(((rows["lv"] - rows["lv_forecast"]) ** 2).mean()))
    assert result["judged"]["last"] == f"{np.datetime64(rows['hour'].iloc[-1], 's')}Z"
    worse = promotion.promote(fair, models)
    assert (worse["promoted"], worse["judged"]["verdict"], in_place(models)) == (False, "worse", "good")
    equal = promotion.promote(same, models)
    assert (equal["promoted"], equal["judged"]["verdict"], in_place(models)) == (False, "no difference", "good")
    assert promotion.promote(good, models)["reason"] == "it is the champion already"
    assert promotion.promote(same, models, unless_worse=True)["promoted"]
    assert not promotion.promote(fair, models, unless_worse=True)["promoted"]
    assert promotion.promote(fair, models, force=True)["promoted"]
    content, _ = champion.read(models)
    assert content is not None
    assert [Path(entry["run"]).name for entry in content["history"]] == ["fair", "good", "same"]
    for expected in ("same", "good", "fair"):
        champion.rollback(models)
        assert in_place(models) == expected
    with pytest.raises(InputError, match="no earlier champion"):
        champion.rollback(models)


def test_what_cannot_be_judged_is_refused_and_changes_nothing(made: Made, tmp_path: Path) -> None:
    models, first, second = str(tmp_path / "models"), made("one", 1.0), made("other", 0.5)
    promotion.promote(first, models)

    def changed(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
        kept = parquet.decode(Path(second, "predictions.parquet").read_bytes(), "p")
        put_predictions(Path(second), change(kept))
        with pytest.raises(InputError, match=message):
            promotion.promote(second, models)
        put_predictions(Path(second), kept)
        assert in_place(models) == "one"

    changed(lambda rows: rows.assign(hour=rows["hour"] + pd.Timedelta(days=4000)), "have 0 hours that both forecast")
    changed(lambda rows: rows.iloc[:100], "have 100 hours that both forecast")
    changed(lambda rows: rows.assign(close=rows["close"] * 2), "forecast .* other prices: close is")
    changed(lambda rows: rows.assign(lv=rows["lv"] - 1), "forecast .* other prices: volatility .log variance. is")
    changed(lambda rows: rows.assign(ret=rows["ret"][::-1].to_numpy()), "forecast .* other prices: return is")
    for name in ("close", "lv_forecast", "upper_price"):
        changed(lambda rows, name=name: rows.drop(columns=name), f"it has no numbers {name}")  # type: ignore[misc]
        changed(lambda rows, name=name: rows.assign(**{name: "x"}), f"it has no numbers {name}")  # type: ignore[misc]
    changed(lambda rows: rows.drop(columns="hour"), "hours are missing, or there more than once")
    changed(lambda rows: rows.iloc[[0] * 300], "hours are missing, or there more than once")
    Path(second, "predictions.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match=r"predictions.parquet is not the file that the manifest names"):
        promotion.promote(second, models)
    with pytest.raises(InputError, match=r"predictions.parquet is not the file that the manifest names"):
        compare.compare(first, second)
    Path(second, "volatility.ubj").write_bytes(b"x")
    with pytest.raises(InputError, match="not the file that the manifest names"):
        promotion.promote(second, models)
    (tmp_path / "models" / "champion.json").write_text("{}")
    with pytest.raises(InputError, match="was not written by this program"):
        promotion.promote(first, models)


@pytest.mark.parametrize(("name", "value"), [("folds", 20), ("first_train", 0.7), ("embargo_hours", 1)])
def test_another_walk_forward_is_no_better_model(made: Made, tmp_path: Path, name: str, value: float) -> None:
    """Of more folds each model is younger when it forecasts: the very same final model looks better."""
    models, first, second = str(tmp_path / "models"), made("one", 1.0), made("other", 0.5)
    promotion.promote(first, models)
    manifest = Path(second, "manifest.json")
    content = json.loads(manifest.read_text())
    content["evaluation"][name] = value
    manifest.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"evaluated otherwise than the champion .*{name.upper()} {value} and"):
        promotion.promote(second, models, unless_worse=True)
    same = settings.Settings(data="")
    promotion.before_training(same, models)
    changed = {name.removesuffix("_hours"): int(value) if value >= 1 else value}
    with pytest.raises(InputError, match=rf"PROMOTE judges by the walk-forward.*{name.upper()} {value} and"):
        promotion.before_training(dataclasses.replace(same, **changed), models)  # type: ignore[arg-type]
    assert promotion.promote(second, models, force=True)["promoted"]


def test_prices_far_below_one_are_told_apart(made: Made, tmp_path: Path) -> None:
    first, second = made("one", 1.0), made("other", 0.5)
    for run, price in ((first, 1e-9), (second, 3e-9)):
        rows = parquet.decode(Path(run, "predictions.parquet").read_bytes(), "p")
        put_predictions(Path(run), rows.assign(close=price))
    with pytest.raises(InputError, match="other prices: close is 3e-09 and 1e-09"):
        promotion.judge(second, first, "volatility")
    assert "other prices: close is 1e-09 and 3e-09" in compare.compare(first, second)["paired"]["note"]


def test_a_bar_that_the_exchange_has_corrected_is_left_out(made: Made, tmp_path: Path) -> None:
    first, second = made("one", 1.0), made("other", 0.5)
    rows = parquet.decode(Path(second, "predictions.parquet").read_bytes(), "p")
    rows.loc[rows.index[-5], "lv"] += 40
    put_predictions(Path(second), rows)
    assert promotion.judge(second, first, "volatility")["verdict"] == "better"
    assert compare.compare(first, second)["paired"]["hours"] == len(rows) - 1


def changes(content: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a JSON object, two levels deep, with what it could be instead."""
    for key, value in content.items():
        others: tuple[Any, ...] = (None, "x", 5, [], {}, [1], [{}])
        yield from (((*path, key), other) for other in others)
        if isinstance(value, dict) and len(path) < 2:
            yield from changes(value, (*path, key))


def changed_at(content: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    copied = copy.deepcopy(content)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


def test_whatever_is_in_a_champion_is_refused_in_words(made: Made, tmp_path: Path) -> None:
    models, first, second = str(tmp_path / "models"), made("one", 1.0), made("other", 0.5)
    promotion.promote(first, models)
    promotion.promote(second, models, force=True)
    file = tmp_path / "models" / "champion.json"
    content = json.loads(file.read_text())
    for path, value in changes(content):
        wrong = json.dumps(changed_at(content, path, value))
        for act in (
            lambda: champion.rollback(models),
            lambda: champion.succeed(models, champion.entry(content), *champion.read(models)),
            lambda: champion.resolve(str(file), {}),
        ):
            file.write_text(wrong)
            with contextlib.suppress(ModelError):
                act()


def test_whatever_is_in_a_manifest_is_refused_in_words(finished: tuple[Run, Path]) -> None:
    content = json.loads((finished[1] / "manifest.json").read_text())
    used = ("data", "volatility", "price_interval", "baselines", "models", "files", "evaluation", "features")
    few = {name: content[name] for name in used} | {"features": {"columns": 0, "probe": 0}, "files": 0}
    for path, value in changes(few):
        with contextlib.suppress(InputError):
            read = manifest.check(changed_at(content, path, value), "m")
            assert read["baselines"]["seasonal_har"]["slopes"]["weights"]
            assert all(float(read["volatility"]["smear"][name]) > 0 for name in ("model", "har", "lhar"))
    for name in used:
        with pytest.raises(InputError):
            manifest.check({k: v for k, v in content.items() if k != name}, "m")


def test_a_promotion_that_came_between_is_not_overwritten(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, first, second, third = str(tmp_path / "models"), made("one", 1.0), made("other", 0.7), made("third", 0.5)
    promotion.promote(first, models)
    honest = promotion.judge

    def slow(*args: object, **given: object) -> object:
        monkeypatch.setattr(promotion, "judge", honest)
        promotion.promote(third, models)  # someone else, while this one is being judged
        return honest(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(promotion, "judge", slow)
    with pytest.raises(ModelError, match="changed by someone else"):
        promotion.promote(second, models)
    assert in_place(models) == "third"


def test_a_run_that_promotes_itself_is_judged_against_whoever_came_between(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, first, second, third = str(tmp_path / "models"), made("one", 1.0), made("other", 0.7), made("third", 0.5)
    promotion.promote(first, models)
    asked = settings.Settings(data="", output=second, promote="volatility")
    honest = promotion.judge
    calls: list[object] = []

    def slow(*args: object, **given: object) -> object:
        if not calls:
            calls.append(promotion.promote(third, models, force=True))  # someone else, while this one is being judged
        return honest(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(promotion, "judge", slow)
    lines = list(promotion.after_training(asked, models))
    assert in_place(models) == "third"
    assert any(line.startswith(f"kept: {third} (worse in volatility") for line in lines)

    def always(*args: object, **given: object) -> object:
        content, version = champion.read(models)
        assert content is not None
        champion.put(models, content | {"note": len(version) + len(calls)}, version)
        calls.append(content)
        return honest(first, second, "volatility") | {"verdict": "better"}

    monkeypatch.setattr(promotion, "judge", always)
    with pytest.raises(champion.Overtaken, match="changed by someone else"):
        list(promotion.after_training(asked, models))
    assert len(calls) == 1 + promotion.TRIES


class Bucket:
    """S3 as whoever may not list all of it sees it. listed: the keys that a list shows, or None if it is refused."""

    def __init__(self, listed: list[str] | None) -> None:
        self.listed = listed

    def get_object(self, **_: str) -> object:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    def list_objects_v2(self, **asked: Any) -> object:
        if self.listed is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
        assert asked == {"Bucket": "lake", "Prefix": "models/champion.json", "MaxKeys": 1}
        return {"Contents": [{"Key": key} for key in self.listed]} if self.listed else {"KeyCount": 0}


@pytest.mark.parametrize(
    ("listed", "missing"),
    [([], True), (["models/champion.json.bak"], True), (["models/champion.json"], False), (None, False)],
)
def test_a_champion_that_is_missing_is_told_from_one_that_may_not_be_read(
    listed: list[str] | None, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "client", lambda _: Bucket(listed))
    if missing:
        assert champion.read("s3://lake/models") == (None, "")
    else:
        with pytest.raises(InputError, match="access denied"):
            champion.read("s3://lake/models")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        store.client.cache_clear()
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="lake")
        yield "lake"
    store.client.cache_clear()


def test_in_s3_a_write_needs_the_version_that_was_read(bucket: str) -> None:
    uri = f"s3://{bucket}/models/champion.json"
    assert store.read_versioned(uri) == (None, "")
    assert store.write_versioned(uri, b"1", "")
    assert not store.write_versioned(uri, b"2", "")  # it is there already
    raw, version = store.read_versioned(uri)
    assert raw == b"1"
    assert store.write_versioned(uri, b"3", version)
    assert not store.write_versioned(uri, b"4", version)  # another came between
    assert store.read_versioned(uri)[0] == b"3"
    with pytest.raises(InputError, match="isn't there"):
        store.read_versioned("s3://no-such-bucket/models/champion.json")


@pytest.mark.parametrize(
    ("env", "run", "given", "expected"),
    [
        ({}, "out", "", "models"),
        ({}, "s3://lake/runs/7", "", "s3://lake/models"),
        ({"MODELS_URI": "s3://other/m/"}, "s3://lake/runs/7", "", "s3://other/m"),
        ({"MODELS_URI": "s3://other/m"}, "", "here/", "here"),
    ],
)
def test_where_champions_are(env: dict[str, str], run: str, given: str, expected: str) -> None:
    assert champion.place(env, run, given) == expected


def test_champion_is_the_run_that_was_promoted(made: Made, tmp_path: Path) -> None:
    models, first = str(tmp_path / "models"), made("one", 1.0)
    env = {"MODELS_URI": models}
    with pytest.raises(InputError, match="promote a run first"):
        champion.resolve("champion", env)
    promotion.promote(first, models)
    assert champion.resolve("champion", env) == first
    assert champion.resolve(f"{models}/champion.json", {}) == first
    assert champion.resolve("out", env) == "out"
    manifest = Path(first, "manifest.json")
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(InputError, match="not the one that was promoted"):
        champion.resolve("champion", env)


def test_a_champion_that_was_written_over_is_no_match_to_win(made: Made, tmp_path: Path) -> None:
    models, first, second = str(tmp_path / "models"), made("one", 1.0), made("other", 0.5)
    promotion.promote(first, models)
    manifest = Path(first, "manifest.json")
    manifest.write_text(manifest.read_text() + " ")
    for run in (first, second):
        with pytest.raises(InputError, match=r"not the one that was promoted.*--force, or .*--rollback"):
            promotion.promote(run, models)
    assert promotion.promote(first, models, force=True)["promoted"]
    assert champion.resolve("champion", {"MODELS_URI": models}) == first


def test_a_champion_that_cannot_be_judged_against_is_said_before_training(made: Made, tmp_path: Path) -> None:
    models, first = str(tmp_path / "models"), made("one", 1.0)
    promotion.promote(first, models)
    told = settings.Settings(data="", output="other", promote="volatility")
    promotion.before_training(told, models)
    manifest = Path(first, "manifest.json")
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(InputError, match=r"train without PROMOTE and promote with --force.*not the one that was promo"):
        promotion.before_training(told, models)
    manifest.unlink()
    with pytest.raises(InputError, match=r"train without PROMOTE and promote with --force.*can't read .*manifest.json"):
        promotion.before_training(told, models)
    promotion.before_training(dataclasses.replace(told, run_id="one"), models)  # the same run, launched again


def test_a_run_that_promotes_itself_does_not_write_over_the_champion(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, first = str(tmp_path / "models"), made("one", 1.0)
    promotion.promote(first, models)
    monkeypatch.chdir(tmp_path)
    told = settings.Settings(data="", output="one/", promote="volatility")
    with pytest.raises(InputError, match=r"OUTPUT_URI is 'one/', where the champion .* is"):
        promotion.before_training(told, models)
    promotion.before_training(dataclasses.replace(told, output="other"), models)
    promotion.before_training(dataclasses.replace(told, run_id="one"), models)  # the same run, launched again


def test_scores_a_whole_file_as_predict_does_its_last_hour(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    run, out = finished
    code, _, err = command(
        "score", "--model", str(out), "--data", str(sample_csv), "--out", str(tmp_path / "f.parquet")
    )
    assert code == 0, err
    rows = parquet.decode((tmp_path / "f.parquet").read_bytes(), "f")
    assert len(rows) == 3000 - 719
    forecast = predict.forecast(str(out), str(sample_csv))
    last = rows.iloc[-1]
    assert f"{np.datetime64(last['hour'], 's')}Z" == forecast["hour"]
    assert last["p_up"] == pytest.approx(forecast["direction"]["probability_up"], abs=1e-4)
    assert last["variance_forecast"] == pytest.approx(forecast["volatility"]["variance"], rel=1e-4)
    assert last["lower_price"] == pytest.approx(forecast["price"]["lower"], abs=0.01)
    assert rows["trained_on"].tolist() == [True] * (len(rows) - 1) + [False]
    with pytest.raises(InputError, match=r"ends in \.parquet"):
        batch.write(rows, str(tmp_path / "f.csv"))
    assert run.bars.close[-1] == last["close"]


def test_newer_bars_are_forecast_by_both_from_the_end_of_their_training(
    finished: tuple[Run, Path], sample_csv: Path
) -> None:
    _, out = finished
    newer = later.outcomes(str(out), str(sample_csv))
    assert len(newer) == 1  # the data ends where the training did: one hour, without an outcome
    assert np.isnan(newer["lv"].iloc[0])


def test_promote_as_a_command(made: Made, tmp_path: Path) -> None:
    first, second = made("one", 1.0), made("two", 0.6)
    env = {"MODELS_URI": str(tmp_path / "m")}
    assert command("promote", first, **env)[0] == 0
    code, out, err = command("promote", second, "--json", **env)
    assert code == 0, err
    assert json.loads(out)["judged"]["verdict"] == "better"
    code, out, _ = command("promote", "--rollback", **env)
    assert (code, f"promoted: {first} (rolled back from {second})" in out) == (0, True)
    for wrong in (("promote",), ("promote", first, "--rollback"), ("promote", first, "--hours", "5")):
        code, _, err = command(*wrong, **env)
        assert code == 2, err
        assert "Traceback" not in err


def test_where_champions_cannot_be_kept_nothing_is_trained(sample_csv: Path, tmp_path: Path) -> None:
    for number, (content, message) in enumerate((("[]", "was not written by this program"), ("", "not valid JSON"))):
        models = tmp_path / str(number)
        models.mkdir()
        (models / "champion.json").write_text(content)
        env = {"DATA_PATH": str(sample_csv), "OUTPUT_URI": str(tmp_path / "o"), "PROMOTE": "volatility", **FAST}
        code, _, err = command(**env, MODELS_URI=str(models))
        assert (code, message in err) == (2, True), err
    (tmp_path / "file").write_text("")
    code, _, err = command(**env, MODELS_URI=str(tmp_path / "file" / "models"))
    assert (code, "can't read" in err or "can't write to MODELS_URI" in err) == (2, True), err
    assert not (tmp_path / "o").exists()


def test_where_scores_cannot_be_written_nothing_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, message in (
        (f"{tmp_path}/file/f.parquet", "can't write to --out"),
        (f"{tmp_path}/f.csv", r"ends in .parquet"),
    ):
        code, _, err = command("score", "--model", "none", "--data", "none", "--out", out)
        assert (code, message in err) == (2, True), err


def test_scores_are_not_written_over_the_data_or_the_run(tmp_path: Path) -> None:
    """The data was replaced by the forecasts that were made from it."""
    run, data = tmp_path / "run", tmp_path / "data"
    run.mkdir()
    data.mkdir()
    (data / "a.parquet").write_bytes(b"bars")
    (tmp_path / "link").symlink_to(data)
    for out, of in (
        (data / "a.parquet", data / "a.parquet"),
        (tmp_path / "link" / "a.parquet", data / "a.parquet"),
        (data / "f.parquet", data),
        (run / "predictions.parquet", data),
        (run / "predictions" / "part-0.parquet", data),
    ):
        code, _, err = command("score", "--model", str(run), "--data", str(of), "--out", str(out))
        assert (code, "would be written into" in err) == (2, True), (out, err)
    with pytest.raises(InputError, match="would be written into the data s3://b/data"):
        batch.prepare("s3://b/data/f.parquet", "s3://b/data", "s3://b/run")
    assert (data / "a.parquet").read_bytes() == b"bars"
    batch.prepare(str(run / "f.parquet"), str(data), str(run))


@pytest.mark.long
def test_a_training_run_promotes_itself_when_it_is_told_to(sample_csv: Path, tmp_path: Path) -> None:
    env = {"DATA_PATH": str(sample_csv), "MODELS_URI": str(tmp_path / "m"), **FAST}
    code, _, err = command(**env, OUTPUT_URI=str(tmp_path / "o"), PROMOTE="volatilty")
    assert (code, "PROMOTE is 'volatilty': use one of volatility, qlike" in err) == (2, True)
    code, _, err = command(**env, OUTPUT_URI=str(tmp_path / "o"), PROMOTE="volatility")
    assert code == 0, err
    assert in_place(str(tmp_path / "m")) == "o"
    assert "there was no champion" in err
