"""What is too large for one resource of AWS is several, and one again when it has become smaller."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.project import DEPLOY, Project

WHERE = [f"arn:aws:s3:::somebodys-bucket/a/rather/long/path/{n:04d}/*" for n in range(300)]
SECRETS = {f"S{n}": f"arn:aws:ssm:us-east-1:123456789012:parameter/some/team/secret-{n:03d}" for n in range(150)}


def deploy(resources: list[str], secrets: dict[str, str]) -> str:
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resources}]}
    task = f"task:\n  role: {json.dumps({'policy': policy})}\n  secrets: {json.dumps(secrets)}\n"
    return DEPLOY.replace("task:\n", task)


def policies(project: Project) -> list[str]:
    return sorted(policy["PolicyName"] for policy in project.lab.client("iam").list_policies(Scope="Local")["Policies"])


def attached(project: Project, role: str) -> list[str]:
    listed: Any = project.lab.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return sorted(policy["PolicyName"] for policy in listed)


def test_policies_that_are_divided_and_one_again(project: Project) -> None:
    project.write("deploy.yaml", deploy(WHERE, SECRETS))
    project.ok("apply")
    task = ["tiny-task-policy", "tiny-task-policy.2", "tiny-task-policy.3", "tiny-task-policy.4"]
    secrets = ["tiny-task-execution-role.secrets", "tiny-task-execution-role.secrets.2"]
    assert policies(project) == sorted(["tiny-ci-policy", *task, *secrets])
    assert (attached(project, "tiny-task-role"), attached(project, "tiny-task-execution-role")) == (task, secrets)
    assert project.todo() == {}
    # What is needless goes by itself; it was never in the file.
    project.write("deploy.yaml", deploy(WHERE[:2], dict(list(SECRETS.items())[:2])))
    todo = project.todo()
    assert {address for address, do in todo.items() if do == "delete"} == {
        f"policy.{name}" for name in (*task[1:], *secrets)
    }
    project.ok("apply")
    assert policies(project) == ["tiny-ci-policy", "tiny-task-policy"]
    assert attached(project, "tiny-task-execution-role") == []
    assert project.todo() == {}
    # What left the file stays until --prune.
    project.change("ci: {user: {}}", "")
    assert "policy.tiny-ci-policy" not in {
        a for a, s in project.plan().items() if s["action"] == "delete" and not s["held"]
    }


def test_an_import_puts_it_together_again(project: Project) -> None:
    project.write("deploy.yaml", deploy(WHERE, SECRETS).replace(", API_TOKEN: hunter2", ""))
    project.ok("apply")
    (project.folder / "deploy.yaml").unlink()
    told = project.ok("import", "--prefix", "tiny", "--data", "prices.csv").out
    assert "tiny-task-policy.2" not in told
    assert ".secrets" not in told
    plan = project.plan()
    assert {a for a, step in plan.items() if a.startswith("policy.") and step["action"] != "none"} == set()
    assert {"policy.tiny-task-policy.4", "policy.tiny-task-execution-role.secrets.2"} <= plan.keys()
    assert plan["role.tiny-task-role"]["action"] == plan["role.tiny-task-execution-role"]["action"] == "none"


def test_all_of_it_is_destroyed(project: Project) -> None:
    project.write("deploy.yaml", deploy(WHERE, SECRETS))
    project.ok("apply")
    project.ok("destroy", "--yes", "--delete-data")
    assert policies(project) == []


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_what_can_not_be_divided_is_refused_before_anything_is_touched(project: Project, verb: str) -> None:
    project.write("deploy.yaml", deploy([WHERE[0] * 130], {}))
    project.lab.zero()
    refused = project.run(verb)
    assert refused.code == 2, refused.out + refused.err
    assert "task.role.policy: a managed policy of " in refused.err
    assert "AWS takes 6,144" in refused.err
    reads = ("Get", "List", "Describe", "Head", "BatchGet")
    assert not [row["op"] for row in project.lab.log() if not row["op"].startswith(reads)]


def test_variables_of_a_run_that_are_too_long(project: Project) -> None:
    project.change("run: {when: never}", "run: {when: changed}")
    refused = project.run("apply", "--env", f"CONFIG={'x' * 9000}")
    assert refused.code == 2
    assert "AWS takes 8,192" in refused.err
    assert "data.files" in refused.err
    assert policies(project) == []
