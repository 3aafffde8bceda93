"""Missing permissions: said before the first write, all at once, as the policy to add."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.aws.calls import READS
from reconciler.aws.iam_actions import action_of
from reconciler.core.errors import MissingPermissions
from reconciler.core.plan import Options, Plan
from reconciler.kinds import KINDS
from reconciler.permissions import needs
from reconciler.permissions.needs import statements
from reconciler.permissions.preflight import check, denied, of_plan, principal
from tests.engine.project import Project
from tests.engine.project import project as project
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


def simulate(*denied: str, **more: object) -> dict[str, object]:
    """IAM's simulator, which denies these. more: what an organisation denies, as tests/lab.py has it."""
    rule = {"service": "iam", "op": "SimulatePrincipalPolicy", "do": "deny", "actions": list(denied), "times": -1}
    return {**rule, **more}


def plan_of(world: World) -> Plan:
    return world.plan()


def test_every_kind_says_what_it_needs() -> None:
    assert {kind.spec.kind for kind in KINDS} <= needs.NEEDS.keys()


@pytest.mark.share(3)
@pytest.mark.parametrize("change", [None, *CHANGES], ids=lambda change: str(change or "nothing there"))
def test_what_is_written_was_named(lab: LabHandle, tmp_path: Path, change: str | None) -> None:
    """The table against what apply calls: nothing is written for which no permission was named."""
    world = World(lab, tmp_path)
    if change:
        assert world.apply().ok
        CHANGES[change](lab)
    named = {permission.action for permission in of_plan(plan_of(world), world.here().names)}
    lab.zero()
    assert world.apply().ok
    _written_was_named(lab, named)


def test_what_is_deleted_was_named(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    here = world.here()
    allowed = Options(delete_data=True)
    plan = here.plan_destroy(here.observe(allowed), allowed)
    named = {permission.action for permission in of_plan(plan, here.names)}
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
        check(world.aws(), plan, world.here().names)
    assert USER in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    policy = json.loads(caught.value.hint.partition("\n")[2])
    allowed = {
        (action, arn)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for arn in statement["Resource"]
    }
    roles = {f"arn:aws:iam::{ACCOUNT}:role/demo-{part}" for part in ("task-role", "task-execution-role", "ci")}
    assert ("s3:CreateBucket", f"arn:aws:s3:::demo-data-{ACCOUNT}") in allowed
    assert {arn for action, arn in allowed if action == "iam:PassRole"} <= roles
    assert {action for action, _ in allowed} == {"iam:CreateRole", "iam:TagRole", "s3:CreateBucket", "iam:PassRole"}
    assert all(row["op"].startswith(READS) for row in lab.log()), "something was written"


def test_nothing_missing_says_nothing(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    plan = plan_of(world)
    lab.rules(IS_ME, simulate())
    assert check(world.aws(), plan, world.here().names) == ""
    assert lab.log(op="SimulatePrincipalPolicy")


def test_the_launch_is_asked_for_too(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    here = world.here()
    lab.rules(IS_ME, simulate("ecs:RunTask"))
    with pytest.raises(MissingPermissions, match="lacks 1 permission") as caught:
        check(world.aws(), plan_of(world), here.names, launches=True)
    assert f"task-definition/{here.deploy.task.family}:*" in caught.value.hint


def test_the_check_can_be_left_out_and_says_what_it_is_not_sure_of(project: Project) -> None:
    lab = project.lab
    lab.rules(IS_ME, simulate("iam:CreateRole"))
    refused = project.run("apply")
    assert refused.code != 0
    assert "lacks" in refused.err
    assert "--skip-permission-check" in refused.err
    lab.zero()
    project.ok("apply", "--skip-permission-check")
    project.ok("destroy", "--yes", "--delete-data", "--skip-permission-check")
    assert not lab.log(op="SimulatePrincipalPolicy")
    lab.rules(IS_ME, simulate(organisation=["iam:CreateRole"]))
    told = project.ok("apply")
    assert "warning: a policy of this account's organisation may deny iam:CreateRole" in told.err


def test_the_deadline_of_a_task_is_asked_for_before_it_is_launched(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    here = world.here()
    run = here.deploy.run.model_copy(update={"max_duration": 600})
    names = replace(here.names, deploy=here.deploy.model_copy(update={"run": run}))
    lab.rules(IS_ME, simulate("scheduler:UpdateSchedule"))
    with pytest.raises(MissingPermissions, match="lacks 1 permission"):
        check(world.aws(), plan_of(world), names, launches=True)


def test_who_may_not_ask_is_not_stopped(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    plan = plan_of(world)
    lab.rules(IS_ME, error("iam", "SimulatePrincipalPolicy", "AccessDenied", times=-1, status=403))
    assert check(world.aws(), plan, world.here().names) == ""


def test_an_organisation_that_allows_regions_only(lab: LabHandle, tmp_path: Path) -> None:
    """The simulator is told the region of each request; IAM's requests have its own, wherever they come from."""
    world = World(lab, tmp_path)
    here = world.here()
    plan = plan_of(world)
    lab.rules(IS_ME, simulate(regions=["us-east-1"]))
    assert check(world.aws(), plan, here.names) == ""
    far = lab.aws(region="eu-central-1", clock=world.clock)
    lab.rules(IS_ME, simulate(regions=["us-east-1", "eu-central-1"]))
    assert check(far, plan, here.names) == ""
    lab.rules(IS_ME, simulate(regions=["us-east-1"]))
    unsure = denied(far, USER, of_plan(plan, here.names)).unsure
    assert unsure
    assert not [arn for arn in unsure if arn.startswith("arn:aws:iam:")]


def test_what_an_organisation_denies_is_told_and_stops_nothing(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    here = world.here()
    plan = plan_of(world)
    lab.rules(IS_ME, simulate(organisation=["iam:CreateRole", "s3:CreateBucket"]))
    told = check(world.aws(), plan, here.names)
    assert "organisation may deny iam:CreateRole, s3:CreateBucket" in told
    lab.rules(IS_ME, simulate("iam:TagRole", organisation=["iam:CreateRole"]))
    with pytest.raises(MissingPermissions) as caught:
        check(world.aws(), plan, here.names)
    assert "iam:TagRole" in caught.value.hint
    assert "iam:CreateRole" not in caught.value.hint
    assert "--skip-permission-check" in caught.value.hint


def test_a_plan_without_work_asks_nothing(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    plan = plan_of(world)
    lab.zero()
    assert check(world.aws(), plan, world.here().names) == ""
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
    merged = statements({"b": {"x:2", "x:1"}, "a": {"x:1", "x:2"}, "c": {"x:3"}})
    assert merged == [
        {"Effect": "Allow", "Action": ["x:1", "x:2"], "Resource": ["a", "b"]},
        {"Effect": "Allow", "Action": ["x:3"], "Resource": ["c"]},
    ]
