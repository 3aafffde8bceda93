"""The judge of requests refuses what AWS refuses, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.request_rules import judge

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}


def role(**more: Any) -> dict[str, Any]:
    return {"RoleName": "r", "AssumeRolePolicyDocument": json.dumps(TRUST), **more}


def policy(**more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **more}
    return {"PolicyName": "p", "PolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("iam", "CreateRole", role(), ""),
    ("iam", "CreateRole", role(Description="for tasks, a role"), ""),
    ("iam", "CreateRole", role(RoleName="a b"), "isn't as"),
    ("iam", "CreateRole", role(RoleName="x" * 65), "64 at most"),
    ("iam", "CreateRole", role(Description="tab\x08"), "isn't as"),
    ("iam", "CreateRole", role(MaxSessionDuration=60), "3600 at least"),
    ("iam", "CreateRole", {"RoleName": "r"}, "lacks AssumeRolePolicyDocument"),
    ("iam", "CreateRole", role(Colour="red"), "has no Colour"),
    ("iam", "CreateRole", role(Tags=[{"Key": "aws:x", "Value": "1"}]), "is AWS's"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]), "a tag twice"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "v" * 257}]), "256"),
    ("iam", "CreatePolicy", policy(), ""),
    ("iam", "CreatePolicy", policy(Sid="Not-plain"), "more than letters and digits"),
    ("iam", "CreatePolicy", policy(Resource=[]), "an empty Resource"),
    ("iam", "CreatePolicy", policy(Resource="b/*"), "is no ARN"),
    ("iam", "CreatePolicy", policy(Action="GetObject"), "is no action"),
    ("iam", "CreatePolicy", policy(Resource="arn:aws:s3:::b/\u4e2d"), ""),
    ("iam", "CreatePolicy", policy(Resource=[f"arn:aws:s3:::b/{n:050}" for n in range(110)]), "6,144"),
    ("ssm", "PutParameter", {"Name": "/a/b", "Value": "x", "Type": "String"}, ""),
    ("ssm", "PutParameter", {"Name": "/a/b@c", "Value": "x", "Type": "String"}, "letters, digits"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x" * 4097, "Type": "String"}, "4,096"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "{{x}}", "Type": "String"}, "names another parameter"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x", "Type": "Text"}, "is none of"),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a"}, ""),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a b"}, "isn't as"),
    ("ecr", "CreateRepository", {"repositoryName": "Upper"}, "isn't as"),
    ("scheduler", "CreateSchedule", {"Name": "a b", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow":
     {"Mode": "OFF"}, "Target": {"Arn": "a", "RoleArn": "arn:aws:iam::123456789012:role/r"}}, "isn't as"),
    ("ecs", "RunTask", {"taskDefinition": "t", "count": 1, "overrides": {"containerOverrides": [{"name": "m",
     "environment": [{"name": "A", "value": "x" * 8192}]}]}}, "8,192"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "params", "problem"), CASES)
def test_a_request(service: str, operation: str, params: dict[str, Any], problem: str) -> None:
    found = judge(service, operation, params)
    if problem:
        assert any(problem in one for one in found), found
    else:
        assert found == []
