"""Hyperparameters in Parameter Store: made once, given to a real process, and a part of what decides on a run."""

from __future__ import annotations

import json

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.lower.existing import Given
from reconciler.lower.parameters import secret_statements
from tests.run.conftest import Lane, golden

PROGRAM = "import os\nprint(os.environ['ETA'], os.environ['EPOCHS'], len(os.environ['API_TOKEN']))\n"
DEPLOY = """\
parameters:
  ETA: 0.10
  EPOCHS: {value: 20, give_as: environment}
  API_TOKEN: {secure: true}
"""
ARN = "arn:aws:ssm:us-east-1:123456789012:parameter/tiny"


def put(lane: Lane, name: str, value: str, kind: str = "String") -> None:
    lane.client("ssm").put_parameter(Name=f"/tiny/{name}", Value=value, Type=kind, Overwrite=True)


def test_what_ecs_may_read_and_decrypt() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:"
    parameters: dict[str, dict[str, object]] = {
        "A": {"value": "1"}, "B": {"value": "2", "give_as": "environment"}, "C": {"secure": True},
        "D": {"secure": True, "kms_key": f"{key}key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
        "E": {"secure": True, "kms_key": f"{key}alias/mine"},
    }  # fmt: skip
    deploy = Deploy.model_validate({"name": "tiny", "image": {"uri": "x"}, "parameters": parameters}).filled()
    statements = secret_statements(Names(deploy, Facts("123456789012", "aws", "vpc-1", ("subnet-1",))))
    read, decrypt, by_alias = statements
    assert (read["Action"], read["Resource"]) == ("ssm:GetParameters", [f"{ARN}/{name}" for name in "ACDE"])
    assert (decrypt["Action"], decrypt["Resource"]) == ("kms:Decrypt", [parameters["D"]["kms_key"]])
    assert by_alias["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/mine"]}}


def test_marks_of_values() -> None:
    parameters = {"ETA": "0.1", "TOKEN": "x", "SECRET": {"secure": True}}
    deploy = Deploy.model_validate({"name": "tiny", "image": {"uri": "x"}, "parameters": parameters}).filled()
    live = {"/tiny/SECRET": {"Type": "SecureString", "Version": 3, "LastModifiedDate": "then"}}
    marks = Given(live).marks(deploy)
    assert marks["ETA"] == "0.1", "made with it"
    assert marks["SECRET"] == "version 3 of then"
    assert "x" != marks["TOKEN"] == Given(live | {"/tiny/TOKEN": {"Value": "x"}}).marks(deploy)["TOKEN"]
    assert Given({"/tiny/ETA": {"Value": "0.3"}}).marks(deploy)["ETA"] == "0.3"


def test_a_parameter_that_has_to_be_there_is_asked_for_before_anything_is_made(lane: Lane) -> None:
    lane.program(PROGRAM, deploy=DEPLOY.replace("API_TOKEN", "NOT_THERE"))
    for command in ("plan", "apply"):
        refused = lane.run(command, "--local")
        assert refused.code == 2
        assert "the parameter /tiny/NOT_THERE isn't there" in refused.err
        assert "aws ssm put-parameter --name /tiny/NOT_THERE --type SecureString" in refused.err
    assert lane.client("ssm").get_parameters(Names=["/tiny/ETA"])["Parameters"] == []
    put(lane, "NOT_THERE", "seen by all")
    assert "is a String, which whoever may read parameters sees" in lane.run("plan", "--local").err


def test_what_aws_has_counts(lane: Lane) -> None:
    put(lane, "API_TOKEN", "hunter2", "SecureString")
    lane.program(PROGRAM, deploy=DEPLOY)
    made = lane.run("apply", "--local")
    assert made.code == 0, made.out + made.err
    assert "  | 0.10 20 7\n" in made.out
    assert "Nothing to run" in lane.run("apply", "--local").out
    # ECS may read these two and no other.
    role = lane.client("iam").get_role_policy(RoleName="tiny-task-execution-role", PolicyName="secrets")
    (statement,) = role["PolicyDocument"]["Statement"]
    assert (statement["Action"], sorted(statement["Resource"])) == (
        "ssm:GetParameters", [f"{ARN}/API_TOKEN", f"{ARN}/ETA"],
    )  # fmt: skip

    put(lane, "ETA", "0.3")
    plan = lane.run("plan", "--local").out
    assert "= parameter        /tiny/ETA  (0.3 in AWS (version 2) counts; the file's 0.10 is only its first" in plan
    assert "Nothing to change" in plan
    changed = lane.run("apply", "--local")
    assert "  | 0.3 20 7\n" in changed.out, "never overwritten, and run again"
    golden("parameters", changed)
    put(lane, "EPOCHS", "30")
    assert "environment.EPOCHS: 20 -> 30" in lane.run("plan", "--local").out
    assert "  | 0.3 30 7\n" in lane.run("apply", "--local").out
    put(lane, "API_TOKEN", "hunter22", "SecureString")
    again = lane.run("apply", "--local")
    assert "  | 0.3 30 8\n" in again.out, "a new version of a secret is another run"
    put(lane, "ETA", "0.10")
    put(lane, "EPOCHS", "20")
    put(lane, "API_TOKEN", "hunter2", "SecureString")
    assert "  | 0.10 20 7\n" in lane.run("apply", "--local").out, "a secret's version counts: its value isn't read"
    assert "Nothing to run" in lane.run("apply", "--local").out

    runs = lane.run("runs", "--local", "--json").out
    assert "hunter2" not in made.out + changed.out + again.out + plan + runs
    assert json.loads(runs)["runs"][0]["inputs"]["parameters"]["ETA"] == "0.10"
    compared = lane.run("runs", "compare", *[run["id"] for run in json.loads(runs)["runs"][2:4]], "--local").out
    assert "parameters.EPOCHS" in compared


def test_overrides_and_secrets(lane: Lane) -> None:
    put(lane, "API_TOKEN", "hunter2", "SecureString")
    lane.program(PROGRAM + "# overrides\n", deploy=DEPLOY)
    refused = lane.run("apply", "--local", "--env", "ETA=1")
    assert refused.code == 2
    assert "--env ETA: it is given to the task as a secret" in refused.err
    other = lane.run("apply", "--local", "--env", "EPOCHS=99")
    assert "  | 0.10 99 7\n" in other.out


def test_what_left_the_file_is_deleted_but_not_what_was_there(lane: Lane) -> None:
    put(lane, "API_TOKEN", "hunter2", "SecureString")
    lane.bare()
    left = lane.client("ssm").get_parameters(Names=["/tiny/ETA", "/tiny/EPOCHS", "/tiny/API_TOKEN"])["Parameters"]
    assert [parameter["Name"] for parameter in left] == ["/tiny/API_TOKEN"]
