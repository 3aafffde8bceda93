"""The live suite itself, run against the embedded AWS, and its cleaning up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.kinds import lambda_function as bundle
from tests.lab_client import LabHandle
from tests.live.__main__ import FILES
from tests.live.account import MODE, Budget
from tests.live.cleanup import FINDERS, clean

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "rlive-rehearsal"
ALLOW = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
LAMBDA = '{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}'
TRUST = f'{{"Version": "2012-10-17", "Statement": [{LAMBDA}]}}'


@pytest.mark.long
@pytest.mark.skipif(bool(MODE), reason="this is it")
def test_it_runs_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.live", "--rehearsal", *FILES[:2]],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"at most \$0\.\d\d for tasks and their instances", done.stdout)
    assert "left in the account" in done.stdout
    assert "nothing, but inactive revisions" in done.stdout


def make(lab: LabHandle, prefix: str) -> None:
    """One of everything, with what is in the way of its deletion."""
    iam, s3, ecs = lab.client("iam"), lab.client("s3"), lab.client("ecs")
    arn = iam.create_policy(PolicyName=f"{prefix}-policy", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.create_role(RoleName=f"{prefix}-role", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName=f"{prefix}-role", PolicyArn=arn)
    iam.put_role_policy(RoleName=f"{prefix}-role", PolicyName="inline", PolicyDocument=ALLOW)
    iam.create_instance_profile(InstanceProfileName=f"{prefix}-profile")
    iam.add_role_to_instance_profile(InstanceProfileName=f"{prefix}-profile", RoleName=f"{prefix}-role")
    iam.create_user(UserName=f"{prefix}-user")
    iam.create_access_key(UserName=f"{prefix}-user")
    s3.create_bucket(Bucket=f"{prefix}-bucket")
    s3.put_bucket_versioning(Bucket=f"{prefix}-bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=f"{prefix}-bucket", Key="a", Body=b"1")
    s3.delete_object(Bucket=f"{prefix}-bucket", Key="a")
    lab.client("ecr").create_repository(repositoryName=f"{prefix}-repository")
    lab.client("logs").create_log_group(logGroupName=f"/ecs/{prefix}")
    ecs.create_cluster(clusterName=f"{prefix}-cluster")
    container = {"name": "main", "image": "x", "memory": 128}
    iam.create_instance_profile(InstanceProfileName=f"ecsInstanceRole-{prefix}")
    iam.create_role(RoleName=f"ecsInstanceRole-{prefix}", AssumeRolePolicyDocument=TRUST)
    ecs.register_task_definition(family=f"{prefix}-task", containerDefinitions=[container])
    vpc = lab.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    lab.client("ec2").create_security_group(GroupName=f"{prefix}-group", Description="a", VpcId=vpc)
    lab.client("ssm").put_parameter(Name=f"/reconciler/{prefix}/record", Value="a", Type="String")
    lab.client("events").put_rule(Name=f"{prefix}-rule", ScheduleExpression="rate(1 day)")
    lab.client("sqs").create_queue(QueueName=f"{prefix}-queue")
    topic = lab.client("sns").create_topic(Name=f"{prefix}-topic")["TopicArn"]
    lab.client("events").put_targets(Rule=f"{prefix}-rule", Targets=[{"Id": "1", "Arn": topic}])
    role = iam.get_role(RoleName=f"{prefix}-role")["Role"]["Arn"]
    lab.client("lambda").create_function(
        FunctionName=f"{prefix}-function", Role=role, Code={"ZipFile": bundle.archive()}, Runtime=bundle.RUNTIME,
        Handler=bundle.HANDLER,
    )  # fmt: skip
    target = {"Arn": topic, "RoleArn": "arn:aws:iam::123456789012:role/x"}
    window = {"Mode": "OFF"}
    lab.client("scheduler").create_schedule(
        Name=f"{prefix}-schedule", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=window, Target=target
    )


def names_of_resources(lab: LabHandle, prefix: str) -> list[str]:
    return [name for finder in FINDERS for name, _ in finder(lab.client, prefix)]


def test_all_with_the_prefix_is_deleted_and_nothing_else(lab: LabHandle) -> None:
    make(lab, PREFIX)
    make(lab, "another-name")
    assert len(names_of_resources(lab, PREFIX)) == len(FINDERS) + 2
    assert clean(lab.client, PREFIX) == []
    assert names_of_resources(lab, PREFIX) == []
    assert len(names_of_resources(lab, "another-name")) == len(FINDERS) + 2


def test_what_cannot_be_deleted_is_said_and_the_rest_is_done(lab: LabHandle) -> None:
    make(lab, PREFIX)
    denied = {"do": "error", "status": 403, "code": "AccessDenied", "message": "no", "times": -1}
    lab.rules({"service": "s3", "op": "DeleteBucket"} | denied)
    left = clean(lab.client, PREFIX)
    lab.rules()
    assert [line.split(":")[0] for line in left] == [f"bucket {PREFIX}-bucket"]
    assert names_of_resources(lab, PREFIX) == [f"bucket {PREFIX}-bucket"]


def test_a_short_prefix_is_refused(lab: LabHandle) -> None:
    with pytest.raises(AssertionError):
        clean(lab.client, "a")


@pytest.mark.parametrize("budget", [Budget(dollars=0.001), Budget(minutes=0)])
def test_a_budget_ends_the_suite(budget: Budget) -> None:
    with pytest.raises(pytest.fail.Exception, match="RECONCILER_LIVE_MAX"):
        budget.check(minutes=10)


def test_an_account_has_to_be_named() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.live"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--account is missing" in done.stderr
