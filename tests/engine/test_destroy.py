"""Destroy beside others: behind an apply, and where something was attached or made a moment before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.aws.fresh import SECONDS, Fresh
from reconciler.core.errors import AwsError
from reconciler.engine.act import Actor
from reconciler.engine.lock import Lock
from reconciler.kinds import RoleSpec
from reconciler.kinds.iam_role import Role
from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.faults.case import error
from tests.folder import Result
from tests.lab_client import LabHandle
from tests.waiting import until

NOW = 1_000_000.0
ZIP = b"PK\x05\x06" + bytes(18)
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com", "lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}'  # noqa: E501

MORE = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}'


def behind_an_apply(project: Project, does: Callable[[LabHandle], object]) -> Result:
    """What a destroy says that waited for the lock of an apply, which does something and ends."""
    lab = project.lab
    lock = Lock(lab.aws(), "tiny", "apply")

    def applies() -> None:
        until(lambda: len(lab.log("ssm", "GetParametersByPath")) > 4, "that it waits for the lock")
        does(lab)
        lock.__exit__()

    with ThreadPoolExecutor(1) as threads:
        lock.__enter__()
        lab.zero()
        other = threads.submit(applies)
        ended = project.run("destroy", "--yes", "--wait-for-lock", "100")
        other.result()
    assert ended.code == 0, ended.out + ended.err
    return ended


@pytest.mark.parametrize("before", [True, False], ids=["something was there", "nothing was there"])
def test_behind_an_apply_it_looks_again(project: Project, before: bool) -> None:
    if before:
        project.ok("apply", "--target", "log-group./ecs/tiny")
    mine = [{"key": "reconciler:deploy", "value": "tiny"}]
    ended = behind_an_apply(project, lambda lab: lab.client("ecs").create_cluster(clusterName="tiny", tags=mine))
    assert "warning: made or changed since the list was shown: cluster.tiny" in ended.err
    assert "- cluster" in ended.out.partition("Destroyed")[0]
    cluster = project.lab.client("ecs").describe_clusters(clusters=["tiny"])["clusters"][0]
    assert cluster["status"] == "INACTIVE"
    assert f"Destroyed {2 if before else 1} resources" in ended.out


def test_what_has_changed_since_it_was_shown_is_asked_for_again(project: Project) -> None:
    """Only what is there was compared: a resource that had become another's in all but its name was just deleted."""
    project.ok("apply", "--target", "log-group./ecs/tiny")
    longer: dict[str, Any] = {"logGroupName": "/ecs/tiny", "retentionInDays": 3653}
    ended = behind_an_apply(project, lambda lab: lab.client("logs").put_retention_policy(**longer))
    assert "warning: made or changed since the list was shown: log-group./ecs/tiny" in ended.err
    assert ended.out.count("Plan: 1 to delete.") == 2


@pytest.mark.parametrize("workers", [True, False])
def test_certificates_are_left_by_no_destroy(project: Project, workers: bool) -> None:
    """Also where one was stopped after its last deletion: the next has nothing else to do. Not either where the file
    has run.workers no more.
    """
    if workers:
        project.write("deploy.yaml", DEPLOY.replace("run: {", "run: {workers: {count: 1}, "))
    ssm = project.lab.client("ssm")
    ssm.put_parameter(Name="/reconciler/tiny/workers/left", Value="x", Type="SecureString")
    ended = project.run("destroy", "--yes")
    assert ended.code == 0, ended.out + ended.err
    assert not ssm.get_parameters_by_path(Path="/reconciler/tiny/workers")["Parameters"]


def test_what_may_not_be_listed_leaves_no_record(project: Project) -> None:
    """The record and what runs left go at the same time, as far as they may; a later destroy does the rest."""
    project.write("deploy.yaml", DEPLOY.replace("run: {", "run: {unattended: true, "))
    ssm, group = project.lab.client("ssm"), "log-group./ecs/tiny"
    project.ok("apply", "--target", group, "--skip-run")
    ssm.put_parameter(Name="/reconciler/tiny/workers/left", Value="x", Type="SecureString")
    project.lab.rules(error("scheduler", "ListSchedules", "AccessDeniedException", times=-1, status=403))
    ended = project.run("destroy", "--yes")
    assert ended.code == 1
    assert "scheduler:ListSchedules" in ended.err
    assert not ssm.get_parameters_by_path(Path="/reconciler/tiny", Recursive=True)["Parameters"]
    project.lab.rules()
    project.ok("destroy", "--yes")


