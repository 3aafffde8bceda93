"""For every kind: a sample of it, another value for each of its fields, and what others may do to it.

A new kind isn't done until it has one here; `test_contract.py` holds every kind against the contract with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.canonical import Policy, policy
from reconciler.container import Container
from reconciler.image.kind import ImageKind
from reconciler.image.source import image_spec
from reconciler.kinds import KINDS, AnyKind
from reconciler.kinds.ec2_rules import EVERYWHERE, Rule
from reconciler.kinds.events_rule import RuleTarget
from reconciler.kinds.iam_user import CURRENT
from reconciler.kinds.s3_bucket import BLOCKS
from reconciler.kinds.s3_lifecycle import Expiry
from reconciler.kinds.s3_object import checksums
from reconciler.kinds.weights import Weight
from reconciler.local.process_engine import ProcessEngine
from reconciler.spec import OWNER_TAG, Spec
from tests.lab_client import ACCOUNT, REGION, LabHandle

TAGS = {OWNER_TAG: "sample", "team": "one"}
OTHER_TAGS = {OWNER_TAG: "sample", "team": "two", "more": "x"}
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def document(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::sample/*", **more: Any) -> Any:
    return policy(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}],
        }
    )


def trust(service: str) -> Any:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy({"Version": "2012-10-17", "Statement": statement})


Outside = Callable[[LabHandle], None]


@dataclass
class Sample:
    """base: the resource as first wanted. changes: another value for each field that can be wanted otherwise.

    A value that is a mapping with the field's own name in it brings along what else has to change with it.
    outside: what others do to a field that a kind only ever puts right.
    alone: changes that don't go with the others.
    """

    kind: AnyKind
    base: Spec
    changes: dict[str, Any]
    outside: Mapping[str, Outside] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()

    def changed(self, *names: str) -> Spec:
        """The sample with other values in these fields."""
        spec = self.base
        for name in names:
            value = self.changes[name]
            together = isinstance(value, dict) and name in value
            spec = spec.model_copy(update=value if together else {name: value})
        return spec


# Changes that roles and users share.
IDENTITY = {
    "managed_policies": (READ_ONLY,),
    "inline_policies": {"one": document("s3:PutObject"), "three": document()},
    "tags": OTHER_TAGS,
}


def sample(name: str, lab: LabHandle, folder: Path) -> Sample:
    """The sample of a kind; what it needs besides is made."""
    kinds: dict[str, AnyKind] = {kind.spec.kind: kind for kind in KINDS}
    made = SAMPLES[name](lab, folder)
    kind = made.pop("kind", None) or kinds[name]
    spec = kind.spec(**{"name": "sample", "tags": TAGS} | made["base"])
    return Sample(kind, spec, made["changes"], made.get("outside", {}), frozenset(made.get("alone", ())))


def oidc_provider(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {
        "base": {"name": "token.example.com", "audiences": ("one",)},
        "changes": {"audiences": ("one", "two"), "tags": OTHER_TAGS},
    }


def iam_policy(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam, arn = lab.client("iam"), f"arn:aws:iam::{ACCOUNT}:policy/sample"
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com").text())
    iam.create_user(UserName="one")
    iam.create_group(GroupName="one")

    def version_and_users(lab: LabHandle) -> None:
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("s3:Put*").text(), SetAsDefault=True)
        iam.attach_role_policy(RoleName="one", PolicyArn=arn)
        iam.attach_user_policy(UserName="one", PolicyArn=arn)
        iam.attach_group_policy(GroupName="one", PolicyArn=arn)

    return {
        "base": {"document": document(), "description": "a"},
        "changes": {"document": document("s3:*"), "description": "b", "tags": OTHER_TAGS},
        "outside": {"document": version_and_users},
    }


def role(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {
        "base": {
            "trust": trust("ecs-tasks.amazonaws.com"),
            "managed_policies": (EXECUTION,),
            "inline_policies": {"one": document(), "two": document()},
        },
        "changes": {
            "trust": trust("scheduler.amazonaws.com"),
            "description": "for training",
            "boundary": READ_ONLY,
            "max_session_duration": 7200,
            **IDENTITY,
        },
    }


def user(lab: LabHandle, folder: Path) -> dict[str, Any]:
    iam = lab.client("iam")
    for group in ("one", "two"):
        iam.create_group(GroupName=group)
    return {
        "base": {
            "managed_policies": (EXECUTION,),
            "inline_policies": {"one": document(), "two": document()},
            "groups": ("one",),
            "key_parameter": "/sample/key",
        },
        "changes": {"access_keys": (CURRENT,), "groups": ("two",), **IDENTITY},
        "outside": {
            "access_keys": lambda lab: iam.create_access_key(UserName="sample"),
            "console_password": lambda lab: iam.create_login_profile(UserName="sample", Password="S3cret-enough!"),
        },
    }


def bucket(lab: LabHandle, folder: Path) -> dict[str, Any]:
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::sample/*"}

    def grant(lab: LabHandle) -> None:
        lab.client("s3").put_bucket_acl(Bucket="sample", ACL="public-read")

    return {
        "base": {
            "region": REGION,
            "public_access_block": BLOCKS,
            "versioning": True,
            "lifecycle": (Expiry(noncurrent_days=90, abort_upload_days=7), Expiry(prefix="runs/", expire_days=365)),
        },
        "changes": {
            "region": "eu-central-1",
            "public_access_block": BLOCKS[:2],
            "policy": policy({"Version": "2012-10-17", "Statement": public}),
            "versioning": False,
            "encryption": "aws:kms",
            "kms_key": KEY,
            "lifecycle": (Expiry(prefix="runs/", expire_days=30), Expiry(prefix="runs/", noncurrent_days=3)),
            "tags": OTHER_TAGS,
        },
        "outside": {"grants": grant},
    }


def s3_object(lab: LabHandle, folder: Path) -> dict[str, Any]:
    lab.client("s3").create_bucket(Bucket="sample")
    files = [folder / name for name in ("one.csv", "two.csv")]
    files[0].write_text("a,b\n1,2\n")
    files[1].write_text("a,b\n1,2\n3,4\n")
    one, two = ({"file": str(path), "sha256": checksums(str(path))[0], "size": path.stat().st_size} for path in files)
    return {"base": {"name": "sample/data/one.csv", **one}, "changes": {"sha256": two, "size": two}}


def image(lab: LabHandle, folder: Path) -> dict[str, Any]:
    lab.client("ecr").create_repository(repositoryName="sample")
    specs = []
    for number in ("one", "two"):
        context = folder / number
        context.mkdir()
        (context / "Dockerfile").write_text('FROM scratch\nCOPY main.py .\nCMD ["python", "main.py"]\n')
        (context / "main.py").write_text(f"print('{number}')\n")
        specs.append(image_spec("sample", context, tags=("latest",))[0])
    one, two = ({"inputs": spec.inputs, "tags_wanted": spec.tags_wanted, "build": spec.build} for spec in specs)
    return {
        "kind": ImageKind(ProcessEngine(folder / "home", lab.aws()), lambda line: None),
        "base": one,
        "changes": {"inputs": two, "tags_wanted": ("latest", "v2")},
    }


def repository(lab: LabHandle, folder: Path) -> dict[str, Any]:
    def lifecycle(lab: LabHandle) -> None:
        rule = {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 3,
            },
            "action": {"type": "expire"},
        }
        text = json.dumps({"rules": [rule]})
        lab.client("ecr").put_lifecycle_policy(repositoryName="sample", lifecyclePolicyText=text)

    pull = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "ecr:BatchGetImage"}
    return {
        "base": {"scan_on_push": True, "keep_images": 10},
        "changes": {
            "policy": policy({"Version": "2012-10-17", "Statement": pull}),
            "encryption": "KMS",
            "scan_on_push": False,
            "tag_mutability": "IMMUTABLE",
            "keep_images": 3,
            "tags": OTHER_TAGS,
        },
        "outside": {"other_lifecycle": lifecycle},
    }


def log_group(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {
        "base": {"name": "/ecs/sample", "retention_in_days": 7},
        "changes": {"retention_in_days": None, "tags": OTHER_TAGS},
    }


def security_group(lab: LabHandle, folder: Path) -> dict[str, Any]:
    vpc = lab.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    places = ("10.0.0.0/8", "::/0", "10.1.0.0/16")
    ssh = tuple(Rule(protocol="tcp", from_port=22, to_port=22, place=place) for place in places)
    return {
        "base": {"description": "a", "vpc": vpc, "egress": (EVERYWHERE,)},
        "changes": {
            "description": "b",
            "vpc": lab.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"],
            "ingress": tuple(sorted(ssh, key=repr)),
            "egress": (Rule(protocol="udp", from_port=100, to_port=200, place="10.0.0.0/8"),),
            "tags": OTHER_TAGS,
        },
    }


def parameter(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {"base": {"name": "/sample/ETA", "initial": {"ETA": "0.1"}}, "changes": {"tags": OTHER_TAGS}}


def cluster(lab: LabHandle, folder: Path) -> dict[str, Any]:
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


def topic(lab: LabHandle, folder: Path) -> dict[str, Any]:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:sample"
    queues = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("one", "two")]
    for name in ("one", "two"):
        lab.client("sqs").create_queue(QueueName=name)

    def publish(service: str) -> Any:
        allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": arn}
        return policy({"Version": "2012-10-17", "Statement": allow})

    return {
        "base": {
            "policy": publish("events.amazonaws.com"),
            "subscriptions": ("email one@example.com", f"sqs {queues[0]}"),
        },
        "changes": {
            "policy": Policy(),
            "subscriptions": ("email one@example.com", "email two@example.com", f"sqs {queues[1]}"),
            "kms_key": KEY,
            "tags": OTHER_TAGS,
        },
        "outside": {
            "subscriptions": lambda lab: lab.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queues[1]),
        },
    }


def queue(lab: LabHandle, folder: Path) -> dict[str, Any]:
    send = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    return {
        "base": {"retention": 1209600},
        "changes": {
            "retention": 60,
            "policy": policy({"Version": "2012-10-17", "Statement": send}),
            "encryption": KEY,
            "tags": OTHER_TAGS,
        },
    }


def events_rule(lab: LabHandle, folder: Path) -> dict[str, Any]:
    one, two = (f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}" for name in ("one", "two"))
    target = RuleTarget(id="one", arn=one, paths={"task": "$.detail.taskArn"}, template='{"task": <task>}')

    def more(lab: LabHandle) -> None:
        lab.client("events").put_targets(Rule="sample", Targets=[{"Id": "more", "Arn": two, "Input": '"x"'}])

    return {
        "base": {"pattern": '{"source": ["aws.ecs"]}', "targets": (target,)},
        "changes": {
            "pattern": '{"detail":{"a":[1]},"source":["aws.ecr"]}',
            "state": "DISABLED",
            "description": "tells",
            "targets": (target.model_copy(update={"arn": two, "template": "", "paths": {}}),),
            "expression": "rate(1 day)",
            "role": f"arn:aws:iam::{ACCOUNT}:role/one",
            "tags": OTHER_TAGS,
        },
        "outside": {"targets": more},
    }


def schedule(lab: LabHandle, folder: Path) -> dict[str, Any]:
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("one", "two")]
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}"

    def longer(lab: LabHandle) -> None:
        scheduler = lab.client("scheduler")
        found = scheduler.get_schedule(Name="sample")
        keep = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Description")
        target = found["Target"]
        target["EcsParameters"] |= {"EnableExecuteCommand": True, "TaskCount": 3}
        scheduler.update_schedule(**{key: found[key] for key in keep}, Target=target, EndDate=2000000000)

    return {
        "base": {
            "expression": "cron(0 4 * * ? *)", "role": roles[0], "cluster": f"{arn}:cluster/one",
            "task_definition": f"{arn}:task-definition/one", "capacity": ("FARGATE 1 0",), "subnets": ("subnet-1",),
            "security_groups": ("sg-1",), "public_ip": True, "group": "one",
        },
        "changes": {
            "expression": "rate(1 day)", "timezone": "Europe/Berlin", "state": "DISABLED", "window": 15,
            "role": roles[1], "cluster": f"{arn}:cluster/two", "task_definition": f"{arn}:task-definition/two:3",
            "capacity": ("FARGATE_SPOT 1 0", "FARGATE 2 1"), "subnets": ("subnet-1", "subnet-2"),
            "security_groups": ("sg-2", "sg-3"), "public_ip": False, "group": "two",
            "propagate_tags": "TASK_DEFINITION", "input": '{"cpu":"256"}', "retries": 3, "max_age": 3600,
            "dead_letters": f"arn:aws:sqs:{REGION}:{ACCOUNT}:one", "tags": OTHER_TAGS,
        },
        "outside": {"other": longer},
    }  # fmt: skip


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


SAMPLES: dict[str, Callable[[LabHandle, Path], dict[str, Any]]] = {
    "oidc-provider": oidc_provider,
    "policy": iam_policy,
    "role": role,
    "user": user,
    "bucket": bucket,
    "object": s3_object,
    "repository": repository,
    "image": image,
    "log-group": log_group,
    "security-group": security_group,
    "parameter": parameter,
    "cluster": cluster,
    "task-definition": task_definition,
    "service": service,
    "queue": queue,
    "schedule": schedule,
    "topic": topic,
    "rule": events_rule,
}
