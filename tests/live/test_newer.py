"""What was built since the main job: an unattended run of given data with its usage, workers, managed instances."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks
from tests.live.account import MODE, Account
from tests.live.test_job import BASE, MINUTES

PAUSE = 150 if MODE == "1" else 0  # seconds that the program runs at least: Container Insights measures each minute
INSTANCE = 0.50  # US dollars an hour, above what the instance costs that ECS takes for so small a task
LINGERS = 30  # minutes that it may be there, with what ECS takes to start and to end it
PROGRAM = """
import time
time.sleep(float(os.environ.get("PAUSE", "0")))
if "DASK_SCHEDULER_ADDRESS" in os.environ:
    from distributed import Client
    client = Client(os.environ["DASK_SCHEDULER_ADDRESS"], timeout=120)
    client.wait_for_workers(int(os.environ["DASK_WORKERS"]), timeout=600)
    print(f"workers made {sum(client.gather(client.map(lambda n: n * n, range(100))))}", flush=True)
    client.shutdown()
"""
Made = Callable[[str, dict[str, Any]], Path]


@pytest.fixture
def make(account: Account, tmp_path: Path) -> Made:
    """Writes a project of the quick start's program, under the account's prefix and a letter of its own."""
    if MODE == "1" and not (shutil.which("docker") or shutil.which("podman")):
        pytest.skip("no docker or podman builds the image here")

    def project(letter: str, file: dict[str, Any]) -> Path:
        for block in blocks((ROOT / "docs" / "quick-start.md").read_text()):
            if block.title and block.title != "deploy.yaml":
                (tmp_path / block.title).write_text(block.text)
        (tmp_path / "train.py").write_text((tmp_path / "train.py").read_text() + PROGRAM)
        # In a rehearsal without it the program finds this environment's packages.
        install = "RUN pip install boto3 distributed\n" if MODE == "1" else ""
        dockerfile = (tmp_path / "Dockerfile").read_text().replace("python:3.13-slim", BASE)
        (tmp_path / "Dockerfile").write_text(dockerfile.replace("RUN pip install boto3\n", install))
        given = {
            "name": f"{account.prefix}-{letter}", "account": account.number, "region": account.region,
            "data": "prices.csv", "image": ".",
            "task": {"cpu": 256, "memory": 512, "environment": {"PAUSE": f"{PAUSE}"}},
        }  # fmt: skip
        run = {"max_duration": f"{MINUTES}m", **file.get("run", {})}
        (tmp_path / "deploy.yaml").write_text(json.dumps({**given, **file, "run": run}))
        return tmp_path

    return project


def applied(account: Account, folder: Path) -> dict[str, Any]:
    """Apply it, and see a run that succeeds. Returns the run; all is taken away by `account.leave` besides."""
    done = account.command(folder, "apply", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run: dict[str, Any] = json.loads(done.stdout)["run"]
    assert run["metrics"]["error"] == pytest.approx(7 / 3)
    return run


def taken_away(account: Account, folder: Path) -> None:
    ended = account.command(folder, "destroy", "--yes", "--delete-data")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_unattended_run_of_given_data_and_what_it_used(account: Account, make: Made) -> None:
    account.budget.check(MINUTES)
    lake = f"{account.prefix}-lake"
    where = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
    account.client("s3").create_bucket(Bucket=lake, **({"CreateBucketConfiguration": where} if where else {}))
    run = {"unattended": True, "checkpoint": True, "exec": True}
    data = f"s3://{lake}/given/"
    folder = make("u", {"data": data, "run": run, "cluster": {"container_insights": True}})
    account.client("s3").upload_file(str(folder / "prices.csv"), lake, "given/prices.csv")
    recorded = applied(account, folder)
    assert recorded["unattended"] is True
    shown = account.command(folder, "runs", "show", recorded["id"], "--json")
    assert json.loads(shown.stdout)["run"]["attempts"][-1].get("usage"), "Container Insights has told nothing of it"
    again = account.command(folder, "apply", "--json")
    assert json.loads(again.stdout)["verdict"]["result"] == "nothing-to-run", again.stdout + again.stderr
    taken_away(account, folder)
    assert account.client("s3").list_objects_v2(Bucket=lake)["KeyCount"] == 1, "it isn't the deploy's"


def test_workers(account: Account, make: Made) -> None:
    pytest.importorskip("distributed", reason="the program of a rehearsal needs it")
    account.budget.check(3 * MINUTES)
    folder = make("w", {"run": {"workers": {"count": 2, "cpu": 256, "memory": 512}}})
    recorded = applied(account, folder)
    logs = account.command(folder, "logs", recorded["id"])
    assert "workers made 328350" in logs.stdout, logs.stdout + logs.stderr
    taken_away(account, folder)


@pytest.mark.skipif(MODE == "1" and not os.environ.get("RECONCILER_LIVE_MANAGED"), reason="asked for by --managed")
def test_managed_instances(account: Account, make: Made) -> None:
    account.budget.check(LINGERS, INSTANCE)
    folder = make("m", {"run": {"capacity": ["managed"]}})
    recorded = applied(account, folder)
    assert recorded["attempts"][0]["provider"] == f"{account.prefix}-m-managed"
    taken_away(account, folder)
