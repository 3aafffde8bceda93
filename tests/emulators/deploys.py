"""Three files, small to large, and what somebody does to what was made of each, behind the tool's back."""

# ruff: noqa: E501  (a table reads best in whole lines)
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.emulators.server import ACCOUNT, REGION

Client = Callable[[str], Any]
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OTHERS = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/others"
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


@dataclass(frozen=True)
class Drift:
    """address: of what it is done to; path: of the change that the plan has to show, empty for what is gone.

    In both {n} is the deploy's name. do: is given a way to clients and that name. also: what is touched with it.
    """

    address: str
    path: str
    do: Callable[[Client, str], Any]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """A deploy.yaml, and its drifts, which are all made at once."""

    name: str
    sections: dict[str, Any]
    drifts: tuple[Drift, ...]

    def without(self, *left_out: str) -> dict[str, Any]:
        """What is in it, but for some sections, and sections of sections: `ci.user`."""
        found = {"name": self.name} | {key: value for key, value in self.sections.items() if key not in left_out}
        for outer, _, inner in (path.partition(".") for path in left_out):
            if inner and inner in found.get(outer, {}):
                found[outer] = {key: value for key, value in found[outer].items() if key != inner}
        return {key: value for key, value in found.items() if value != {}}


def call(service: str, operation: str, /, **arguments: Any) -> Callable[[Client, str], Any]:
    """A call of boto3's with {n} filled in."""

    def do(client: Client, name: str) -> Any:
        text = json.dumps(arguments).replace("{n}", name)
        return getattr(client(service), operation)(**json.loads(text))

    return do


def ssh(client: Client, name: str) -> None:
    ec2 = client("ec2")
    found = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=found[0]["GroupId"], IpPermissions=[rule])


def smaller(client: Client, name: str) -> None:
    ecs = client("ecs")
    found = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    keep = (
        "family",
        "networkMode",
        "requiresCompatibilities",
        "executionRoleArn",
        "taskRoleArn",
        "containerDefinitions",
    )
    ecs.register_task_definition(**{key: found[key] for key in keep}, cpu="512", memory="1024")


def switch_off(client: Client, name: str) -> None:
    scheduler = client("scheduler")
    found = scheduler.get_schedule(Name=f"{name}-schedule")
    keep = ("Name", "Description", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target")
    scheduler.update_schedule(**{key: found[key] for key in keep if key in found}, State="DISABLED")


def keep_shorter(client: Client, name: str) -> None:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=f"{name}-schedule-dead-letters")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})


def tell_others(client: Client, name: str) -> None:
    sns, url = client("sns"), client("sqs").create_queue(QueueName="others")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}-runs", Protocol="sqs", Endpoint=arn)


