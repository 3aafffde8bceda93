"""What AWS refuses for its size, to the last character: each is taken with as much as AWS takes, and not with more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.core import limits
from reconciler.core.limits import json_characters, json_size
from tests.local_fixtures import EmbeddedAws, unique

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
Put = Callable[[EmbeddedAws, int], object]


def document(size: int, statement: dict[str, Any] | None = None) -> str:
    """A policy of so many characters, as IAM counts them."""
    base = statement or {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/"}
    whole = {"Version": "2012-10-17", "Statement": [{"Sid": "", **base}]}
    whole["Statement"][0]["Sid"] = "x" * (size - limits.policy_size(whole))  # type: ignore[index]
    return json.dumps(whole, indent=1)


def managed(aws: EmbeddedAws, size: int) -> None:
    aws.client("iam").create_policy(PolicyName=unique(), PolicyDocument=document(size))


def version(aws: EmbeddedAws, size: int) -> None:
    iam = aws.client("iam")
    arn = iam.create_policy(PolicyName=unique(), PolicyDocument=document(200))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(size))


def trust(aws: EmbeddedAws, size: int) -> None:
    aws.client("iam").create_role(RoleName=unique(), AssumeRolePolicyDocument=document(size, TRUST))


def new_trust(aws: EmbeddedAws, size: int) -> None:
    name = aws.role(unique()).rpartition("/")[2]
    aws.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=document(size, TRUST))


def inline_of_role(aws: EmbeddedAws, size: int) -> None:
    """Two together; one that is put again counts once."""
    name = aws.role(unique()).rpartition("/")[2]
    for policy, part in (("a", 5000), ("b", 300), ("b", size - 5000)):
        aws.client("iam").put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(part))


def inline_of_user(aws: EmbeddedAws, size: int) -> None:
    iam, name = aws.client("iam"), unique()
    iam.create_user(UserName=name)
    for policy, part in (("a", 1000), ("b", size - 1000)):
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=document(part))


def attached(aws: EmbeddedAws, many: int) -> None:
    iam, name = aws.client("iam"), aws.role(unique()).rpartition("/")[2]
    for _ in range(many):
        arn = iam.create_policy(PolicyName=unique(), PolicyDocument=document(200))["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)


def definition(aws: EmbeddedAws, size: int) -> None:
    request = {
        "family": unique(),
        "containerDefinitions": [{"name": "main", "image": "x", "memory": 128, "command": [""]}],
    }
    request["containerDefinitions"][0]["command"] = ["x" * (size - json_size(request))]  # type: ignore[index]
    aws.client("ecs").register_task_definition(**request)


def overrides(aws: EmbeddedAws, size: int) -> None:
    family = aws.register(aws.container(aws.put_image({}, cmd=["true"])))
    asked: dict[str, Any] = {"containerOverrides": [{"name": "main", "environment": [{"name": "A", "value": ""}]}]}
    asked["containerOverrides"][0]["environment"][0]["value"] = "x" * (size - json_characters(asked))
    aws.launch(family, overrides=asked)


def environment(aws: EmbeddedAws, size: int) -> None:
    role = aws.role(unique(), service="lambda.amazonaws.com")
    variables = {"AB": "x" * (size - limits.environment_size({"AB": ""}))}
    aws.client("lambda").create_function(
        FunctionName=unique(), Runtime="python3.13", Handler="a.b", Role=role, Code={"ZipFile": b"PK\5\6" + b"\0" * 18},
        Environment={"Variables": variables},
    )  # fmt: skip


def parameter(aws: EmbeddedAws, size: int) -> None:
    aws.client("ssm").put_parameter(Name=f"/{unique()}", Value="ä" * (size // 2) + "x" * (size % 2), Type="String")


def pattern(aws: EmbeddedAws, size: int) -> None:
    text = json.dumps({"source": [""]})
    aws.client("events").put_rule(Name=unique(), EventPattern=json.dumps({"source": ["x" * (size - len(text))]}))


def bucket_policy(aws: EmbeddedAws, size: int) -> None:
    s3, name = aws.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=name)
    text = document(size - 100)
    s3.put_bucket_policy(Bucket=name, Policy=text + " " * (size - len(text)))


CASES: dict[str, tuple[Put, int]] = {
    "managed policy": (managed, limits.MANAGED_POLICY.most),
    "a version of it": (version, limits.MANAGED_POLICY.most),
    "trust policy": (trust, limits.TRUST.most),
    "changed trust policy": (new_trust, limits.TRUST.most),
    "inline policies of a role": (inline_of_role, limits.ROLE_INLINE.most),
    "inline policies of a user": (inline_of_user, limits.USER_INLINE.most),
    "attached policies": (attached, limits.ATTACHED.most),
    "task definition": (definition, limits.TASK_DEFINITION.most),
    "overrides": (overrides, limits.OVERRIDES.most),
    "a function's environment": (environment, limits.FUNCTION_ENVIRONMENT.most),
    "parameter": (parameter, limits.PARAMETER.most),
    "event pattern": (pattern, limits.EVENT_PATTERN.most),
    "bucket policy": (bucket_policy, limits.BUCKET_POLICY.most),
}


@pytest.mark.any_request
@pytest.mark.parametrize("case", CASES)
def test_as_much_as_aws_takes_and_no_more(embedded_aws: EmbeddedAws, case: str) -> None:
    put, most = CASES[case]
    put(embedded_aws, most)
    with pytest.raises(ClientError):
        put(embedded_aws, most + 1)


@pytest.mark.any_request
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("/a/b", True), ("a.b_c-D9", True), ("/" + "/".join("abcdefghijklmno"), True), ("/" + "x" * 900, True),
        ("/a@b", False), ("/a b", False), ("/a,b", False), ("/a+b", False), ("/a=b", False), ("/aws/x", False),
        ("/SSMthing", False), ("/" + "/".join("abcdefghijklmnop"), False), ("/" + "x" * 1000, False),
    ],
)  # fmt: skip
def test_names_of_parameters(embedded_aws: EmbeddedAws, name: str, right: bool) -> None:
    ssm = embedded_aws.client("ssm")
    if right:
        ssm.put_parameter(Name=name, Value="x", Type="String", Overwrite=True)
        ssm.delete_parameter(Name=name)
    else:
        with pytest.raises(ClientError):
            ssm.put_parameter(Name=name, Value="x", Type="String", Overwrite=True)
