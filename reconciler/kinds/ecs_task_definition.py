"""ECS task definitions. AWS never changes one: an update registers the next revision of the family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.container import Container, container, definition, empty
from reconciler.core.needs import ALL, ANYWHERE, Needs
from reconciler.core.spec import Changes, Grants, Observed, SecretsByName, Spec, top
from reconciler.kinds.base import Kind

KNOWN = {
    "family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn", "taskRoleArn",
    "runtimePlatform", "ephemeralStorage", "containerDefinitions",
}  # fmt: skip
AWS_ADDS = {
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
    "registeredBy", "deregisteredAt", "placementConstraints",
}  # fmt: skip


class TaskDefinitionSpec(Spec):
    """A family's newest active revision."""

    kind: ClassVar[str] = "task-definition"
    volatile: ClassVar[frozenset[str]] = frozenset({"arn", "revision"})
    in_place: ClassVar[frozenset[str]] = frozenset({"tags"})

    cpu: int = 0  # CPU units
    memory: int = 0  # MiB
    network_mode: str = "awsvpc"
    compatibilities: StringSet = ("FARGATE",)
    execution_role: Annotated[str, Grants()] = ""  # ARN
    task_role: Annotated[str, Grants()] = ""  # ARN
    cpu_architecture: str = "X86_64"
    operating_system: str = "LINUX"
    ephemeral_storage: int | None = None  # GiB
    containers: tuple[Container, ...] = ()
    extra: Annotated[dict[str, Any], SecretsByName()] = Field({})  # what a revision of somebody else has besides


class TaskDefinition(Kind[TaskDefinitionSpec]):
    """Reads and registers task definitions."""

    spec: ClassVar[type[Spec]] = TaskDefinitionSpec
    needs: ClassVar[Needs] = Needs(
        create=("ecs:RegisterTaskDefinition", "ecs:TagResource"),
        delete=("ecs:DeregisterTaskDefinition", "ecs:ListTaskDefinitions"),
        fields={"": ("ecs:RegisterTaskDefinition",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeTaskDefinition",), on=("ecs:task-definition/{name}:*",),
        elsewhere=dict.fromkeys(
            ("ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"), (ANYWHERE,)),
        passes={"execution_role": "ecs-tasks", "task_role": "ecs-tasks"}, pushed=ALL,
        listing=("ecs:ListTaskDefinitionFamilies",),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,255}"

    def read(self, aws: Aws, want: TaskDefinitionSpec) -> Observed[TaskDefinitionSpec] | None:
        """One read."""
        answer = aws.find("ecs", "DescribeTaskDefinition", taskDefinition=want.name, include=["TAGS"])
        if answer is None or answer["taskDefinition"].get("status", "ACTIVE") != "ACTIVE":
            return None
        live = answer["taskDefinition"]
        platform = live.get("runtimePlatform") or {}
        extra = {k: v for k, v in live.items() if k not in KNOWN | AWS_ADDS and not empty(v)}
        spec = TaskDefinitionSpec(
            name=live["family"],
            cpu=int(live.get("cpu") or 0),
            memory=int(live.get("memory") or 0),
            network_mode=live.get("networkMode") or "",
            compatibilities=tuple(live.get("requiresCompatibilities") or ()),
            execution_role=live.get("executionRoleArn") or "",
            task_role=live.get("taskRoleArn") or "",
            cpu_architecture=platform.get("cpuArchitecture", "X86_64"),
            operating_system=platform.get("operatingSystemFamily", "LINUX"),
            ephemeral_storage=(live.get("ephemeralStorage") or {}).get("sizeInGiB"),
            containers=_with_empty(sorted(map(container, live["containerDefinitions"]), key=lambda c: c.name), want),
            extra=extra,
            tags=tags.mapping(answer.get("tags"), "key", "value"),
        )
        return Observed(spec, {"arn": live["taskDefinitionArn"], "revision": str(live["revision"])})

    def create(self, aws: Aws, want: TaskDefinitionSpec) -> None:
        """Register a revision."""
        aws.call("ecs", "RegisterTaskDefinition", **request(want))

    def update(self, aws: Aws, want: TaskDefinitionSpec, seen: Observed[TaskDefinitionSpec], changes: Changes) -> None:
        """Register the next revision; tags alone are put on the one that is there."""
        if all(top(change.path) in want.in_place for change in changes):
            arn = seen.attributes["arn"]
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("ecs", "UntagResource", resourceArn=arn, tagKeys=gone)
            aws.call("ecs", "TagResource", resourceArn=arn, tags=tags.pairs(want.tags, "key", "value"))
        else:
            self.create(aws, want)

    def delete(self, aws: Aws, seen: Observed[TaskDefinitionSpec]) -> None:
        """Deregister every active revision of the family."""
        revisions = aws.pages(
            "ecs", "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=seen.spec.name, status="ACTIVE"
        )
        for arn in revisions:
            if arn.rpartition("/")[2].rpartition(":")[0] == seen.spec.name:
                aws.find("ecs", "DeregisterTaskDefinition", taskDefinition=arn)

    def listed(self, aws: Aws) -> Iterable[str]:
        """One read."""
        return list(aws.pages("ecs", "ListTaskDefinitionFamilies", "families", status="ACTIVE"))


def _with_empty(found: Iterable[Container], want: TaskDefinitionSpec) -> tuple[Container, ...]:
    """The containers with those variables that are wanted with no value: ECS may leave such out, which is the same."""
    empties = {
        one.name: {name: "" for name, value in one.environment.items() if value == ""} for one in want.containers
    }
    return tuple(
        one.model_copy(update={"environment": dict(sorted((empties.get(one.name, {}) | one.environment).items()))})
        for one in found
    )


def request(want: TaskDefinitionSpec) -> dict[str, Any]:
    """What is sent to register it."""
    return {
        "family": want.name,
        "cpu": str(want.cpu),
        "memory": str(want.memory),
        "networkMode": want.network_mode,
        "requiresCompatibilities": list(want.compatibilities),
        "executionRoleArn": want.execution_role,
        "taskRoleArn": want.task_role,
        "runtimePlatform": {
            "cpuArchitecture": want.cpu_architecture,
            "operatingSystemFamily": want.operating_system,
        },
        "containerDefinitions": [definition(one) for one in want.containers],
        "tags": tags.pairs(want.tags, "key", "value"),
        **({"ephemeralStorage": {"sizeInGiB": want.ephemeral_storage}} if want.ephemeral_storage else {}),
    }
