"""What may not be read: all of it is said at once, as the policy to add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.calls import READS
from reconciler.core.errors import Denied, MissingPermissions, ReconcilerError, UserError
from tests.faults.case import error
from tests.faults.test_permissions import IS_ME, USER, simulate
from tests.faults.world import World
from tests.lab_client import ACCOUNT, LabHandle

ROLES = {f"arn:aws:iam::{ACCOUNT}:role/demo-{part}" for part in ("task-role", "task-execution-role", "ci")}
BUCKET = f"arn:aws:s3:::demo-data-{ACCOUNT}"


def deny(service: str, op: str, code: str = "AccessDenied", message: str = "not authorized") -> dict[str, Any]:
    return error(service, op, code, message=message, times=-1, status=403)


NO_ROLES, NO_ACCOUNT = deny("iam", "GetRole"), deny("iam", "GetAccountAuthorizationDetails")
NO_GROUPS = deny("logs", "DescribeLogGroups", "AccessDeniedException")


def missing(world: World, command: str = "plan") -> tuple[ReconcilerError, set[tuple[str, str]]]:
    """The error of a plan, and (action, ARN) of the policy that it says to add."""
    with pytest.raises(ReconcilerError) as caught:
        world.here(command).observe()
    text = caught.value.hint
    policy = json.loads(text[text.index("{") : text.rindex("}") + 1])
    permissions = {
        (action, arn)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for arn in statement["Resource"]
    }
    return caught.value, permissions


def test_all_that_is_denied_is_said_with_where(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    network, tags = deny("ec2", "DescribeVpcs", "UnauthorizedOperation"), deny("s3", "GetBucketTagging")
    lab.rules(IS_ME, NO_ACCOUNT, NO_ROLES, NO_GROUPS, network, tags)
    lab.zero()
    told, lacking = missing(world)
    assert isinstance(told, MissingPermissions)
    denied = "ec2:DescribeVpcs, iam:GetRole, logs:DescribeLogGroups, s3:GetBucketTagging"
    assert f"{USER} may not read all that `plan` looks at: it was denied {denied}; nothing was changed" == str(told)
    assert {arn for action, arn in lacking if action == "iam:GetRole"} == ROLES
    assert {("ec2:DescribeVpcs", "*"), ("logs:DescribeLogGroups", "*"), ("s3:GetBucketTagging", BUCKET)} <= lacking
    # What can be read isn't asked for; what comes after something that can't is.
    assert ("iam:GetRolePolicy", min(ROLES)) in lacking
    assert not {action for action, _ in lacking} & {"iam:GetPolicy", "s3:GetBucketPolicy", "ec2:DescribeSecurityGroups"}
    assert all(row["op"].startswith(READS) for row in lab.log()), "something was written"


def test_one_that_is_missing_is_said_alone(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    assert world.apply().ok
    lab.rules(NO_ACCOUNT, deny("iam", "ListAttachedRolePolicies"))
    _, lacking = missing(world)
    # Roles alone; what is read of one at the same time may not have begun when the answer came.
    beside = {"iam:ListRolePolicies", "iam:GetRolePolicy"}
    assert {action for action, _ in lacking} <= {"iam:ListAttachedRolePolicies", *beside}
    assert {arn for action, arn in lacking if action == "iam:ListAttachedRolePolicies"} == ROLES


def test_for_apply_what_it_lacks_to_write_is_said_too(lab: LabHandle, tmp_path: Path) -> None:
    """Where IAM may be asked: else it is known only when it is used."""
    world = World(lab, tmp_path)
    lab.rules(IS_ME, NO_GROUPS, simulate("iam:CreateRole", "logs:DescribeLogGroups"))
    told, lacking = missing(world, "apply")
    assert "it was denied logs:DescribeLogGroups; it also lacks iam:CreateRole; nothing was changed" in str(told)
    assert {arn for action, arn in lacking if action == "iam:CreateRole"} == ROLES


def test_an_explicit_deny_is_named(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    reason = "User: x is not authorized to perform: iam:GetRole with an explicit deny in a service control policy"
    lab.rules(NO_ACCOUNT, deny("iam", "GetRole", message=reason))
    told, _ = missing(world)
    assert f"AWS names an explicit deny, which no policy that allows can lift: {reason}" in told.hint


def foreign(message: str = "Access Denied") -> list[dict[str, Any]]:
    """Nothing of the bucket is answered, as for whoever belongs to another account."""
    denied = deny("s3", "*", message=message) | {"headers": {"x-amz-bucket-region": "eu-west-1"}}
    return [denied | {"op": "HeadBucket", "code": "403"}, denied]


LISTED = deny("s3", "ListBuckets") | {
    "do": "answer",
    "status": 200,
    "type": "application/xml",
    "body": (
        '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets/></ListAllMyBucketsResult>'
    ),
}


def test_a_bucket_of_another_account_is_said_as_that_and_first(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    taken = f"the bucket name 'demo-data-{ACCOUNT}' is taken by another AWS account, in eu-west-1"
    lab.rules(LISTED, *foreign())
    with pytest.raises(UserError) as caught:
        world.plan()
    assert str(caught.value).startswith(taken)
    assert caught.value.hint == "choose another name in deploy.yaml under data.bucket.name"
    # What may not be read besides comes after it, and without the bucket.
    lab.rules(LISTED, NO_GROUPS, *foreign())
    told, lacking = missing(world)
    assert str(told).startswith(f"{taken} (names are unique in all of AWS); ")
    assert "may not read all that `plan` looks at: it was denied logs:DescribeLogGroups; nothing was changed" in str(
        told
    )
    assert told.hint.startswith("choose another name in deploy.yaml under data.bucket.name; add this policy")
    assert not {action for action, _ in lacking if action.startswith("s3:")}
    # Whoever may not list buckets can't know for sure.
    lab.rules(*foreign())
    with pytest.raises(UserError, match="is most likely taken by another AWS account, in eu-west-1"):
        world.plan()


def test_a_bucket_of_the_own_account_is_none_of_another(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    lab.rules(*foreign("User: x is not authorized to perform: s3:GetBucketVersioning because no policy allows it"))
    told, lacking = missing(world)
    assert "may not read all that `plan` looks at" in str(told)
    assert ("s3:GetBucketVersioning", BUCKET) in lacking
    lab.rules(
        LISTED
        | {
            "body": LISTED["body"].replace(
                "<Buckets/>", (f"<Buckets><Bucket><Name>demo-data-{ACCOUNT}</Name></Bucket></Buckets>")
            )
        },
        *foreign(),
    )
    assert "may not read all that `plan` looks at" in str(missing(world)[0])


def test_what_a_plan_does_without_is_not_missed(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    lab.rules(NO_ACCOUNT, deny("iam", "ListRoles"))
    assert world.plan().steps


def test_what_was_denied_for_a_moment_is_told_as_it_was(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    lab.rules(NO_GROUPS | {"times": 1})
    with pytest.raises(Denied, match="logs:DescribeLogGroups failed"):
        world.plan()
