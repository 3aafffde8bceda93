"""The deadline's role and permissions: what they allow, and nothing more."""

from __future__ import annotations

import json
from typing import Any

from reconciler.config.schema import Deploy
from reconciler.facts import Facts
from reconciler.kinds import PolicySpec, RoleSpec
from reconciler.lower import lower
from reconciler.run.deadline import schedule_name, schedule_prefix
from reconciler.spec import Address

FACTS = Facts("123456789012", "aws", "vpc-1", ("subnet-1",))


def deploy(**run: object) -> Deploy:
    found = {"name": "tiny", "image": {"uri": "x"}, "ci": {"user": {}}, "run": run}
    return Deploy.model_validate(found).filled()


def test_a_role_that_may_stop_these_tasks_and_nothing_else() -> None:
    assert Address("role", "tiny-stop-role") not in lower(deploy(), FACTS).nodes
    role = lower(deploy(max_duration="2h"), FACTS).nodes[Address("role", "tiny-stop-role")].spec
    assert isinstance(role, RoleSpec)
    assert list(role.managed_policies) == []
    (document,) = role.inline_policies.values()
    (statement,) = json.loads(document.text())["Statement"]
    arn = "arn:aws:ecs:us-east-1:123456789012:task/tiny/*"
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "ecs:StopTask", arn)
    assert '"scheduler.amazonaws.com"' in role.trust.text()
    assert '"aws:SourceAccount":"123456789012"' in role.trust.text().replace(": ", ":")


def ci_policy(**run: object) -> list[dict[str, Any]]:
    spec = lower(deploy(**run), FACTS).nodes[Address("policy", "tiny-ci-policy")].spec
    assert isinstance(spec, PolicySpec)
    found: list[dict[str, Any]] = json.loads(spec.document.text())["Statement"]
    return found


def test_ci_may_make_these_schedules_only_where_there_is_a_deadline() -> None:
    assert "scheduler" not in json.dumps(ci_policy())
    found = [one for one in ci_policy(max_duration="2h") if "scheduler" in json.dumps(one)]
    handed, made = sorted(found, key=lambda one: "Condition" not in one)
    assert sorted(made["Action"]) == [f"scheduler:{verb}Schedule" for verb in ("Create", "Delete", "Update")]
    assert made["Resource"] == "arn:aws:scheduler:us-east-1:123456789012:schedule/default/tiny-*"
    assert (handed["Action"], handed["Resource"]) == ("iam:PassRole", "arn:aws:iam::123456789012:role/tiny-stop-role")
    assert handed["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_names_fit() -> None:
    longest = "a" * 40
    name = schedule_name(longest, "20260101-000000-aaaaaaaa-99-100")
    assert len(name) <= 64
    assert name.startswith(schedule_prefix(longest))
