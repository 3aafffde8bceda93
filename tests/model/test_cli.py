"""The program as a process: exit codes, messages, logs, SIGTERM, S3."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from model import sample, train

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
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
        "            import time; time.sleep(60)\n"
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
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert time.monotonic() - began < 5
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
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert time.monotonic() - began < 10
    assert json.loads(err.splitlines()[-1])["event"] == "stopped by SIGTERM"
    assert "Traceback" not in err
    assert not (out / "manifest.json").exists()


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **CREDENTIALS}
    finally:
        server.stop()


def _client(aws: dict[str, str], service: str) -> object:
    session = boto3.session.Session("testing", "testing", region_name="us-east-1")
    return session.client(service, endpoint_url=aws["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]


def test_from_s3_to_s3_with_hyperparameters_from_ssm(aws: dict[str, str], sample_csv: Path) -> None:
    s3, ssm = _client(aws, "s3"), _client(aws, "ssm")
    s3.create_bucket(Bucket="lake")  # type: ignore[attr-defined]
    s3.upload_file(str(sample_csv), "lake", "data/hours.csv")  # type: ignore[attr-defined]
    for name, value in (("max_depth", "2"), ("volatility/eta", "0.2")):
        ssm.put_parameter(Name=f"/m/{name}", Value=value, Type="String")  # type: ignore[attr-defined]
    code, _, err = run(
        USE_S3="true", S3_BUCKET="lake", S3_KEY="data/hours.csv", OUTPUT_URI="s3://lake/runs/1/", PARAMS_SSM="/m/",
        **FAST, **aws,
    )  # fmt: skip
    assert code == 0, err
    keys = {o["Key"] for o in s3.list_objects_v2(Bucket="lake", Prefix="runs/1/")["Contents"]}  # type: ignore[attr-defined]
    assert {"runs/1/manifest.json", "runs/1/metrics.json", "runs/1/volatility.ubj"} <= keys
    manifest = json.load(s3.get_object(Bucket="lake", Key="runs/1/manifest.json")["Body"])  # type: ignore[attr-defined]
    assert manifest["parameters"]["direction"]["max_depth"] == 2
    assert manifest["parameters"]["volatility"]["eta"] == 0.2
    assert manifest["data"]["uri"] == "s3://lake/data/hours.csv"
    # the same run again: the manifest went first and came last
    code, out, err = run("predict", "--model", "s3://lake/runs/1", "--data", "s3://lake/data/hours.csv", **aws)
    assert code == 0, err
    assert 0 < json.loads(out)["direction"]["probability_up"] < 1


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"S3_BUCKET": "none", "S3_KEY": "x.csv"}, "can't read s3://none/x.csv: it isn't there"),
        ({"S3_BUCKET": "lake", "S3_KEY": "x.csv"}, "can't read s3://lake/x.csv: it isn't there"),
        ({"S3_BUCKET": "lake", "S3_KEY": "data/hours.csv", "PARAMS_SSM": "/none/"}, "no parameters below /none/"),
        ({"S3_BUCKET": "lake", "S3_KEY": "data/hours.csv", "OUTPUT_URI": "s3://none/o"}, "can't write s3://none/o"),
    ],
)
def test_what_is_missing_in_aws_is_named(
    aws: dict[str, str], sample_csv: Path, env: dict[str, str], message: str
) -> None:
    s3 = _client(aws, "s3")
    s3.create_bucket(Bucket="lake")  # type: ignore[attr-defined]
    s3.upload_file(str(sample_csv), "lake", "data/hours.csv")  # type: ignore[attr-defined]
    code, _, err = run(**({"USE_S3": "true", "OUTPUT_URI": "s3://lake/o"} | env | aws))
    assert code == 2, err
    assert message in json.loads(err.splitlines()[-1])["event"]
    assert "Traceback" not in err


def test_predict_refuses_what_does_not_match(
    finished: tuple[train.Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    import datetime as dt
    import shutil

    from model import predict
    from model.errors import InputError

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


def test_predict_knows_nothing_but_the_data_it_is_given(
    finished: tuple[train.Run, Path], sample_csv: Path, tmp_path: Path
) -> None:
    """The forecast from a file that ends at an hour is that of the walk-forward's features at that hour."""
    import numpy as np

    from model import predict

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


def test_compare(finished: tuple[train.Run, Path], sample_csv: Path, tmp_path: Path) -> None:
    from model import compare
    from tests.model.conftest import quick

    _, one = finished
    two = tmp_path / "two"
    train.train(quick(data=str(sample_csv), output=str(two), seed=99))
    found = compare.compare(str(one), str(two))
    assert found["inputs"]["seed"] == [7, 99]
    assert found["metrics"]["direction_auc"]["difference"] == pytest.approx(
        found["metrics"]["direction_auc"]["b"] - found["metrics"]["direction_auc"]["a"], abs=1e-5
    )
    assert found["paired"]["hours"] == 1800
    assert found["paired"]["volatility"]["better"] == "neither"
    assert "B saves" in compare.as_text(found)
    same = compare.compare(str(one), str(one))
    assert same["inputs"] == {}
    assert same["paired"]["return"]["b_saves"]["value"] == 0


def test_hyperparameters_from_one_ssm_parameter(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from model import params, store
    from model.errors import InputError

    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    store.client.cache_clear()
    ssm = _client(aws, "ssm")
    try:
        value = '{"eta": 0.5, "return": {"max_depth": 1}}'
        ssm.put_parameter(Name="/one", Value=value, Type="SecureString")  # type: ignore[attr-defined]
        ssm.put_parameter(Name="/bad", Value="eta: 1", Type="String")  # type: ignore[attr-defined]
        found = params.load({"PARAMS_SSM": "/one"})
        assert (found["volatility"].eta, found["return"].max_depth) == (0.5, 1)
        with pytest.raises(InputError, match="PARAMS_SSM /bad: not valid JSON"):
            params.load({"PARAMS_SSM": "/bad"})
        with pytest.raises(InputError, match="can't read SSM parameter /gone: it isn't there"):
            params.load({"PARAMS_SSM": "/gone"})
    finally:
        store.client.cache_clear()
