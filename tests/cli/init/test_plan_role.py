"""The role for pull requests: `plan` works with what it may do, and nothing that changes something does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from reconciler.aws.calls import READS
from reconciler.config import load
from reconciler.config.resource_names import Facts, Names
from reconciler.kinds import RoleSpec
from reconciler.kinds.ssm_parameter import describe_parameters, read_parameters
from reconciler.lower import resources
from reconciler.permissions.ci import plan_statements
from tests.engine.project import DEPLOY, Project, use
from tests.lab_client import LabHandle

TEXT = DEPLOY.replace("ci: {user: {}}", "ci: {github: {repository: owner/name, pull_requests: true}}")


@pytest.fixture
def names(tmp_path: Path) -> Names:
    (tmp_path / "deploy.yaml").write_text(TEXT)
    return Names(load(tmp_path / "deploy.yaml", environ={}, files=False), Facts("123456789012", "aws", "vpc-1", ()))


def test_it_reads_and_nothing_else(names: Names) -> None:
    statements = [statement for statement in plan_statements(names, resources(names)) if statement["Effect"] == "Allow"]
    listed = [
        statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for statement in statements
    ]
    actions = {action for group in listed for action in group}
    assert {action for action in actions if not action.partition(":")[2].startswith(READS)} == set()
    objects = next(statement for statement in statements if statement["Action"] == "s3:GetObject")
    assert objects["Resource"] == "arn:aws:s3:::tiny-data-123456789012/data/prices.csv"


def test_each_role_trusts_its_own_workflows(names: Names) -> None:
    trusts = {
        spec.name: str(spec.trust) for spec in resources(names) if isinstance(spec, RoleSpec) and "-ci" in spec.name
    }
    assert "repo:owner/name:ref:refs/heads/main" in trusts["tiny-ci"]
    assert "repo:owner/name:pull_request" in trusts["tiny-ci-plan"]
    assert "pull_request" not in trusts["tiny-ci"]
    assert not any("*" in trust for trust in trusts.values())


def credentials(lab: LabHandle) -> dict[str, str]:
    """What a pull request's workflow gets, as variables of its environment."""
    keys = lab.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/tiny-ci-plan", RoleSessionName="pull-request"
    )["Credentials"]
    given = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    return given | {"AWS_SESSION_TOKEN": keys["SessionToken"]}


def test_a_plan_in_a_pull_request(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project: Project = use(lab, tmp_path, monkeypatch)
    project.write("deploy.yaml", TEXT)
    project.write("prices.csv", "a,b\n1,2\n")
    project.ok("apply")
    environment = {**lab.environment, **credentials(lab)}

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


SECRET, PLAIN, OTHERS = "/tiny/REGISTRY_KEY", "/tiny/ETA", "/another/API_TOKEN"
WITH_SECRETS = TEXT.replace("ci:", "parameters: {REGISTRY_KEY: {secure: true}, ETA: {value: '0.1'}}\nci:")
ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)  # what somebody attaches by mistake


@pytest.mark.share(2)
@pytest.mark.parametrize("attached", ["nothing else", "everything"])
def test_a_pull_request_sees_no_secret(
    lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attached: str
) -> None:
    project: Project = use(lab, tmp_path, monkeypatch)
    project.write("deploy.yaml", WITH_SECRETS)
    project.write("prices.csv", "a,b\n1,2\n")
    for name in (SECRET, OTHERS):
        lab.client("ssm").put_parameter(Name=name, Value="hunter2", Type="SecureString")
    lab.client("secretsmanager").create_secret(Name="production", SecretString="hunter2")
    project.ok("apply")
    if attached == "everything":
        lab.client("iam").put_role_policy(RoleName="tiny-ci-plan", PolicyName="all", PolicyDocument=ALL)
    given = credentials(lab)

    # The workflow plans, and says what is wrong with a secret that it can't see.
    environment = {**lab.environment, **given}
    command = [sys.executable, "-m", "reconciler", "plan", "--json"]

    def planned() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    good = planned()
    assert good.returncode == 0, good.stderr
    assert "hunter2" not in good.stdout + good.stderr

    # A program in the pull request asks for itself.
    keys = [given[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    session = boto3.Session(*keys, region_name="us-east-1")

    def refused(service: str, operation: str, **params: Any) -> None:
        client = session.client(service, endpoint_url=lab.environment["AWS_ENDPOINT_URL"])
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**params)
        assert caught.value.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied"), operation

    for name in (SECRET, OTHERS):
        for decrypted in (True, False):
            refused("ssm", "get_parameter", Name=name, WithDecryption=decrypted)
            refused("ssm", "get_parameters", Names=[name], WithDecryption=decrypted)
            refused("ssm", "get_parameter_history", Name=name, WithDecryption=decrypted)
    refused("ssm", "get_parameters", Names=[PLAIN, SECRET])
    refused("ssm", "get_parameters_by_path", Path="/tiny", WithDecryption=True)
    refused("ssm", "get_parameters_by_path", Path="/", Recursive=True)
    refused("secretsmanager", "get_secret_value", SecretId="production")
    # A parameter that the file takes for plain, and that somebody made secure.
    lab.client("ssm").delete_parameter(Name=PLAIN)
    lab.client("ssm").put_parameter(Name=PLAIN, Value="hunter2", Type="SecureString")
    refused("ssm", "get_parameters", Names=[PLAIN], WithDecryption=True)

    lab.client("ssm").delete_parameter(Name=SECRET)
    assert f"the parameter {SECRET} isn't there" in planned().stderr
    lab.client("ssm").put_parameter(Name=SECRET, Value="hunter2", Type="String")
    assert f"the parameter {SECRET} is a String" in planned().stderr


def test_what_is_described_is_what_would_be_read(lab: LabHandle) -> None:
    """So that a run's fingerprint is the same whoever reckons it."""
    lab.client("ssm").put_parameter(Name=SECRET, Value="hunter2", Type="SecureString")
    lab.client("ssm").put_parameter(Name=SECRET, Value="hunter3", Type="SecureString", Overwrite=True)
    described = describe_parameters(lab.aws(), [SECRET])[SECRET]
    read = read_parameters(lab.aws(), [SECRET])[SECRET]
    assert {key: described[key] for key in ("Type", "Version")} == {"Type": "SecureString", "Version": 2}
    assert {key: described[key] for key in read.keys() & described.keys() - {"ARN"}} == {
        key: read[key] for key in read.keys() & described.keys() - {"ARN"}
    }
    assert "Value" not in described
    many = [f"/many/{number}" for number in range(60)]
    for name in many:
        lab.client("ssm").put_parameter(Name=name, Value="x", Type="String")
    assert describe_parameters(lab.aws(), many).keys() == set(many)
