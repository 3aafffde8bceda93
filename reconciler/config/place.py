"""The sections `cluster` and `network`: where the task runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reconciler.config import names
from reconciler.config.base import Int, Section
from reconciler.core.limits import TASK_SUBNETS


class CapacityWeight(Section):
    """A capacity provider's part in the cluster's default strategy."""

    provider: Literal["FARGATE", "FARGATE_SPOT"] = Field(
        description="The capacity provider.", examples=["FARGATE_SPOT"]
    )
    weight: Int = Field(1, ge=0, le=1000, description="Its share of tasks.", examples=[4])
    base: Int = Field(0, ge=0, le=100000, description="This many tasks go to it first.", examples=[1])


class Cluster(Section):
    """The ECS cluster."""

    name: Annotated[str, names.ECS] | None = Field(
        None, description="The cluster's name. Default: NAME.", examples=["my-cluster"]
    )
    default_strategy: tuple[CapacityWeight, ...] = Field(
        (CapacityWeight(provider="FARGATE"),),
        min_length=1,
        description="How tasks are spread over capacity providers when a launch names none.",
        examples=[[{"provider": "FARGATE_SPOT", "weight": 4}, {"provider": "FARGATE", "base": 1}]],
    )
    container_insights: bool = Field(False, description="CloudWatch Container Insights (costs extra).", examples=[True])


class SecurityGroup(Section):
    """The task's security group: no incoming traffic, all outgoing traffic."""

    name: Annotated[str, names.SECURITY_GROUP] | None = Field(
        None, description="Its name. Default: NAME.", examples=["my-tasks"]
    )
    description: Annotated[str, names.SECURITY_GROUP_TEXT] | None = Field(
        None,
        description="What it is for; AWS can't change it later. Default: NAME tasks, egress only; "
        "with run.workers NAME tasks, ingress from each other only.",
        examples=["Training tasks, egress only"],
    )


Subnet = Annotated[str, names.SUBNET]
Subnets = Annotated[tuple[Subnet, ...], Field(min_length=1, max_length=TASK_SUBNETS.most)]


def _subnets(value: Any) -> Any:
    """A bare subnet is a list of one."""
    return [value] if isinstance(value, str) and value != "default" else value


def group_texts(deploy: str) -> tuple[str, str]:
    """The default descriptions of a deploy's security group: without `run.workers`, and with it."""
    return f"{deploy} tasks, egress only", f"{deploy} tasks, ingress from each other only"


class Network(Section):
    """Where the task runs."""

    vpc: Annotated[str, names.VPC] = Field(
        "default", description="`default`, or a VPC's id.", examples=["vpc-0123456789abcdef0"]
    )
    subnets: Annotated[
        Literal["default"] | Subnets,
        BeforeValidator(_subnets, json_schema_input_type=Literal["default"] | Subnet | Subnets),
    ] = Field(
        "default",
        description="`default` for all default subnets of the VPC, or subnet ids.",
        examples=[["subnet-0123456789abcdef0"]],
    )
    security_group: SecurityGroup = Field(
        SecurityGroup(), description="The security group.", examples=[{"name": "my-tasks"}]
    )
    public_ip: bool = Field(
        True,
        description="Give the task a public address. It needs one in a public subnet to reach ECR and S3 "
        "without a NAT gateway.",
        examples=[False],
    )
