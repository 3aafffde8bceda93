"""An account has one provider for GitHub's workflows: it goes with the last deploy that uses it, and never earlier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.project import DEPLOY, Project
from tests.engine.start import Start
from tests.lab_client import LabHandle

PROVIDER = "oidc-provider.token.actions.githubusercontent.com"
ARN = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
CI = DEPLOY.replace("user: {}", "user: {}, github: {repository: o/n}")
TRUST: dict[str, Any] = {"Effect": "Allow", "Principal": {"Federated": ARN}, "Action": "sts:AssumeRoleWithWebIdentity"}
OTHER = {**TRUST, "Principal": {"Federated": f"{ARN}/path"}}  # another provider


def role(project: Project, name: str, *statements: dict[str, Any]) -> None:
    """A role that somebody else made."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    project.lab.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)


def providers(project: Project) -> list[str]:
    listed = project.lab.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return [provider["Arn"] for provider in listed]


def held(project: Project, *command: str) -> dict[str, str]:
    """What a plan holds back, by address, with why."""
    answer = project.ok(*command, "--json").json
    return {f"{s['kind']}.{s['name']}": s["held"] for s in answer.get("plan", answer)["steps"] if s.get("held")}


def make(project: Project) -> None:
    project.write("deploy.yaml", CI)
    project.ok("apply")
    role(project, "unrelated", OTHER)


@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)


@pytest.fixture
def made(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return start.again(tmp_path, monkeypatch)


def test_it_stays_while_another_role_trusts_it(made: Project) -> None:
    role(made, "elsewhere", {**TRUST, "Principal": {"Federated": [ARN, f"{ARN}/path"]}})
    made.change(", github: {repository: o/n}", "")
    why = "role.elsewhere trusts it too, so it stays"
    assert held(made, "plan", "--prune")[PROVIDER] == why
    made.ok("apply", "--prune")
    assert why in " ".join(made.ok("destroy", "--yes", "--delete-data").out.split())
    assert providers(made) == [ARN]
    # Nothing trusts it any more.
    made.lab.client("iam").delete_role(RoleName="elsewhere")
    made.ok("destroy", "--yes", "--delete-data")
    assert providers(made) == []


def test_the_last_deploy_takes_it_along(made: Project) -> None:
    made.write("second.yaml", CI.replace("name: tiny", "name: second"))
    made.ok("apply", "second.yaml")
    made.ok("destroy", "second.yaml", "--yes", "--delete-data")  # which uses it and doesn't own it
    assert providers(made) == [ARN]
    made.ok("destroy", "--yes", "--delete-data")
    assert providers(made) == []


def test_it_stays_where_roles_cant_be_read(made: Project) -> None:
    denied = {"service": "iam", "op": "ListRoles", "times": -1, "do": "error", "code": "AccessDenied", "status": 403}
    made.lab.rules(denied)
    assert held(made, "destroy", "--yes", "--delete-data")[PROVIDER].endswith("so it stays: allow iam:ListRoles")
    assert providers(made) == [ARN]


def test_a_failed_deletion_holds_back_only_what_it_uses(made: Project) -> None:
    made.lab.rules({"service": "ecs", "op": "DeregisterTaskDefinition", "times": -1, "do": "error", "status": 400,
                    "code": "ClientException", "message": "no"})  # fmt: skip
    ended = made.run("destroy", "--yes", "--delete-data", "--json").json
    left = {step["resource"]: step["because"] for step in ended["not_tried"]}
    because = "task-definition.tiny is still there, which uses it"
    used = {"role.tiny-task-role", "role.tiny-task-execution-role", "log-group./ecs/tiny", "policy.tiny-task-policy"}
    assert left == dict.fromkeys(used, because)
    assert providers(made) == []
    assert made.lab.client("iam").list_users()["Users"] == []
    assert made.lab.client("s3").list_buckets()["Buckets"] == []
