"""The main job in an account: plan, apply, again, a failing program, destroy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.live.account import MODE, Account

MINUTES = 10  # of `run.max_duration`, so that no task can go on for ever
BASE = "public.ecr.aws/docker/library/python:3.13-slim"  # Docker Hub limits how often anybody pulls


@pytest.fixture(scope="module")
def project(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick start's pipeline under the account's prefix."""
    if MODE == "1" and not (shutil.which("docker") or shutil.which("podman")):
        pytest.skip("no docker or podman builds the image here")
    folder = tmp_path_factory.mktemp("job")
    for block in blocks((ROOT / "docs" / "quick-start.md").read_text()):
        if block.title:
            (folder / block.title).write_text(block.text)
    text = (folder / "deploy.yaml").read_text().replace("name: prices", f"name: {account.prefix}")
    more = f"account: '{account.number}'\nregion: {account.region}\nrun: {{max_duration: {MINUTES}m}}\n"
    (folder / "deploy.yaml").write_text(text + more)
    dockerfile = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(dockerfile.replace("python:3.13-slim", BASE))
    return folder


def test_the_main_job(account: Account, project: Path) -> None:
    account.budget.check(MINUTES)
    planned = account.command(project, "plan", "--json")
    assert planned.returncode == 0, planned.stderr
    summary = json.loads(planned.stdout)["summary"]
    assert summary["create"] == sum(summary.values()) > 10
    applied = account.command(project, "apply", "--json")
    assert applied.returncode == 0, applied.stderr
    report = json.loads(applied.stdout)
    assert report["verdict"] == {"result": "succeeded", "exit_code": 0, "task_exit_code": 0}
    assert report["run"]["metrics"]["error"] == pytest.approx(7 / 3)
    assert (project / "results" / report["run"]["id"] / "metrics.json").is_file()


def test_again_nothing_happens(account: Account, project: Path) -> None:
    account.budget.check()
    again = account.command(project, "apply", "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert (report["done"], report["verdict"]["result"]) == ([], "nothing-to-run")


def test_a_failing_program_fails_the_command(account: Account, project: Path) -> None:
    account.budget.check(MINUTES)
    ended = account.command(project, "apply", "--env", "WINDOW=nonsense")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "ValueError" in ended.stdout


def test_it_is_taken_away(account: Account, project: Path) -> None:
    account.budget.check()
    ended = account.command(project, "destroy", "--yes", "--delete-data")
    assert ended.returncode == 0, ended.stdout + ended.stderr
