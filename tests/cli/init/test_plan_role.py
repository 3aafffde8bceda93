"""The role for pull requests: `plan` works with what it may do, and nothing that changes something does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.aws.calls import READS
from reconciler.config import load
from reconciler.config.resource_names import Facts, Names
from reconciler.kinds import RoleSpec
from reconciler.lower.from_file import resources
from reconciler.permissions.ci import plan_statements
from tests.engine.project import DEPLOY, Project, use
from tests.lab_client import LabHandle

TEXT = DEPLOY.replace("ci: {user: {}}", "ci: {github: {repository: owner/name, pull_requests: true}}")


@pytest.fixture
def names(tmp_path: Path) -> Names:
    (tmp_path / "deploy.yaml").write_text(TEXT)
    return Names(load(tmp_path / "deploy.yaml", environ={}, files=False), Facts("123456789012", "aws", "vpc-1", ()))


def test_it_reads_and_nothing_else(names: Names) -> None:
    statements = plan_statements(names, resources(names))
    listed = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in statements]
    actions = {action for some in listed for action in some}
    assert {action for action in actions if not action.partition(":")[2].startswith(READS)} == set()
    objects = next(one for one in statements if one["Action"] == "s3:GetObject")
    assert objects["Resource"] == "arn:aws:s3:::tiny-data-123456789012/data/prices.csv"


def test_each_role_trusts_its_own_workflows(names: Names) -> None:
    trusts = {one.name: str(one.trust) for one in resources(names) if isinstance(one, RoleSpec) and "-ci" in one.name}
    assert "repo:owner/name:ref:refs/heads/main" in trusts["tiny-ci"]
    assert "repo:owner/name:pull_request" in trusts["tiny-ci-plan"]
    assert "pull_request" not in trusts["tiny-ci"]
    assert not any("*" in trust for trust in trusts.values())


def test_a_plan_in_a_pull_request(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project: Project = use(lab, tmp_path, monkeypatch)
    project.write("deploy.yaml", TEXT)
    project.write("prices.csv", "a,b\n1,2\n")
    project.ok("apply")
    found = lab.client("sts").assume_role_with_web_identity(
        RoleArn="arn:aws:iam::123456789012:role/tiny-ci-plan", RoleSessionName="pull-request", WebIdentityToken="token"
    )["Credentials"]
    given = {"AWS_ACCESS_KEY_ID": found["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"]}
    environment = {**lab.environment, **given, "AWS_SESSION_TOKEN": found["SessionToken"]}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "reconciler", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    project.change("retention_days: 7", "retention_days: 30")
    project.write("prices.csv", "a,b\n1,2\n3,4\n")
    planned = run("plan", "--json")
    assert planned.returncode == 0, planned.stderr
    steps = {step["kind"] for step in json.loads(planned.stdout)["steps"] if step["action"] != "none"}
    assert steps == {"log-group", "object"}
    refused = run("apply")
    assert refused.returncode == 120
    assert "AccessDenied" in refused.stderr + refused.stdout
    assert lab.client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