BUCKET = "{n}-data-" + ACCOUNT
STATES = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
)
SMALL_DRIFTS = (
    Drift(
        f"bucket.{BUCKET}",
        "versioning",
        call("s3", "put_bucket_versioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}),
    ),
    Drift(f"bucket.{BUCKET}", "public_access_block", call("s3", "delete_public_access_block", Bucket=BUCKET)),
    Drift(
        f"object.{BUCKET}/data/prices.csv",
        "sha256",
        call("s3", "put_object", Bucket=BUCKET, Key="data/prices.csv", Body="a,b\n"),
    ),
    Drift(
        "log-group./ecs/{n}",
        "retention_in_days",
        call("logs", "put_retention_policy", logGroupName="/ecs/{n}", retentionInDays=365),
    ),
    Drift(
        "role.{n}-task-role",
        "managed_policies",
        call("iam", "attach_role_policy", RoleName="{n}-task-role", PolicyArn=ADMIN),
    ),
    Drift(
        "role.{n}-task-role",
        "inline_policies.more",
        call("iam", "put_role_policy", RoleName="{n}-task-role", PolicyName="more", PolicyDocument=ALL),
    ),
    Drift(
        "role.{n}-task-execution-role",
        "trust",
        call("iam", "update_assume_role_policy", RoleName="{n}-task-execution-role", PolicyDocument=STATES),
    ),
    Drift(
        "policy.{n}-task-policy",
        "document",
        call(
            "iam",
            "create_policy_version",
            PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{{n}}-task-policy",
            PolicyDocument=ALL,
            SetAsDefault=True,
        ),
    ),
    Drift(
        "repository.{n}",
        "scan_on_push",
        call(
            "ecr",
            "put_image_scanning_configuration",
            repositoryName="{n}",
            imageScanningConfiguration={"scanOnPush": False},
        ),
    ),
    Drift("repository.{n}", "keep_images", call("ecr", "delete_lifecycle_policy", repositoryName="{n}")),
    Drift("security-group.{n}", "ingress", ssh),
    Drift(
        "cluster.{n}",
        "container_insights",
        call("ecs", "update_cluster", cluster="{n}", settings=[{"name": "containerInsights", "value": "enhanced"}]),
    ),
    Drift("task-definition.{n}", "cpu", smaller),
)
MEDIUM_DRIFTS = (
    Drift(f"bucket.{BUCKET}", "lifecycle", call("s3", "delete_bucket_lifecycle", Bucket=BUCKET)),
    Drift(f"object.{BUCKET}/data/again.csv", "", call("s3", "delete_object", Bucket=BUCKET, Key="data/again.csv")),
    Drift(
        "repository.{n}",
        "tag_mutability",
        call("ecr", "put_image_tag_mutability", repositoryName="{n}", imageTagMutability="MUTABLE"),
    ),
    Drift("user.{n}-ci", "managed_policies", call("iam", "attach_user_policy", UserName="{n}-ci", PolicyArn=ADMIN)),
    Drift("user.{n}-ci", "access_keys", call("iam", "create_access_key", UserName="{n}-ci")),
    Drift("parameter./{n}/ETA", "", call("ssm", "delete_parameter", Name="/{n}/ETA")),
    Drift(
        "parameter./{n}/DEPTH",
        "tags",
        call(
            "ssm",
            "add_tags_to_resource",
            ResourceType="Parameter",
            ResourceId="/{n}/DEPTH",
            Tags=[{"Key": "team", "Value": "others"}],
        ),
    ),
    Drift("topic.{n}-runs", "subscriptions", tell_others),
    Drift("log-group./ecs/{n}", "", call("logs", "delete_log_group", logGroupName="/ecs/{n}")),
)
LARGE_DRIFTS = (
    Drift("queue.{n}-schedule-dead-letters", "retention", keep_shorter),
    Drift("schedule.{n}-schedule", "state", switch_off),
    Drift("rule.{n}-schedule-tasks", "state", call("events", "disable_rule", Name="{n}-schedule-tasks")),
    Drift("function.{n}-schedule-watcher", "memory", call("lambda", "update_function_configuration", FunctionName="{n}-schedule-watcher", MemorySize=1024)),
    Drift("service.{n}/{n}", "circuit_breaker", call("ecs", "update_service", cluster="{n}", service="{n}", deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}})),
    Drift("role.{n}-ci", "trust", call("iam", "update_assume_role_policy", RoleName="{n}-ci", PolicyDocument=STATES)),
    Drift("oidc-provider.token.actions.githubusercontent.com", "audiences", call("iam", "add_client_id_to_open_id_connect_provider", OpenIDConnectProviderArn=GITHUB, ClientID="theirs")),
    Drift("cluster.{n}", "default_strategy", call("ecs", "put_cluster_capacity_providers", cluster="{n}", capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])),
    Drift("parameter./{n}/ETA", "", call("ssm", "delete_parameter", Name="/{n}/ETA")),
)  # fmt: skip

SMALL = File(
    "emu-small",
    {
        "data": "prices.csv",
        "image": {"uri": "python:3.13-slim", "repository": {"keep_images": 5}},
        "task": {"cpu": 256, "memory": 512, "environment": {"EPOCHS": 3}},
        "logs": {"retention_days": 7},
        "run": {"when": "never"},
    },
    SMALL_DRIFTS,
)
MEDIUM = File(
    "emu-medium",
    {
        "tags": {"team": "forecasting", "note": "a b"},
        "data": {
            "bucket": {"lifecycle": [{"prefix": "runs/", "expire_days": 365}, {"noncurrent_days": 30}]},
            "files": ["prices.csv", {"file": "prices.csv", "key": "data/again.csv"}],
        },
        "image": {"uri": "python:3.13-slim", "repository": {"immutable_tags": True, "keep_images": 3}},
        "task": {
            "secrets": {"API_TOKEN": f"{OTHERS}/token"},
            "command": ["python", "-c", "print(1)"],
            "role": {"read": ["data/*"], "write": ["runs/*/output/*"]},
        },
        "parameters": {"ETA": 0.1, "DEPTH": {"value": 3, "give_as": "environment"}},
        "ci": {"user": {"access_keys": 1}},
        "notify": {"email": ["team@example.com"], "on": "failure"},
        "run": {"when": "never", "capacity": ["FARGATE_SPOT", "FARGATE"]},
    },
    MEDIUM_DRIFTS,
)
LARGE = File(
    "emu-large",
    {
        "data": "prices.csv",
        "image": {"uri": "python:3.13-slim", "repository": {}},
        "task": {"ephemeral_storage": 40, "stop_timeout": 90, "execution_role": {"managed_policy": True}},
        "parameters": {"ETA": 0.1},
        "cluster": {
            "container_insights": True,
            "default_strategy": [{"provider": "FARGATE_SPOT", "weight": 4}, {"provider": "FARGATE", "base": 1}],
        },
        "ci": {"github": {"repository": "owner/name", "pull_requests": True}},
        "notify": {"webhook": f"{OTHERS}/webhook"},
        "schedule": {"when": "cron(0 6 * * ? *)", "timezone": "America/Toronto"},
        "service": {"desired_count": 0},
        "run": {"when": "never", "max_duration": "2h"},
    },
    LARGE_DRIFTS,
)
FILES = (SMALL, MEDIUM, LARGE)