def test_the_group_of_tasks_keeps_its_description_when_workers_come_or_go(project: Project) -> None:
    """AWS can't change it, so that it would be replaced. A new one says what it is."""
    with_workers = DEPLOY.replace("run: {", "run: {workers: {count: 1}, ")
    ec2, only = project.lab.client("ec2"), ("apply", "--target", "security-group.tiny", "--skip-run")

    def described() -> tuple[str, str]:
        named = [{"Name": "group-name", "Values": ["tiny"]}]
        (group,) = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
        return group["GroupId"], group["Description"]

    for first, second, says in (
        (DEPLOY, with_workers, "tiny tasks, egress only"),
        (with_workers, DEPLOY, "tiny tasks, ingress from each other only"),
    ):
        project.write("deploy.yaml", first)
        project.ok(*only)
        before = described()
        assert before[1] == says
        project.write("deploy.yaml", second)
        project.ok(*only)
        assert described() == before
        project.ok("destroy", "--yes")


@pytest.mark.parametrize("there", [False, True])
def test_schedules_that_call_a_deleted_function_are_left_by_no_destroy(project: Project, there: bool) -> None:
    """A new one of its name would go on with runs of the one before. there: the function isn't ours, and stays."""
    project.write("deploy.yaml", DEPLOY.replace("run: {", "run: {unattended: true, "))
    scheduler, lab, role = project.lab.client("scheduler"), project.lab, "arn:aws:iam::123456789012:role/r"
    lab.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    function, stop = "arn:aws:lambda:us-east-1:123456789012:function:", "arn:aws:scheduler:::aws-sdk:ecs:stopTask"
    for name, target in (
        ("tiny.20260102-030405-aaaaaaaa-look", f"{function}tiny-schedule-watcher"),
        ("tiny.20260102-030405-aaaaaaaa-1-again", f"{function}tiny-schedule-watcher"),
        ("tiny.20260102-030405-aaaaaaaa-2", stop),
        ("tiny2.20260102-030405-aaaaaaaa-look", f"{function}tiny2-schedule-watcher"),
    ):
        scheduler.create_schedule(
            Name=name, ScheduleExpression="rate(20 minutes)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": target, "RoleArn": role, "Input": "{}"},
        )  # fmt: skip
    if there:
        lab.client("lambda").create_function(
            FunctionName="tiny-schedule-watcher", Runtime="python3.13", Role=role, Handler="a.b", Code={"ZipFile": ZIP}
        )
    before = {schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]}
    ended = project.run("destroy", "--yes")
    assert ended.code == 0, ended.out + ended.err
    gone = set() if there else {name for name in before if name.startswith("tiny.") and not name.endswith("-2")}
    assert {schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]} == before - gone
    assert len(before) == 4


def test_a_policy_that_was_attached_since_the_look_is_detached(lab: LabHandle) -> None:
    iam, aws, name = lab.client("iam"), lab.aws(), "a-role"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    (seen,) = Role().observe(aws, [RoleSpec(name=name)]).values()
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=MORE)
    Actor(aws, {"role": Role()}, "tiny", frozenset(), threading.Event()).delete(seen)
    assert name not in {role["RoleName"] for role in iam.list_roles()["Roles"]}


