"""Settings, hyperparameters, limits and the sweep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import data, limits, params, settings, sweep
from model.bars import Bars
from model.errors import InputError
from tests.model.conftest import quick


def test_later_sources_win(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("max_depth = 2\neta = 0.1\n[volatility]\nmax_depth = 7\n")
    by_target = params.load({"PARAMS_FILE": str(path), "HP_ETA": "0.2", "HP_RETURN_ETA": "0.3"})
    assert by_target["direction"].max_depth == 2
    assert by_target["volatility"].max_depth == 7
    assert (by_target["direction"].eta, by_target["return"].eta) == (0.2, 0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_depth = ", "not valid TOML"),
        ("depth = 3", "unknown hyperparameter 'depth'"),
        ("max_depth = 2.5", "max_depth is 2.5: use a whole number from 1 to 16"),
        ("max_depth = 'x'", "max_depth is 'x'"),
        ("direction = 3", "direction must hold a table"),
        ("[direction]\nmax_depht = 3", "did you mean max_depth?"),
    ],
)
def test_bad_parameter_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        params.load({"PARAMS_FILE": str(path)})


def test_threads_from_the_cpu_limit(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert limits.threads({}, tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert limits.threads({}, tmp_path) >= 1
    assert limits.threads({"NTHREADS": "5"}, tmp_path) == 5


def test_what_is_told_at_once_loads_no_tables() -> None:
    program = "import sys, model.cli; print([m for m in ('numpy', 'pandas', 'xgboost', 'boto3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_s3_has_precedence_over_a_path() -> None:
    env = {"USE_S3": "true", "S3_BUCKET": "b", "S3_KEY": "k.csv", "DATA_PATH": "x.csv"}
    assert settings.data_uri(env) == "s3://b/k.csv"
    assert settings.data_uri(env | {"USE_S3": "false"}) == "x.csv"


def test_a_sweep_never_sees_the_test_folds(sample_csv: Path, tmp_path: Path) -> None:
    """Its result is the same, to the last digit, when everything from the first test fold on is other data."""
    given = quick(data=str(sample_csv), output=str(tmp_path / "a"))
    bars = data.load(sample_csv).bars
    stop = len(sweep.early_part(bars, given))
    assert stop == int(len(bars) * given.first_train) - given.embargo
    lines = sample_csv.read_text().splitlines()
    other = tmp_path / "other.csv"
    changed = [
        ",".join([f[0], *(str(float(v) * 1.5) for v in f[1:])]) for f in (x.split(",") for x in lines[stop + 1 :])
    ]
    other.write_text("\n".join([*lines[: stop + 1], *changed]) + "\n")
    grid = {"max_depth": [2.0, 5.0]}
    first = sweep.sweep(given, ["direction", "volatility"], grid, 0)
    second = sweep.sweep(quick(data=str(other), output=str(tmp_path / "b")), ["direction", "volatility"], grid, 0)
    assert first["candidates"] == second["candidates"]
    assert first["data_sha256"] != second["data_sha256"]
    best = json.loads((tmp_path / "a/best.json").read_text())
    by_target = params.load({"PARAMS_FILE": str(tmp_path / "a/best.json")})
    assert by_target["volatility"].max_depth == best["volatility"]["max_depth"]


def test_random_candidates_repeat_with_the_seed() -> None:
    assert sweep.candidates(None, 5, 1) == sweep.candidates(None, 5, 1) != sweep.candidates(None, 5, 2)
    assert sweep.candidates(None, 5, 1)[0] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[]", "must be an object"), ('{"eta": 3}', "must have a list")],
)
def test_bad_grids(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sweep.candidates(sweep.parse_grid(text), 1, 1)


def test_unknown_sweep_target() -> None:
    with pytest.raises(InputError, match="unknown 'price'"):
        sweep.parse_targets("direction,price")


def test_the_clock_of_new_york(bars: Bars) -> None:
    from zoneinfo import ZoneInfo

    from model.features.calendar import day_of_month, hour_of_week_new_york
    from model.features.series import Series

    hours = np.arange("2021-10-01T00", "2022-12-01T00", dtype="datetime64[h]").astype("datetime64[s]")
    flat = np.ones(len(hours))
    x = Series(Bars(hours, flat, flat, flat, flat, flat))
    week, day = hour_of_week_new_york(x), day_of_month(x)
    for i in range(0, len(hours), 7):
        coming = (hours[i] + np.timedelta64(3600, "s")).item()
        local = coming.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo("America/New_York"))
        assert week[i] == local.weekday() * 24 + local.hour, coming
        assert day[i] == coming.day
    assert len(bars)
