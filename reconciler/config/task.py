"""The sections `task` and `logs`: the container, its size, its roles and its log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.config import names
from reconciler.config.base import AsWritten, Int, OneOrMore, Section
from reconciler.config.service import GPU_TYPE
from reconciler.config.task_size import Cpu, Memory
from reconciler.core.aws_names import RETENTION_DAYS
from reconciler.core.fargate import DISK, LONGEST_STOP, SHORTEST_STOP

WRITE = ("runs/*/output/*",)  # the default of `write`: the results of runs, and not their records
Words = Annotated[tuple[str, ...] | None, AsWritten()]
Paths = Annotated[tuple[Annotated[str, names.BUCKET_PATH], ...], OneOrMore()]


class PolicyStatement(Section):
    """One statement of a policy document, with IAM's own keys."""

    Sid: str | None = Field(None, description="A name for the statement.", examples=["ReadData"])
    Effect: Literal["Allow", "Deny"] = Field(description="Allow or Deny.", examples=["Allow"])
    Action: str | tuple[str, ...] = Field(
        min_length=1, description="Actions, with * for any.", examples=["s3:GetObject"]
    )
    Resource: str | tuple[str, ...] = Field(
        min_length=1, description="ARNs, with * for any.", examples=["arn:aws:s3:::my-pipeline-data/data/*"]
    )
    Condition: Annotated[dict[str, dict[str, str | tuple[str, ...]]], AsWritten()] = Field(
        {},
        description="Conditions, by operator and key.",
        examples=[{"StringEquals": {"aws:RequestedRegion": "us-east-1"}}],
    )


