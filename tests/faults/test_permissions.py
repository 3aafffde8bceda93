"""Missing permissions: said before the first write, all at once, as the policy to add."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.aws.calls import READS
from reconciler.aws.iam_actions import action_of
from reconciler.core.errors import MissingPermissions
from reconciler.core.plan import Options, Plan
from reconciler.kinds import KINDS
from reconciler.permissions import needs
from reconciler.permissions.needs import statements
from reconciler.permissions.preflight import check, of_plan, principal
from tests.faults.case import error
from tests.faults.changes import CHANGES
from tests.faults.world import World
from tests.lab_client import ACCOUNT, LabHandle

USER = f"arn:aws:iam::{ACCOUNT}:user/me"
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Arn>{USER}</Arn><UserId>AIDA</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)
IS_ME = {"service": "sts", "op": "GetCallerIdentity", "do": "answer", "body": IDENTITY, "times": -1}


def simulate(*denied: str) -> dict[str, object]:
    """IAM's simulator, which denies these."""
    return {"service": "iam", "op": "SimulatePrincipalPolicy", "do": "deny", "actions": list(denied), "times": -1}


def plan_of(world: World) -> Plan:
    return world.plan()


def test_every_kind_says_what_it_needs() -> None:
    assert {kind.spec.kind for kind in KINDS} <= needs.NEEDS.keys()


@pytest.mark.parametrize("change", [None, *CHANGES], ids=lambda change: str(change or "nothing there"))
def test_what_is_written_was_named(lab: LabHandle, tmp_path: Path, change: str | None) -> None:
    """The table against what apply calls: nothing is written for which no permission was named."""
    world = World(lab, tmp_path)
    if change:
        assert world.apply().ok
        CHANGES[change](lab)
    named = {action for actions in of_plan(plan_of(world), world.aws()).values() for action in actions}
    lab.zero()
    assert world.apply().ok
    _written_was_named(lab, named)


def test_what_is_deleted_was_named(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    here = world.here()
    allowed = Options(delete_data=True)
    plan = here.plan_destroy(here.observe(allowed), allowed)
    named = {action for actions in of_plan(plan, world.aws()).values() for action in actions}
    lab.zero()
    assert world.destroy().ok
    _written_was_named(lab, named)


def _written_was_named(lab: LabHandle, named: set[str]) -> None:
    written = {action_of(row["service"], row["op"]) for row in lab.log() if not row["op"].startswith(READS)}
    assert written
    assert written <= named, f"not named: {sorted(written - named)}"


def test_all_that_is_missing_is_said_as_the_policy_to_add(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    plan = plan_of(world)
    lab.rules(IS_ME, simulate("iam:CreateRole", "iam:TagRole", "s3:CreateBucket", "iam:PassRole"))
    lab.zero()
    with pytest.raises(MissingPermissions) as caught:
        check(world.aws(), plan)
    assert USER in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    policy = json.loads(caught.value.hint.partition("\n")[2])
    allowed = {(action, arn) for one in policy["Statement"] for action in one["Action"] for arn in one["Resource"]}
    roles = {f"arn:aws:iam::{ACCOUNT}:role/demo-{part}" for part in ("task-role", "task-execution-role", "ci")}
    assert ("s3:CreateBucket", f"arn:aws:s3:::demo-data-{ACCOUNT}") in allowed
    assert {arn for action, arn in allowed if action == "iam:PassRole"} <= roles
    assert {action for action, _ in allowed} == {"iam:CreateRole", "iam:TagRole", "s3:CreateBucket", "iam:PassRole"}
    assert all(row["op"].startswith(READS) for row in lab.log()), "something was written"


def test_nothing_missing_says_nothing(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    plan = plan_of(world)
    lab.rules(IS_ME, simulate())
    check(world.aws(), plan)
    assert lab.log(op="SimulatePrincipalPolicy")


def test_the_launch_is_asked_for_too(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    here = world.here()
    lab.rules(IS_ME, simulate("ecs:RunTask"))
    with pytest.raises(MissingPermissions, match="lacks 1 permission") as caught:
        check(here.aws, plan_of(world), here.names)
    assert f"task-definition/{here.deploy.task.family}:*" in caught.value.hint


def test_who_may_not_ask_is_not_stopped(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    plan = plan_of(world)
    lab.rules(IS_ME, error("iam", "SimulatePrincipalPolicy", "AccessDenied", times=-1, status=403))
    check(world.aws(), plan)


def test_a_plan_without_work_asks_nothing(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    plan = plan_of(world)
    lab.zero()
    check(world.aws(), plan)
    assert not lab.log(op="SimulatePrincipalPolicy")


@pytest.mark.parametrize(
    ("caller", "who"),
    [
        (USER, USER),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session", f"arn:aws:iam::{ACCOUNT}:role/deployer"),
        (f"arn:aws:iam::{ACCOUNT}:root", None),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/x", None),
        (f"arn:aws:sts::{ACCOUNT}:user/moto", None),
    ],
)
def test_principal(caller: str, who: str | None) -> None:
    assert principal(caller) == who


def test_statements_share_what_is_the_same() -> None:
    found = statements({"b": {"x:2", "x:1"}, "a": {"x:1", "x:2"}, "c": {"x:3"}})
    assert found == [
        {"Effect": "Allow", "Action": ["x:1", "x:2"], "Resource": ["a", "b"]},
        {"Effect": "Allow", "Action": ["x:3"], "Resource": ["c"]},
    ]
