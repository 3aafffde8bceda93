"""Samples of what a task runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.core.capacity import Weight
from reconciler.core.container import Container
from reconciler.core.managed_instances import requirements
from reconciler.kinds.ec2_security_group import EVERYWHERE, ITSELF, PortRule
from tests.kinds.sample import OTHER_TAGS, TAGS, trust
from tests.lab_client import ACCOUNT, REGION, LabHandle


def security_group(lab: LabHandle, folder: Path) -> dict[str, Any]:
    vpc = lab.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    places = ("10.0.0.0/8", "::/0", "10.1.0.0/16")
    ssh = tuple(PortRule(protocol="tcp", from_port=22, to_port=22, place=place) for place in places)
    itself = PortRule(protocol="tcp", from_port=1024, to_port=65535, place=ITSELF)
    return {
        "base": {"description": "a", "vpc": vpc, "egress": (EVERYWHERE,)},
        "changes": {
            "description": "b",
            "vpc": lab.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"],
            "ingress": tuple(sorted((*ssh, itself), key=repr)),
            "egress": (PortRule(protocol="udp", from_port=100, to_port=200, place="10.0.0.0/8"),),
            "tags": OTHER_TAGS,
        },
    }


def cluster(lab: LabHandle, folder: Path) -> dict[str, Any]:
    def shells(lab: LabHandle) -> None:
        logging = {"logging": "OVERRIDE", "logConfiguration": {"s3BucketName": "theirs"}}
        lab.client("ecs").update_cluster(cluster="sample", configuration={"executeCommandConfiguration": logging})

    return {
        "base": {
            "capacity_providers": ("FARGATE", "FARGATE_SPOT"),
            "default_strategy": (Weight(provider="FARGATE", weight=1),),
        },
        "changes": {
            "capacity_providers": ("FARGATE",),
            "default_strategy": (Weight(provider="FARGATE", base=1, weight=2),),
            "container_insights": "enabled",
            "tags": OTHER_TAGS,
        },
        "outside": {"attached": shells},
    }


def capacity_provider(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam, ec2 = lab.client("iam"), lab.client("ec2")
    lab.client("ecs").create_cluster(clusterName="sample", capacityProviders=["FARGATE"])
    for name, who in (("one", "ecs"), ("two", "ecs"), ("ecsInstanceRole-a", "ec2"), ("ecsInstanceRole-b", "ec2")):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(f"{who}.amazonaws.com").text())
        if who == "ec2":
            iam.create_instance_profile(InstanceProfileName=name)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    subnets = sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    groups = sorted(group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"])
    more = ec2.create_security_group(GroupName="more", Description="x", VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
    arn = f"arn:aws:iam::{ACCOUNT}"
    roles = {"instance_role": f"{arn}:role/ecsInstanceRole-b"}
    return {
        "base": {
            "name": "sample/sample",
            "infrastructure_role": f"{arn}:role/one",
            "instance_profile": f"{arn}:instance-profile/ecsInstanceRole-a",
            "instance_role": f"{arn}:role/ecsInstanceRole-a",
            "subnets": tuple(subnets[:1]),
            "security_groups": tuple(groups[:1]),
            "requirements": requirements(4096, 8192, 1, ("t4", "l4")).request(),
            "storage": 50,
            "scale_in_after": 60,
        },
        "changes": {
            "infrastructure_role": f"{arn}:role/two",
            "instance_profile": {"instance_profile": f"{arn}:instance-profile/ecsInstanceRole-b", **roles},
            "subnets": tuple(subnets[:2]),
            "security_groups": (more["GroupId"],),
            "requirements": requirements(8192, 16384).request(),
            "capacity_option": "SPOT",
            "storage": 100,
            "scale_in_after": 300,
            "propagate_tags": "CAPACITY_PROVIDER",
            "metadata_tags": True,
            "tags": OTHER_TAGS,
        },
    }


def task_definition(lab: LabHandle, folder: Path) -> dict[str, Any]:
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("one", "two")]
    for name in ("one", "two"):
        lab.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com").text())

    def volume(lab: LabHandle) -> None:
        lab.client("ecs").register_task_definition(
            family="sample",
            containerDefinitions=[{"name": "main", "image": "x", "memory": 128}],
            volumes=[{"name": "scratch"}],
            tags=[{"key": key, "value": value} for key, value in TAGS.items()],
        )

    full = Container(
        name="main", image="repo@sha256:1", entrypoint=("python",), command=("-m", "model"), environment={"B": "2"},
        secrets={"S": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/s"}, log_driver="awslogs",
        log_options={"awslogs-group": "g", "awslogs-region": REGION, "awslogs-stream-prefix": "p"}, stop_timeout=60,
    )  # fmt: skip
    return {
        "base": {
            "cpu": 1024,
            "memory": 2048,
            "execution_role": roles[0],
            "task_role": roles[0],
            "containers": (full,),
        },
        "changes": {
            "cpu": 512,
            "memory": 4096,
            "network_mode": {"network_mode": "bridge", "compatibilities": ("EC2",)},
            "compatibilities": ("EC2", "FARGATE"),
            "execution_role": roles[1],
            "task_role": roles[1],
            "cpu_architecture": "ARM64",
            "operating_system": "WINDOWS_SERVER_2022_CORE",
            "ephemeral_storage": 50,
            "containers": (Container(name="main", image="b"), Container(name="side", image="x", essential=False)),
            "tags": OTHER_TAGS,
        },
        "alone": {"network_mode"},  # Fargate has but one
        "outside": {"extra": volume},
    }


def service(lab: LabHandle, folder: Path) -> dict[str, Any]:
    ecs, ec2, vpc = lab.client("ecs"), lab.client("ec2"), lab.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    ecs.create_cluster(clusterName="sample", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    lab.client("iam").create_role(RoleName="one", AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com").text())
    revisions, groups = [], []
    for name in ("one", "two"):
        answer = ecs.register_task_definition(
            family=name, cpu="256", memory="512", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/one", containerDefinitions=[{"name": "main", "image": "x"}],
        )  # fmt: skip
        revisions.append(answer["taskDefinition"]["taskDefinitionArn"])
        groups.append(ec2.create_security_group(GroupName=f"s-{name}", Description="x", VpcId=vpc)["GroupId"])
    subnets = sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    return {
        "base": {
            "name": "sample/sample",
            "task_definition": revisions[0],
            "circuit_breaker": "rollback",
            "capacity": (Weight(provider="FARGATE", weight=1),),
            "subnets": tuple(subnets[:2]),
            "security_groups": (groups[0],),
            "public_ip": True,
        },
        "changes": {
            "desired_count": 1,
            "task_definition": revisions[1],
            "circuit_breaker": "disabled",
            "minimum_healthy": 50,
            "maximum": 150,
            "capacity": (Weight(provider="FARGATE", weight=1), Weight(provider="FARGATE_SPOT", weight=4)),
            "subnets": tuple(subnets[1:3]),
            "security_groups": tuple(sorted(groups)),
            "public_ip": False,
            "execute_command": True,
            "tags": OTHER_TAGS,
        },
    }
