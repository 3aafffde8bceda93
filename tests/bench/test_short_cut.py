"""The account's details save requests and decide nothing: without the permission, or in a big account, same plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bench.subjects import deploy_file
from reconciler.core.canonical import policy
from reconciler.kinds.iam_role import Role, RoleSpec
from tests.bench.test_requests import project as project
from tests.engine.project import Project
from tests.lab_client import LabHandle

ROLE = "aig130-p2-ecs-task-role"
DETAILS = ("GetAccountAuthorizationDetails", "ListRoles")
CUT = (
    '<GetAccountAuthorizationDetailsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
    "<GetAccountAuthorizationDetailsResult><IsTruncated>true</IsTruncated><Marker>m</Marker>"
    "<RoleDetailList/><UserDetailList/><GroupDetailList/><Policies/></GetAccountAuthorizationDetailsResult>"
    "</GetAccountAuthorizationDetailsResponse>"
)


def denied(lab: LabHandle) -> None:
    error = {"service": "iam", "times": -1, "do": "error", "code": "AccessDenied", "status": 403}
    lab.rules(*({**error, "op": op, "message": f"not authorized to perform: iam:{op}"} for op in DETAILS))


def too_big(lab: LabHandle) -> None:
    lab.rules({"service": "iam", "op": DETAILS[0], "times": -1, "do": "answer", "body": CUT})


def inline(lab: LabHandle) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    lab.client("iam").put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=text)


def gone(lab: LabHandle) -> None:
    lab.client("iam").detach_user_policy(
        UserName="github-actions-aig130-p2",
        PolicyArn="arn:aws:iam::123456789012:policy/aig130-p2-github-actions-policy",
    )


def nothing(lab: LabHandle) -> None:
    pass


def plan(project: Project) -> Any:
    return project.ok("plan", "--skip-image", "--json").json


@pytest.mark.share(3)
@pytest.mark.parametrize("change", [nothing, inline, gone])
def test_the_plan_is_the_same_without_them(
    change: Callable[[LabHandle], None], project: Project, lab: LabHandle
) -> None:
    project.write("deploy.yaml", deploy_file())
    project.ok("apply", "--skip-image", "--skip-run")
    change(lab)
    lab.zero()
    usual, asked = plan(project), len(lab.log())
    assert (usual["summary"]["update"] > 0) == (change is not nothing)
    for without in (denied, too_big):
        without(lab)
        lab.zero()
        assert plan(project) == usual, without.__name__
        assert 0 < len(lab.log()) - asked <= 12
        lab.rules()


@pytest.mark.parametrize(
    ("size", "asked"),
    [
        (18, {DETAILS[0]: 1, DETAILS[1]: 1, "GetRole": 1, "ListAttachedRolePolicies": 1, "ListRolePolicies": 1}),
        (100, {DETAILS[0]: 2, DETAILS[1]: 1}),
    ],
)
def test_a_large_deploy_reads_the_next_page_too(size: int, asked: dict[str, int], lab: LabHandle) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    want = RoleSpec(name="one", trust=policy({"Version": "2012-10-17", "Statement": [trust]}))
    aws = lab.aws()
    Role().create(aws, want)
    lab.rules({"service": "iam", "op": DETAILS[0], "times": 1, "do": "answer", "body": CUT})
    lab.zero()
    aws.shared.size = size
    with aws.shared:
        assert Role().observe(aws, [want])["one"].spec == want
    assert Counter(row["op"] for row in lab.log()) == asked
