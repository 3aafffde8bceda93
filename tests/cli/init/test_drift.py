"""The workflow that plans each night: its own shell, as a runner runs it, against an AWS and a GitHub that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.init.gh_issues import BOT, issue
from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.federation import Federation, federation
from tests.lab_client import ROOT
from tests.linters import actionlint, zizmor

LABEL = "drift-tiny"
PLAN_ROLE = "arn:aws:iam::123456789012:role/tiny-ci-plan"
GITHUB = "{github: {repository: owner/tiny, pull_requests: true, drift: true}}"


class Night:
    """Runs the workflow's steps. issues: those of the repository."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.home = folder / ".reconciler" / "runner"
        (self.home / "temp").mkdir(parents=True)
        (self.home / "bin").mkdir()
        self.state = self.home / "github.json"
        gh = self.home / "bin" / "gh"
        gh.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/cli/init/gh_issues.py" "{self.state}" "$@"\n')
        gh.chmod(0o755)
        self.forget()

    @property
    def workflow(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((self.folder / ".github" / "workflows" / "drift.yml").read_text())
        return content

    def forget(self, *issues: dict[str, Any], broken: bool = False) -> None:
        self.state.write_text(json.dumps({"issues": issues, "calls": [], "broken": broken}))

    @property
    def github(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.state.read_text())
        return content

    def step(self, job: str, name: str, **values: str) -> tuple[int, str]:
        """Run a step. values: of the expressions in its `env`, by the variable."""
        step = next(candidate for candidate in self.workflow["jobs"][job]["steps"] if candidate["name"] == name)
        script = self.home / "step.sh"
        script.write_text(step["run"])
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["bash", "-e"]
        given = {key: values.get(key, "" if "${{" in value else value) for key, value in step.get("env", {}).items()}
        environment = {
            "PATH": os.pathsep.join(map(str, (self.home / "bin", Path(sys.executable).parent, "/usr/bin", "/bin"))),
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home), "RUNNER_TEMP": str(self.home / "temp"), "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.home / "output"), "GITHUB_REPOSITORY": "owner/tiny",
        }  # fmt: skip
        cwd = self.folder if job == "plan" else self.home / "temp"
        done = subprocess.run(
            [*shell, str(script)], cwd=cwd, env=self.environment | environment | given, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    def run(self) -> str:
        """A whole night: what `changes` was, and the log. The second job runs when the first has succeeded."""
        (self.home / "output").write_text("")
        code, log = self.step("plan", "Plan", AWS_ROLE_ARN=PLAN_ROLE)
        if code:
            return f"failed {log}"
        changes = (self.home / "output").read_text().strip().removeprefix("changes=")
        code, log = self.step("issue", "Keep the issue", CHANGES=changes, RUN="https://github.com/owner/tiny/actions/1")
        assert code == 0, log
        return f"{changes} {log}"


@pytest.fixture
def drift(tmp_path: Path, project: Project) -> Path:
    project.write("deploy.yaml", DEPLOY.replace("{user: {}}", GITHUB))
    project.ok("init", "--install", "x")
    return tmp_path / ".github" / "workflows" / "drift.yml"


@pytest.fixture
def github(project: Project) -> Iterator[Federation]:
    with federation(project.lab.client) as running:
        yield running


def test_nights(drift: Path, project: Project, github: Federation, tmp_path: Path) -> None:
    """Drift is told once, kept up to date, and gone when it is; a night without a plan changes nothing."""
    project.ok("apply")
    urls = {name: value for name, value in project.lab.environment.items() if name.startswith("AWS_ENDPOINT")}
    night = Night(tmp_path, urls | github.environment(PLAN_ROLE))
    assert night.run() == "false nothing differs\n"
    logs = project.lab.client("logs")
    (group,) = (details["logGroupName"] for details in logs.describe_log_groups()["logGroups"])
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    assert night.run() == "true opened https://github.com/owner/tiny/issues/1\n"
    (opened,) = night.github["issues"]
    assert (opened["labels"], opened["title"]) == ([LABEL], "tiny: AWS differs from the file")
    assert "```diff\n" in opened["body"]
    assert "30 -> 7" in opened["body"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=90)
    assert night.run() == "true updated https://github.com/owner/tiny/issues/1\n"
    (kept,) = night.github["issues"]
    assert "90 -> 7" in kept["body"]
    project.lab.rules({"service": "logs", "op": "*", "times": -1, "do": "error", "code": "AccessDeniedException"})
    failed = night.run()
    assert failed.startswith("failed ")
    assert "all that it needs: python -m reconciler permissions --for plan" in failed
    assert night.github["issues"] == [kept], "a night that couldn't look closes nothing"
    project.lab.rules()
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    assert night.run() == "false closed https://github.com/owner/tiny/issues/1\n"
    (closed,) = night.github["issues"]
    assert closed["state"] == "closed"
    assert closed["comments"] == ["Nothing differs any more: https://github.com/owner/tiny/actions/1"]
    assert night.run() == "false nothing differs\n"
    assert not (tmp_path / "plan.md").exists(), "it would be a file of the image's, and make the commit dirty"


STRANGERS = [
    issue(1, "stranger", LABEL),  # who would have to be somebody who may set labels
    issue(2, BOT, LABEL, pull_request={"url": "x"}),
    issue(3, BOT, "drift-other"),
    issue(4, BOT, LABEL) | {"state": "closed"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "there", "broken", "code", "calls"),
    [
        ("true", STRANGERS, False, 0, ["POST /issues"]),
        ("true", [*STRANGERS, issue(5, BOT, LABEL), issue(6, BOT, LABEL)], False, 0, ["PATCH /issues/5"]),
        ("false", STRANGERS, False, 0, []),
        ("false", [*STRANGERS, issue(5, BOT, LABEL)], False, 0, ["POST /issues/5/comments", "PATCH /issues/5"]),
        ("", [issue(1, BOT, LABEL)], False, 1, []),
        ("maybe", [], False, 1, []),
        ("true", [issue(1, BOT, LABEL)], True, 1, []),  # no second issue because the first wasn't found
        ("false", [issue(1, BOT, LABEL)], True, 1, []),
    ],
)  # fmt: skip
def test_which_issue_it_is(
    changes: str, there: list[dict[str, Any]], broken: bool, code: int, calls: list[str], drift: Path, tmp_path: Path
) -> None:
    night = Night(tmp_path, {})
    night.forget(*there, broken=broken)
    body = "### 1 to change: @owner $(touch owned) `touch owned`\n"
    (night.home / "temp" / "plan.md").write_text(body)
    ended, log = night.step("issue", "Keep the issue", CHANGES=changes, RUN="https://x")
    assert ended == code, log
    assert [call.replace("repos/owner/tiny", "") for call in night.github["calls"] if "?" not in call] == calls
    assert night.github["issues"][:4] == there[:4] or "PATCH" in str(calls) or broken
    if changes == "true" and not broken:
        assert body in [entry["body"] for entry in night.github["issues"]]
    assert not list(tmp_path.rglob("owned"))


def test_it_may_do_no_more_than_it_has_to(drift: Path) -> None:
    assert actionlint(drift) == ""
    assert zizmor(drift) == ""
    content = yaml.safe_load(drift.read_text())
    assert content["permissions"] == {}
    assert {name: job["permissions"] for name, job in content["jobs"].items()} == {
        "plan": {"contents": "read", "id-token": "write"}, "issue": {"issues": "write"},
    }  # fmt: skip
    plan, kept = content["jobs"]["plan"], content["jobs"]["issue"]
    assert plan["steps"][-2]["env"] == {"AWS_ROLE_ARN": "${{ vars.AWS_PLAN_ROLE_ARN }}"}
    assert kept["needs"] == "plan"
    assert "if" not in kept, "it runs only when there is a plan"
    assert not any("checkout" in str(step) or "reconciler" in str(step.get("run")) for step in kept["steps"])
    assert content["concurrency"] == {"group": "drift-tiny", "cancel-in-progress": False}


def test_it_is_written_where_the_file_wants_it(project: Project, drift: Path) -> None:
    pipeline = drift.with_name("pipeline.yml")
    drift.unlink()
    assert "wrote       .github/workflows/drift.yml\n" in project.ok("init").out
    pipeline.unlink()
    said = project.ok("init").out
    assert "wrote       .github/workflows/pipeline.yml\n" in said
    assert "left alone  .github/workflows/drift.yml\n" in said
    drift.unlink()
    project.change(", drift: true", "")
    assert "drift.yml" not in project.ok("init").out