class Policy(Section):
    """A policy document, with IAM's own keys."""

    Version: Literal["2012-10-17"] = Field(
        "2012-10-17", description="The policy language's version.", examples=["2012-10-17"]
    )
    Statement: tuple[PolicyStatement, ...] = Field(
        min_length=1,
        description="The statements.",
        examples=[[{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pipeline-data/*"}]],
    )


class TaskRole(Section):
    """What the training program may do: paths of the bucket, or a policy document."""

    name: Annotated[str, names.ROLE] | None = Field(
        None, description="The role's name. Default: NAME-task-role.", examples=["my-task-role"]
    )
    policy_name: Annotated[str, names.POLICY] | None = Field(
        None, description="The name of its policy. Default: NAME-task-policy.", examples=["my-task-policy"]
    )
    read: Paths | None = Field(
        None,
        description="Paths of the bucket that the program reads. Default: the keys of data.files, and `write`.",
        examples=[["data/*"]],
    )
    write: Paths | None = Field(
        None,
        description="Paths of the bucket that the program writes. Default: runs/*/output/*.",
        examples=[["runs/*/output/*", "models/*"]],
    )
    description: Annotated[str, names.IAM_TEXT] = Field("", description="What the role is for.", examples=["Training"])
    source_account: bool = Field(
        True,
        description="Let ECS take the role for this account's tasks only (`aws:SourceAccount` in its trust).",
        examples=[False],
    )
    policy: Policy | None = Field(
        None,
        description="A policy document instead of `read` and `write`; beside one of them it adds to both.",
        examples=[
            {
                "Statement": [
                    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pipeline-data/*"}
                ]
            }
        ],
    )

    @property
    def only_policy(self) -> bool:
        """Whether a policy alone says what the program may do, without `read` and `write`."""
        return self.policy is not None and self.read is None and self.write is None


class ExecutionRole(Section):
    """The role with which ECS pulls the image and writes the log."""

    name: Annotated[str, names.ROLE] | None = Field(
        None, description="The role's name. Default: NAME-task-execution-role.", examples=["my-task-execution-role"]
    )
    description: Annotated[str, names.IAM_TEXT] = Field("", description="What the role is for.", examples=["For ECS"])
    managed_policy: bool = Field(
        False,
        description="Attach AWS's AmazonECSTaskExecutionRolePolicy, which reaches every repository and log group of "
        "the account, instead of a policy for this image and this log group.",
        examples=[True],
    )
    source_account: bool = Field(
        True,
        description="Let ECS take the role for this account's tasks only (`aws:SourceAccount` in its trust).",
        examples=[False],
    )


class Task(Section):
    """The ECS task definition: one container on Fargate, on managed instances, or on instances of yours."""

    family: Annotated[str, names.ECS] | None = Field(
        None, description="The task definition's family. Default: NAME.", examples=["my-task"]
    )
    container: Annotated[str, names.ECS] = Field("main", description="The container's name.", examples=["training"])
    cpu: Cpu = Field(
        1024, description="CPU units (1024 is one vCPU), or text like `1 vCPU`.", examples=[4096, "4 vCPU"]
    )
    memory: Memory = Field(
        2048, description="MiB, or text like `2GB`; which sizes Fargate has depends on `cpu`.", examples=[8192, "8GB"]
    )
    gpu: Int | None = Field(
        None,
        ge=1,
        le=16,
        description="Number of GPUs; needs managed instances or your own capacity provider in run.capacity, "
        "since Fargate has none.",
        examples=[1],
    )
    gpu_type: Annotated[tuple[Annotated[str, GPU_TYPE], ...], OneOrMore()] = Field(
        (),
        description="The GPU types that managed instances may have. Default: any of NVIDIA's.",
        examples=[["t4", "l4"]],
    )
    platform: Literal["X86_64", "ARM64"] = Field(
        "X86_64", description="The processor architecture.", examples=["ARM64"]
    )
    ephemeral_storage: Int | None = Field(
        None,
        ge=DISK[0],
        le=DISK[-1],
        description="Disk in GiB; null for the default: 20 on Fargate, 80 on managed instances.",
        examples=[50],
    )
    entrypoint: Words = Field(None, description="Replaces the image's entry point.", examples=[["/usr/bin/env"]])
    command: Words = Field(None, description="Replaces the image's command.", examples=[["python", "-m", "model"]])
    environment: Annotated[dict[Annotated[str, names.ENV], str], AsWritten()] = Field(
        {},
        description="Environment variables, beside USE_S3, S3_BUCKET, S3_KEY, S3_PREFIX and "
        "AWS_DEFAULT_REGION, which have defaults. Not for secrets: everybody who may describe the "
        "task definition can read them.",
        examples=[{"EPOCHS": "20"}],
    )
    secrets: dict[Annotated[str, names.ENV], Annotated[str, names.SECRET]] = Field(
        {},
        description="Environment variables from SSM parameters or Secrets Manager, each by ARN.",
        examples=[{"API_TOKEN": "arn:aws:ssm:us-east-1:123456789012:parameter/my-pipeline/api-token"}],  # nosec B105
    )
    secret_keys: Annotated[tuple[Annotated[str, names.KMS_KEY], ...], OneOrMore()] = Field(
        (),
        description="ARNs of the KMS keys that encrypt `secrets`, so that ECS may decrypt them; not needed for "
        "AWS's own keys.",
        examples=[["arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"]],
    )
    stop_timeout: Int | None = Field(
        None,
        ge=SHORTEST_STOP,
        le=LONGEST_STOP,
        description="Seconds from SIGTERM to SIGKILL. Default: 120, the most, where run.capacity or "
        "service.capacity has FARGATE_SPOT or managed-spot; else ECS's 30.",
        examples=[120],
    )
    execution_role: ExecutionRole = Field(
        ExecutionRole(), description="The role of ECS itself.", examples=[{"name": "my-task-execution-role"}]
    )
    role: TaskRole = Field(TaskRole(), description="The role of the program.", examples=[{"read": ["data/*"]}])


class Logs(Section):
    """The CloudWatch log group, and how lines are sent there."""

    group: Annotated[str, names.LOG_GROUP] | None = Field(
        None, description="The log group's name. Default: /ecs/FAMILY.", examples=["/ecs/my-task"]
    )
    retention_days: Annotated[Int, names.RETENTION, Field(json_schema_extra={"enum": list(RETENTION_DAYS)})] | None = (
        Field(30, description="Delete log lines after this many days; null keeps them for ever.", examples=[7])
    )
    stream_prefix: Annotated[str, names.ECS] = Field(
        "ecs", description="First part of a log stream's name.", examples=["training"]
    )
    mode: Literal["blocking", "non-blocking", "account"] | None = Field(
        None,
        description="`blocking`: the program waits until CloudWatch takes its lines. `non-blocking`: the "
        "program continues, and lines are lost when the buffer is full. `account`: the account's "
        "setting `defaultLogDriverMode` decides, by default non-blocking. Default: blocking, or "
        "what `options` say.",
        examples=["non-blocking"],
    )
    options: Annotated[dict[str, str], AsWritten()] = Field(
        {}, description="Further options of the awslogs driver.", examples=[{"awslogs-create-group": "true"}]
    )