def test_what_stays_as_it_was_is_told(lab: LabHandle) -> None:
    iam, aws, name = lab.client("iam"), lab.aws(), "kept-role"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    (seen,) = Role().observe(aws, [RoleSpec(name=name)]).values()
    conflict = {"code": "DeleteConflict", "message": "no", "status": 409}
    lab.rules({"service": "iam", "op": "DeleteRole", "do": "error", "times": -1, **conflict})
    with pytest.raises(AwsError, match="DeleteConflict"):
        Actor(aws, {"role": Role()}, "tiny", frozenset(), threading.Event()).delete(seen)
    lab.rules()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("service", "answer", "params", "fresh"),
    [
        ("iam", {"Role": {"RoleName": "one", "CreateDate": moment(-5)}}, {"roleArn": "arn:aws:iam::1:role/one"}, True),
        ("iam", {"Roles": [{}, {"RoleName": "one", "CreateDate": moment(-5)}]}, {"RoleName": "one"}, True),
        ("iam", {"Role": {"RoleName": "one", "CreateDate": moment(60)}}, {"RoleName": "one"}, True),  # another clock
        ("iam", {"Role": {"RoleName": "one", "CreateDate": moment(-SECONDS - 1)}}, {"RoleName": "one"}, False),
        ("iam", {"Role": {"RoleName": "one"}}, {"RoleName": "one"}, False),
        ("iam", {"Role": {"RoleName": "one", "CreateDate": moment(-5)}}, {"RoleName": "two"}, False),
        ("logs", {"logGroups": [{"logGroupName": "/g", "creationTime": int((NOW - 5) * 1000)}]},
         {"logGroupName": "/g"}, True),
        ("ecr", {"repositories": [{"repositoryName": "e", "createdAt": moment(-5)}]}, {"repositoryName": "e"}, True),
        ("s3", {"Role": {"RoleName": "one", "CreateDate": moment(-5)}}, {"RoleName": "one"}, False),
        ("ecr", {"repositories": [{"repositoryName": "e", "createdAt": moment(-5)}]}, {"Bucket": "e-data"}, False),
        ("ecr", {"repositories": [{"repositoryName": "e", "createdAt": moment(-5)}]}, {"Bucket": "the"}, False),
        ("ecr", {"repositories": [{"repositoryName": "a/e", "createdAt": moment(-5)}]},
         {"Resource": "arn:aws:ecr:us-east-1:1:repository/a/e"}, True),
        ("iam", {"Role": {"RoleName": "a+b", "CreateDate": moment(-5)}},
         {"Policy": '{"AWS": ["arn:aws:iam::1:role/path/a+b"]}'}, True),
        ("iam", {"Role": {"RoleName": "one", "CreateDate": moment(-5)}}, {"Role": "arn:aws:iam::1:role/one-2"}, False),
        ("logs", {"logGroups": [{"logGroupName": "/ecs/g", "creationTime": int((NOW - 5) * 1000)}]},
         {"resourceArn": "arn:aws:logs:us-east-1:1:log-group:/ecs/g:*"}, True),
        ("iam", {"IsTruncated": False, "Marker": "m"}, {"RoleName": "m"}, False),
    ],
)  # fmt: skip
def test_what_is_new_by_its_date(service: str, answer: Any, params: Any, fresh: bool) -> None:
    made = Fresh()
    made.see(service, answer, NOW)
    assert made.names(params, NOW) is fresh


def test_a_role_of_a_command_that_was_stopped_is_waited_for(lab: LabHandle) -> None:
    """ECS doesn't take it yet, and whoever made it doesn't exist any more."""
    lab.client("iam").create_role(RoleName="fresh-role", AssumeRolePolicyDocument=TRUST)
    not_yet = {"code": "ClientException", "message": "Role is not valid", "status": 400}
    aws, role = lab.aws(), "arn:aws:iam::123456789012:role/fresh-role"
    task: dict[str, Any] = {
        "family": "f", "taskRoleArn": role, "containerDefinitions": [{"name": "main", "image": "x", "memory": 128}],
    }  # fmt: skip
    lab.rules({"service": "ecs", "op": "RegisterTaskDefinition", "do": "error", "times": 2, **not_yet})
    aws.call("iam", "GetRole", RoleName="fresh-role")
    assert aws.call("ecs", "RegisterTaskDefinition", **task)["taskDefinition"]["revision"] == 1
    lab.rules()
