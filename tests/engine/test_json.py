"""`plan --json` holds to its schema, and the schema and docs/plan-json.md say the same."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from reconciler.cli.plan_format import VERSION
from reconciler.core.plan import Action
from reconciler.image.kind import ImageKind
from reconciler.kinds import KINDS
from tests.engine.project import DEPLOY, Project

SCHEMA: dict[str, Any] = json.loads((files("reconciler.cli") / "plan.schema.json").read_text(encoding="utf-8"))
DOCS = (Path(__file__).parents[2] / "docs" / "plan-json.md").read_text(encoding="utf-8")
ALL = {kind.spec.kind for kind in KINDS} | {ImageKind.spec.kind}
INSTANCES = {"capacity-provider", "instance-profile"}  # of a deploy that runs on instances, and not on Fargate
FULL = (
    DEPLOY.replace("user: {}", "user: {access_keys: 1}, github: {repository: o/n}").replace(
        "data: prices.csv", "data: [prices.csv, {file: prices.*, key: all}]"
    )
    + """\
parameters: {ETA: 0.1}
service: {desired_count: 0}
notify: {email: [a@example.com]}
schedule: {when: rate(1 day)}
"""
)


def checked(project: Project, *arguments: str) -> dict[str, dict[str, Any]]:
    """The steps by address of a plan that holds to the schema."""
    plan = project.ok("plan", "--json", *arguments).json
    jsonschema.Draft202012Validator(SCHEMA).validate(plan)
    assert plan["summary"] == {a.value: sum(s["action"] == a for s in plan["steps"]) for a in Action}
    return {f"{step['kind']}.{step['name']}": step for step in plan["steps"]}


def test_it_is_a_schema_of_this_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["const"] == VERSION
    step = SCHEMA["$defs"]["step"]["properties"]
    assert step["action"]["enum"] == [action.value for action in Action]
    assert set(step["kind"]["enum"]) == ALL
    assert set(SCHEMA["properties"]["summary"]["properties"]) == {action.value for action in Action}


def test_every_key_is_in_the_docs() -> None:
    for part in (SCHEMA, SCHEMA["$defs"]["step"], SCHEMA["$defs"]["change"]):
        for key in part["properties"]:
            assert f"| `{key}` |" in DOCS, key
    for kind in SCHEMA["$defs"]["step"]["properties"]["kind"]["enum"]:
        assert f"`{kind}`" in DOCS, kind
    example = json.loads(DOCS.partition("```json\n")[2].partition("```")[0])
    jsonschema.Draft202012Validator(SCHEMA).validate(example)


def test_creations_with_what_is_not_known_yet(project: Project) -> None:
    project.write("deploy.yaml", FULL)
    project.change("  uri: python:3.13-slim\n", "  context: .\n")
    project.write("Dockerfile", "FROM scratch\nCOPY prices.csv .\n")
    steps = checked(project)
    assert {step["action"] for step in steps.values()} == {"create"}
    assert {step["kind"] for step in steps.values()} == ALL - INSTANCES
    text = json.dumps(steps["task-definition.tiny"])
    assert "(uri of image.tiny, known once that is made)" in text
    assert "(hidden)" in text
    assert "hunter2" not in text


def test_none_updates_and_replacements(project: Project) -> None:
    project.write("deploy.yaml", FULL)
    project.ok("apply")
    assert {step["action"] for step in checked(project).values()} == {"none"}
    inline = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    project.lab.client("iam").put_role_policy(
        RoleName="tiny-task-role", PolicyName="more", PolicyDocument=json.dumps(inline)
    )
    project.change("retention_days: 7", "retention_days: 14")
    project.change("hunter2", "hunter3")
    project.change("name: tiny\n", "name: tiny\nnetwork: {security_group: {description: another}}\n")
    project.write("prices.csv", "a,b\n5,6\n")
    steps = checked(project)
    assert steps["log-group./ecs/tiny"]["changes"] == [{"path": "retention_in_days", "from": 7, "to": 14}]
    role = steps["role.tiny-task-role"]
    assert [(c["path"], c["to"], c["widens"]) for c in role["changes"]] == [("inline_policies.more", None, True)]
    secret = steps["task-definition.tiny"]["changes"][0]
    assert (secret["from"], secret["to"]) == ("(hidden)", "(hidden)")
    group = steps["security-group.tiny"]
    assert group["action"] == "replace"
    assert group["changes"][0]["replaces"] is True
    assert "description" in group["reason"]
    assert steps["object.tiny-data-123456789012/data/prices.csv"]["action"] == "update"


def test_deletions_and_what_is_not_ours(project: Project) -> None:
    project.lab.client("logs").create_log_group(logGroupName="/ecs/tiny")
    project.write("deploy.yaml", FULL)
    held = checked(project)["log-group./ecs/tiny"]
    assert held["action"] == "adopt"
    assert "--adopt" in held["held"]
    assert "someone else" in held["note"]
    adopted = checked(project, "--adopt")["log-group./ecs/tiny"]
    assert adopted["action"] == "adopt"
    assert "held" not in adopted
    project.ok("apply", "--adopt")
    project.change("user: {access_keys: 1}, github", "github")
    assert "--prune" in checked(project)["user.tiny-ci"]["held"]
    gone = checked(project, "--prune")["user.tiny-ci"]
    assert gone == {"action": "delete", "kind": "user", "name": "tiny-ci", "changes": []}


BAD = [
    {"version": 2}, {"deploy": ""}, {"summary": {}}, {"steps": [{}]},
    {"steps": [{"action": "destroy", "kind": "role", "name": "a", "changes": []}]},
    {"steps": [{"action": "none", "kind": "role", "name": "a", "changes": [{"path": "a", "from": 1, "to": 2}]}]},
    {"steps": [{"action": "update", "kind": "role", "name": "a", "changes": [{"path": "a", "from": 1}]}]},
    {"steps": [{"action": "replace", "kind": "role", "name": "a", "changes": []}]},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=json.dumps)
def test_the_schema_refuses(change: dict[str, Any]) -> None:
    counts = dict.fromkeys((action.value for action in Action), 0)
    right: dict[str, Any] = {"version": 1, "deploy": "a", "summary": counts, "steps": []}
    jsonschema.Draft202012Validator(SCHEMA).validate(right)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(right | change)
