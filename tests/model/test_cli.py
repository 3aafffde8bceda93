"""The program as a process: exit codes, messages, logs, SIGTERM."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from model import sample
from model.run import Run
from tests.waiting import LONG, children_work

FAST = {"FOLDS": "2", "HP_MAX_ROUNDS": "20", "HP_PATIENCE": "5", "NTHREADS": "2"}


def start(*arguments: str, cwd: Any = None, **env: str) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HP_", "MLFLOW"))}
    clean["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "model", *arguments],
        env=clean | env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, cwd: Any = None, **env: str) -> tuple[int, str, str]:
    with start(*arguments, cwd=cwd, **env) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_trains_from_the_environment_and_logs_json(tmp_path: Path, sample_csv: Path) -> None:
    code, out, err = run(DATA_PATH=str(sample_csv), OUTPUT_URI=str(tmp_path / "o"), RUN_ID="x7", **FAST)
    assert code == 0, err
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "training begins"
    assert events[-1] == "done"
    assert any(line.get("progress") == "9/9" for line in lines)
    assert any("volatility: skill" in event for event in events)
    assert json.loads((tmp_path / "o/manifest.json").read_text())["run_id"] == "x7"


@pytest.mark.long
def test_default_data_and_output(tmp_path: Path) -> None:
    code, _, err = run("sample", "data/sample.csv", "--rows", "1500", "--seed", "3", cwd=tmp_path)
    assert code == 0, err
    assert (tmp_path / "data/sample.csv").read_text().count("\n") == 1501
    code, _, err = run("train", cwd=tmp_path, **FAST)
    assert code == 0, err
    assert (tmp_path / "output/manifest.json").exists()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "no data: set DATA_PATH"),
        ({"DATA_PATH": "nowhere.csv"}, "no data file at nowhere.csv"),
        ({"USE_S3": "true", "S3_BUCKET": "b"}, "S3_KEY is not set"),
        ({"USE_S3": "maybe"}, "USE_S3 is 'maybe'"),
        ({"DATA_PATH": "x", "SEED": "one"}, "SEED is 'one': use a whole number"),
        ({"DATA_PATH": "x", "FOLDS": "1"}, "FOLDS is '1'"),
        ({"DATA_PATH": "x", "COVERAGE": "90"}, "COVERAGE is '90': use a number from 0.5"),
        ({"DATA_PATH": "x", "NTHREADS": "0"}, "NTHREADS is '0'"),
        ({"DATA_PATH": "x", "DATA_TIMEZONE": "Mars"}, "DATA_TIMEZONE is 'Mars'"),
        ({"DATA_PATH": "x", "DATE_ORDER": "ydm"}, "DATE_ORDER is 'ydm': use dmy, mdy, ymd"),
        ({"DATA_PATH": "x", "RESAMPLE": "perhaps"}, "RESAMPLE is 'perhaps': use true or false"),
        ({"DATA_PATH": "x", "MAX_DATA_BYTES": "4 GB"}, "MAX_DATA_BYTES is '4 GB': use a whole number"),
        ({"DATA_PATH": "x", "HP_MAX_DEEP": "3"}, "unknown hyperparameter 'max_deep'; did you mean max_depth?"),
        ({"DATA_PATH": "x", "HP_ETA": "7"}, "eta is '7': use a number from 0.0001 to 1"),
        ({"DATA_PATH": "x", "PARAMS_FILE": "no.toml"}, "can't read no.toml: No such file"),
        ({"DATA_PATH": "x", "LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml'"),
    ],
)
def test_bad_configuration_is_one_line_and_exit_2(
    tmp_path: Path,
    env: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from model import cli

    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("HP_", "S3_", "USE_S3", "DATA_"))]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["train"]) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_bad_data_is_one_line_and_exit_2(tmp_path: Path, sample_csv: Path) -> None:
    lines = sample_csv.read_text().splitlines()
    lines[41] = lines[41].rsplit(",", 1)[0] + ",-5"
    (tmp_path / "bad.csv").write_text("\n".join(lines))
    code, _, err = run(DATA_PATH=str(tmp_path / "bad.csv"), OUTPUT_URI=str(tmp_path / "o"), LOG_FORMAT="plain")
    assert code == 2
    assert "ERROR: line 42: Volume is negative" in err
    assert "Traceback" not in err
    assert not (tmp_path / "o").exists()


def test_sigterm_before_the_imports_are_done() -> None:
    """The handler is there before anything heavy: an import hook shows the moment."""
    hook = (
        "import sys, runpy\n"
        "class Hook:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('numpy', 'pandas', 'xgboost', 'structlog', 'boto3'):\n"
        "            print('importing', flush=True)\n"
        "            import time; time.sleep(600)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "sys.argv = ['model']\n"
        "runpy.run_module('model', run_name='__main__')\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", hook], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LONG)
    assert process.returncode == 143
    assert "stopped by SIGTERM" in err
    assert "Traceback" not in err


def test_sigterm_in_the_middle_of_training_ends_cleanly(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    sample.write(path, 20_000, 1)
    out = tmp_path / "o"
    with start(
        DATA_PATH=str(path),
        OUTPUT_URI=str(out),
        HP_MAX_ROUNDS="100000",
        HP_PATIENCE="100000",
        HP_ETA="0.001",
        NTHREADS="2",
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"event": "features built"' in line:
                break
        with children_work() as worked:
            before = sum(psutil.Process(process.pid).cpu_times()[:2])
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=LONG)
    assert process.returncode == 143
    assert worked.seconds - before < 10
    assert json.loads(err.splitlines()[-1])["event"] == "stopped by SIGTERM"
    assert "Traceback" not in err
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        ((), {}, "resample to hours with --resample"),
        (("--resample",), {"MAX_DATA_BYTES": "1000"}, "up to 1,000 bytes"),
        (("--resample", "--date-order", "mdy"), {}, "as DATE_ORDER says"),
        (("--resample",), {}, "has 50 usable rows"),
        ((), {"RESAMPLE": "true", "DATE_ORDER": "dmy"}, "has 50 usable rows"),
    ],
)
def test_options_of_reading(
    tmp_path: Path,
    arguments: tuple[str, ...],
    env: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fifty hours of minutes, day first: what is said tells how they were read."""
    from model import cli

    first = dt.datetime(2024, 1, 20)
    rows = [
        f"{first + dt.timedelta(minutes=i):%d/%m/%Y %H:%M},{100 + i % 7},110,90,{100 + (i + 1) % 7},5"
        for i in range(3000)
    ]
    (tmp_path / "m.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    for name, value in ({"DATA_PATH": str(tmp_path / "m.csv"), "OUTPUT_URI": str(tmp_path / "o")} | env).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    ("to", "message"), [(">/dev/full", "can't write to standard output: No space left"), (">&-", "it is closed")]
)
def test_output_that_cannot_be_written_is_said(finished: tuple[Run, Path], to: str, message: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m model compare {shlex.quote(str(finished[1]))} $0 {to}"
    done = subprocess.run(["sh", "-c", command, str(finished[1])], capture_output=True, text=True, timeout=120)
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_sample_never_takes_the_place_of_a_device(tmp_path: Path) -> None:
    """As root it replaced /dev/full with a file."""
    place = tmp_path / "pipe"
    os.mkfifo(place)
    code, _, err = run("sample", str(place), "--rows", "5")
    assert (code, "it is not a regular file" in err) == (2, True), err
    assert place.is_fifo()
    assert list(tmp_path.iterdir()) == [place]


def test_a_sample_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    command = f"ulimit -f 10; exec {shlex.quote(sys.executable)} -m model sample $0 --rows 5000"
    done = subprocess.run(["sh", "-c", command, str(tmp_path / "s.csv")], capture_output=True, text=True, timeout=120)
    assert (done.returncode, "can't write" in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())
