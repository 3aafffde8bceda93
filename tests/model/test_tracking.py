"""Tracking against a real MLflow server on SQLite, if there is one; and what happens without.

The server is the `mlflow` command on the PATH, or the one that MLFLOW_BIN names: `make .venv/mlflow` makes an
environment of its own for it, since it brings some 600 MB of packages and other versions of them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model.test_cli import FAST, run

MLFLOW = os.environ.get("MLFLOW_BIN") or shutil.which("mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not MLFLOW:
        pytest.skip("no MLflow server: put mlflow on the PATH or name it in MLFLOW_BIN")
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    program = str(Path(MLFLOW).absolute())
    command = [
        program, "server", "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--serve-artifacts",
        "--artifacts-destination", str(home / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
    ]  # fmt: skip
    log = (home / "log").open("w")
    with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=home, start_new_session=True) as process:
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    with urllib.request.urlopen(f"{address}/health", timeout=2):
                        break
                except (urllib.error.URLError, OSError):
                    assert process.poll() is None, (home / "log").read_text()[-2000:]
                    assert time.monotonic() < deadline, "MLflow didn't start"
                    time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, 15)
    log.close()


def ask(server: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server}/api/2.0/mlflow/{path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def runs(server: str, experiment: str) -> list[Any]:
    experiment_id = ask(server, f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
    return list(ask(server, "runs/search", {"experiment_ids": [experiment_id]}).get("runs", []))


def test_a_run_is_tracked(server: str, sample_csv: Path, tmp_path: Path) -> None:
    code, _, err = run(
        DATA_PATH=str(sample_csv), OUTPUT_URI=str(tmp_path / "o"), RUN_ID="r42", CODE_VERSION="c0ffee",
        MLFLOW_TRACKING_URI=server, MLFLOW_EXPERIMENT_NAME="good", **FAST,
    )  # fmt: skip
    assert code == 0, err
    assert "WARNING" not in err.upper(), err
    (made,) = runs(server, "good")
    assert made["info"]["status"] == "FINISHED"
    assert made["info"]["run_name"] == "r42"
    tags = {t["key"]: t["value"] for t in made["data"]["tags"]}
    assert tags["code_version"] == "c0ffee"
    written = json.loads((tmp_path / "o/metrics.json").read_text())["metrics"]
    tracked = {m["key"]: m["value"] for m in made["data"]["metrics"]}
    assert {k: tracked[k] for k in written} == pytest.approx(written)
    params = {p["key"]: p["value"] for p in made["data"]["params"]}
    assert params["direction.max_rounds"] == "20"
    run_id = made["info"]["run_id"]
    history = ask(server, f"metrics/get-history?run_id={run_id}&metric_key=fold_direction_auc")["metrics"]
    assert [m["step"] for m in history] == [1, 2]
    files = {f["path"] for f in ask(server, f"artifacts/list?run_id={run_id}")["files"]}
    assert {"report.html", "manifest.json", "volatility.ubj"} <= files
    place = made["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    with urllib.request.urlopen(f"{server}/api/2.0/mlflow-artifacts/artifacts/{place}/volatility.ubj") as answer:
        assert answer.read() == (tmp_path / "o/volatility.ubj").read_bytes()


def test_a_failed_run_is_closed_as_failed(server: str, tmp_path: Path) -> None:
    code, _, err = run(
        DATA_PATH=str(tmp_path / "none.csv"), OUTPUT_URI=str(tmp_path / "o"), MLFLOW_TRACKING_URI=server,
        MLFLOW_EXPERIMENT_NAME="bad", **FAST,
    )  # fmt: skip
    assert code == 2, err
    (made,) = runs(server, "bad")
    assert made["info"]["status"] == "FAILED"


def test_a_server_that_is_not_there_is_a_warning(sample_csv: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}"
        code, _, err = run(
            DATA_PATH=str(sample_csv), OUTPUT_URI=str(tmp_path / "o"), MLFLOW_TRACKING_URI=address, **FAST
        )
    assert code == 0, err
    assert "not tracked in MLflow" in err
    assert "secret" not in err
    assert "Traceback" not in err
    assert (tmp_path / "o/manifest.json").exists()


def test_an_address_that_is_not_one_of_a_server(sample_csv: Path, tmp_path: Path) -> None:
    code, _, err = run(DATA_PATH=str(sample_csv), OUTPUT_URI=str(tmp_path / "o"), MLFLOW_TRACKING_URI="sqlite:///x.db")
    assert code == 2
    assert "use the http(s) address of a tracking server" in err
