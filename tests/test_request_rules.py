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
    ("iam", "CreateRole", role(RoleName="a b"), "regular expression"),
    ("iam", "CreateRole", role(RoleName="x" * 65), "less than or equal to 64"),
    ("iam", "CreateRole", role(Description="tab\x08"), "regular expression"),
    ("iam", "CreateRole", role(MaxSessionDuration=60), "greater than or equal to 3600"),
    ("iam", "CreateRole", {"RoleName": "r"}, "Value null at 'assumeRolePolicyDocument'"),
    ("iam", "CreateRole", role(Colour="red"), "'colour' is no member"),
    ("iam", "CreateRole", role(Tags=[{"Key": "aws:x", "Value": "1"}]), "is AWS's"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]), "Duplicate tag keys"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "v" * 257}]), "256"),
    ("iam", "CreatePolicy", policy(), ""),
    ("iam", "CreatePolicy", policy(Sid="Not-plain"), "more than letters and digits"),
    ("iam", "CreatePolicy", policy(Resource=[]), "an empty Resource"),
    ("iam", "CreatePolicy", policy(Resource="b/*"), "must be in ARN format"),
    ("iam", "CreatePolicy", policy(Action="GetObject"), "prefaced by a vendor"),
    ("iam", "CreatePolicy", policy(Resource="arn:aws:s3:::b/\u4e2d"), ""),
    ("iam", "CreatePolicy", policy(Resource=[f"arn:aws:s3:::b/{n:050}" for n in range(110)]), "PolicySize: 6144"),
    ("ssm", "PutParameter", {"Name": "/a/b", "Value": "x", "Type": "String"}, ""),
    ("ssm", "PutParameter", {"Name": "/a/b@c", "Value": "x", "Type": "String"}, "letters, digits"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x" * 4097, "Type": "String"}, "4096"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "{{x}}", "Type": "String"}, "nest another parameter"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x", "Type": "Text"}, "enum value set"),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a"}, ""),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a b"}, "regular expression"),
    ("ecr", "CreateRepository", {"repositoryName": "Upper"}, "regular expression"),
    ("scheduler", "CreateSchedule", {"Name": "a b", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow":
     {"Mode": "OFF"}, "Target": {"Arn": "a", "RoleArn": "arn:aws:iam::123456789012:role/r"}}, "regular expression"),
    ("ecs", "RunTask", {"taskDefinition": "t", "count": 1, "overrides": {"containerOverrides": [{"name": "m",
     "environment": [{"name": "A", "value": "x" * 8192}]}]}}, "8192"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "params", "problem"), CASES)
def test_a_request(service: str, operation: str, params: dict[str, Any], problem: str) -> None:
    found = judge(service, operation, params)
    if problem:
        assert any(problem in one for one in found), found
    else:
        assert found == []
