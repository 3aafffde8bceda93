"""A task may do what its roles allow and nothing else, and is refused in AWS's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.permissions.judge import ANY_RESOURCE, decide
from tests.local_fixtures import REGION, EmbeddedAws, unique

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/raw/*"}
EXECUTION = "service-role/AmazonECSTaskExecutionRolePolicy"


@pytest.mark.parametrize(
    ("statements", "action", "resource", "expected"),
    [
        ([ALLOW], "s3:GetObject", "arn:aws:s3:::b/raw/x/y.csv", "allowed"),
        ([ALLOW], "S3:getobject", "arn:aws:s3:::b/raw/x", "allowed"),
        ([ALLOW], "s3:GetObject", "arn:aws:s3:::b/other", "not allowed"),
        ([ALLOW], "s3:GetObject", "arn:aws:s3:::B/raw/x", "not allowed"),
        ([ALLOW], "s3:PutObject", "arn:aws:s3:::b/raw/x", "not allowed"),
        ([ALLOW], "s3:GetObject", ANY_RESOURCE, "allowed"),
        (ALLOW, "s3:GetObject", "arn:aws:s3:::b/raw/", "allowed"),
        ([{**ALLOW, "Action": ["s3:Put*", "s3:Get?bject"]}], "s3:GetObject", "arn:aws:s3:::b/raw/x", "allowed"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "iam:PassRole", "*", "not allowed"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "s3:GetObject", "*", "allowed"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "b/*"}], "s3:GetObject", "b/x", "not allowed"),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], "s3:GetObject", "arn:aws:s3:::b/raw/x", "denied"),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], "s3:GetObject", ANY_RESOURCE, "allowed"),
    ],
)  # fmt: skip
def test_policies_are_judged(statements: Any, action: str, resource: str, expected: str) -> None:
    assert decide([{"Statement": statements}], action, resource) == expected


@pytest.mark.parametrize(
    ("effect", "condition", "expected"),
    [
        ("Allow", {"StringLike": {"s3:prefix": ["raw/*"]}}, "allowed"),
        ("Allow", {"StringLike": {"s3:prefix": ["other/*"]}}, "not allowed"),
        ("Allow", {"StringEquals": {"s3:prefix": "raw/x"}, "Bool": {"aws:SecureTransport": "true"}}, "allowed"),
        ("Allow", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "allowed"),
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}}, "not allowed"),
        ("Deny", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "not allowed"),
        ("Deny", {"StringNotEquals": {"s3:prefix": "raw/x"}}, "not allowed"),
        ("Deny", {"StringNotLike": {"s3:prefix": "other/*"}}, "denied"),
    ],
)
def test_conditions_that_can_be_judged_are_and_others_never_refuse(
    effect: str, condition: Mapping[str, Any], expected: str
) -> None:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}
    context = {"s3:prefix": "raw/x", "aws:securetransport": "true"}
    assert decide([{"Statement": [statement]}], "s3:ListBucket", "arn:aws:s3:::b", context) == expected


def run_as(embedded_aws: EmbeddedAws, source: str, *statements: Mapping[str, object]) -> list[str]:
    """The lines of a program that acts as a role with these statements."""
    role = embedded_aws.role(unique("role"), *statements)
    container = embedded_aws.container(embedded_aws.python_image(source))
    arn = embedded_aws.launch(
        embedded_aws.register(
            container,
            taskRoleArn=role,
            executionRoleArn=embedded_aws.role("exec", {"Effect": "Allow", "Action": "*", "Resource": "*"}),
        )
    )
    embedded_aws.finished(arn)
    return embedded_aws.lines(arn)


TRY = """
import boto3, botocore.exceptions
def attempt(call, **params):
    try:
        call(**params)
        print("done")
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"], "|", error.response["Error"]["Message"])
s3, logs, sts = boto3.client("s3"), boto3.client("logs"), boto3.client("sts")
"""


def test_a_task_is_held_to_its_least_privilege(embedded_aws: EmbeddedAws) -> None:
    bucket = unique("bucket")
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    for key in ("raw/in.csv", "secret/in.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    source = TRY + (
        f"b = dict(Bucket={bucket!r})\n"
        "attempt(s3.get_object, Key='raw/in.csv', **b)\n"
        "attempt(s3.get_object, Key='secret/in.csv', **b)\n"
        "attempt(s3.put_object, Key='out/model.json', Body=b'm', **b)\n"
        "attempt(s3.put_object, Key='raw/in.csv', Body=b'm', **b)\n"
        "attempt(s3.list_objects_v2, Prefix='raw/', **b)\n"
        "attempt(s3.list_objects_v2, Prefix='secret/', **b)\n"
        "attempt(s3.list_buckets)\n"
        "attempt(s3.copy_object, Key='out/copy', CopySource=dict(Key='secret/in.csv', **b), **b)\n"
        "attempt(s3.delete_objects, Delete=dict(Objects=[dict(Key='raw/in.csv')]), **b)\n"
        "attempt(logs.create_log_group, logGroupName='/of/the/task')\n"
        "attempt(sts.get_caller_identity)\n"
        "print(sts.get_caller_identity()['Arn'])\n"
    )
    arn = f"arn:aws:s3:::{bucket}"
    lines = run_as(
        embedded_aws,
        source,
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/raw/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{arn}/out/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": {"StringLike": {"s3:prefix": "raw/*"}},
        },
    )
    codes = [line.split(" | ")[0] for line in lines]
    assert codes[:11] == [
        "done", "AccessDenied", "done", "AccessDenied", "done", "AccessDenied", "AccessDenied", "AccessDenied",
        "AccessDenied", "AccessDeniedException", "done",
    ]  # fmt: skip
    assert ":assumed-role/role-" in lines[11]
    assert lines[1].endswith(
        f'is not authorized to perform: s3:GetObject on resource: "{arn}/secret/in.csv" '
        "because no identity-based policy allows the s3:GetObject action"
    )
    assert s3.get_object(Bucket=bucket, Key="raw/in.csv")["Body"].read() == b"x"  # its maker may do everything


def test_a_missing_key_is_told_only_to_who_may_list(embedded_aws: EmbeddedAws) -> None:
    bucket = unique("bucket")
    embedded_aws.client("s3").create_bucket(Bucket=bucket)
    source = TRY + f"attempt(s3.get_object, Bucket={bucket!r}, Key='gone')\n"
    get = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    assert "s3:ListBucket" in run_as(embedded_aws, source, get)[0]
    assert run_as(embedded_aws, source, get, listing)[0].startswith("NoSuchKey")


def test_a_task_without_a_role_has_no_credentials_and_they_end_with_the_task(embedded_aws: EmbeddedAws) -> None:
    source = (
        "import os, json; print(json.dumps([os.environ.get('AWS_ACCESS_KEY_ID'), os.environ.get('AWS_SESSION_TOKEN')]))"
    )
    image = embedded_aws.python_image(source)
    everything = embedded_aws.role("everything", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    keys = []
    for role in (everything, None):
        roles = {"taskRoleArn": role} if role else {}
        family = unique("family")
        embedded_aws.client("ecs").register_task_definition(
            family=family, requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
            executionRoleArn=everything, containerDefinitions=[embedded_aws.container(image)], **roles,
        )  # fmt: skip
        arn = embedded_aws.launch(family)
        embedded_aws.finished(arn)
        keys.append(json.loads(embedded_aws.lines(arn)[0]))
    assert None not in keys[0]
    assert keys[1] == [None, None]


@pytest.mark.parametrize(
    ("statements", "managed", "words"),
    [
        (
            [],
            [],
            "unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException",
        ),
        (["ecr:GetAuthorizationToken"], [], "failed with status code [manifests sha256:"),
        (["ecr:*"], [], "is not authorized to perform: logs:CreateLogStream on resource: arn:aws:logs:"),
        ([], [EXECUTION], "is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:"),
        (["ssm:GetParameters"], [EXECUTION], "invalid parameters: /nothing"),
    ],
)
def test_the_execution_role_needs_its_permissions(
    embedded_aws: EmbeddedAws, statements: list[str], managed: list[str], words: str
) -> None:
    embedded_aws.finished(embedded_aws.launch_python("pass"))  # so that the log group is there
    allow = [{"Effect": "Allow", "Action": statements, "Resource": "*"}] if statements else []
    role = embedded_aws.role(unique("role"), *allow, managed=managed)
    secrets = [{"name": "S", "valueFrom": "/nothing"}] if "ssm" in words or "/nothing" in words else []
    container = embedded_aws.container(embedded_aws.put_image({}, cmd=["true"]), secrets=secrets)
    task = embedded_aws.finished(embedded_aws.launch(embedded_aws.register(container, executionRoleArn=role)))
    assert task["stopCode"] == "TaskFailedToStart"
    assert words in task["stoppedReason"]


@pytest.mark.parametrize(("end", "may"), [("", False), ("-??????", True)])
def test_a_secret_is_judged_by_its_own_arn(embedded_aws: EmbeddedAws, end: str, may: bool) -> None:
    embedded_aws.finished(embedded_aws.launch_python("pass"))  # so that the log group is there
    secret = embedded_aws.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="hush")["ARN"][:-7]
    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{secret}{end}"}
    role = embedded_aws.role(unique("role"), allow, managed=[EXECUTION])
    container = embedded_aws.container(
        embedded_aws.put_image({}, cmd=["true"]), secrets=[{"name": "S", "valueFrom": secret}]
    )
    task = embedded_aws.finished(embedded_aws.launch(embedded_aws.register(container, executionRoleArn=role)))
    assert task["stopCode"] == ("EssentialContainerExited" if may else "TaskFailedToStart"), task["stoppedReason"]


def test_roles_that_ecs_can_not_take_are_refused_at_the_launch(embedded_aws: EmbeddedAws) -> None:
    iam, name = embedded_aws.client("iam"), unique("role")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    ours = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    elsewhere = {**ours, "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}
    document = json.dumps({"Statement": [elsewhere]})
    others = iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for role in (arn, arn + "-missing", others):
        family = embedded_aws.register(
            embedded_aws.container(embedded_aws.put_image({}, cmd=["true"])), taskRoleArn=role
        )
        with pytest.raises(ClientError, match="ECS was unable to assume the role") as caught:
            embedded_aws.run_task(family)
        assert caught.value.response["Error"]["Code"] == "ClientException"


@pytest.mark.any_request
def test_fargate_needs_an_execution_role_for_ecr_images(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError, match="execution role ARN to support ECR images"):
        embedded_aws.client("ecs").register_task_definition(
            family=unique("family"), requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
            containerDefinitions=[{"name": "c", "image": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/r:1"}],
        )  # fmt: skip


def test_users_and_assumed_roles_are_held_to_their_policies(embedded_aws: EmbeddedAws) -> None:
    iam, sts = embedded_aws.client("iam"), embedded_aws.client("sts")
    task_role = embedded_aws.role(unique("task-role"))
    allow: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": ["ecs:*", "ecr:Describe*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": task_role},
    ]
    name = unique("ci-user")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow})
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    role = sts.assume_role(RoleArn=embedded_aws.role(unique("ci"), *allow), RoleSessionName="session")["Credentials"]
    session = {
        "aws_access_key_id": role["AccessKeyId"],
        "aws_secret_access_key": role["SecretAccessKey"],
        "aws_session_token": role["SessionToken"],
    }
    for keys in (user, session):

        def client(service: str, keys: dict[str, str] = keys) -> Any:
            return embedded_aws.new_client(service, **keys)

        client("ecr").describe_repositories()
        for call, words in (
            (client("ecr").create_repository, "ecr:CreateRepository"),
            (client("iam").list_roles, "iam:ListRoles"),
            (client("ec2").describe_vpcs, "ec2:DescribeVpcs"),
        ):
            with pytest.raises(ClientError, match=f"is not authorized to perform: {words}"):
                call(**({"repositoryName": unique("repo")} if "Repository" in words else {}))
        definition = {"family": unique("family"), "containerDefinitions": [{"name": "c", "image": "i", "memory": 64}]}
        client("ecs").register_task_definition(taskRoleArn=task_role, **definition)
        with pytest.raises(ClientError, match="is not authorized to perform: iam:PassRole on resource: arn:"):
            client("ecs").register_task_definition(taskRoleArn=task_role + "-other", **definition)
