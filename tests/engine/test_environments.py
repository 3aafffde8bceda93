"""`--env` on the command line, in one account: two environments side by side, and credentials of the wrong account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.project import DEPLOY, Project, use
from tests.lab_client import LabHandle

WITH = f"""\
{DEPLOY}\
environments:
  dev: {{logs: {{retention_days: 1}}}}
  prod: {{account: "123456789012", logs: {{retention_days: 30}}}}
  other: {{account: "999999999999"}}
"""


@pytest.fixture
def project(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    new_project = use(lab, tmp_path, monkeypatch)
    new_project.write("deploy.yaml", WITH)
    new_project.write("prices.csv", "a,b\n1,2\n")
    return new_project


def test_two_side_by_side(project: Project, lab: LabHandle) -> None:
    shown = project.ok("apply", "--env", "dev").out
    assert shown.startswith("tiny-dev (environment dev): account 123456789012, us-east-1, ")
    assert project.todo("--env", "dev") == {}
    both = project.ok("apply", "--env", "prod").out
    assert "skipped" not in both
    assert project.todo("--env", "prod") == project.todo("--env", "dev") == {}
    groups = lab.client("logs").describe_log_groups()["logGroups"]
    assert {g["logGroupName"]: g["retentionInDays"] for g in groups} == {"/ecs/tiny-dev": 1, "/ecs/tiny-prod": 30}
    record = lab.client("ssm").get_parameters_by_path(Path="/reconciler", Recursive=True)["Parameters"]
    assert {parameter["Name"] for parameter in record} == {
        "/reconciler/tiny-dev/record/0",
        "/reconciler/tiny-prod/record/0",
    }
    project.ok("destroy", "--env", "dev", "--yes", "--delete-data")
    assert project.todo("--env", "prod") == {}


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("apply",),
        ("destroy", "--yes"),
        ("status",),
        ("unlock",),
        ("runs",),
        ("stop",),
        ("recover",),
        ("verify",),
    ],
    ids=" ".join,
)
def test_wrong_credentials_are_refused_before_anything_else(
    project: Project, lab: LabHandle, command: tuple[str, ...]
) -> None:
    lab.zero()
    ended = project.run(*command, "--env", "other")
    assert ended.code == 2, ended.out + ended.err
    assert "these credentials are of account 123456789012, and deploy.yaml says `account: 999999999999`" in ended.err
    assert [row["op"] for row in lab.log()] == ["GetCallerIdentity"]


def test_a_saved_plan_keeps_its_environment(project: Project) -> None:
    project.ok("plan", "--env", "dev", "--out", "plan.json")
    refused = project.run("apply", "plan.json", "--env", "prod")
    assert refused.code == 2
    assert "was made for the environment dev, and this is --env prod" in refused.err
    assert "tiny-dev (environment dev)" in project.ok("apply", "plan.json").out
    assert project.todo("--env", "dev") == {}


def test_what_env_means(project: Project) -> None:
    assert "the environments are dev, prod, other" in project.run("plan", "--env", "typo").err
    assert "choose one: --env dev" in project.run("status").err
    assert "only `apply` takes variables" in project.run("plan", "--env", "A=1").err
    assert "one environment at a time" in project.run("apply", "--env", "dev", "--env", "prod").err
    assert "not NAME=VALUE" in project.run("apply", "--env", "dev", "--env", "1A=2").err
    assert project.run("apply", "--env", "dev", "--env", "EPOCHS=20", "--skip-run").code == 0
