"""ECS task definitions. AWS never changes one: an update registers the next revision of the family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.container import Container, container, definition, empty
from reconciler.core.needs import ALL, ANYWHERE, Needs
from reconciler.core.run_paths import again_family, is_run_id
from reconciler.core.spec import ROLLBACK_TAG, Changes, Grants, Observed, SecretsByName, Spec, top
from reconciler.kinds.base import Kind

KNOWN = {
    "family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn", "taskRoleArn",
    "runtimePlatform", "ephemeralStorage", "containerDefinitions",
}  # fmt: skip
AWS_ADDS = {
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
    "registeredBy", "deregisteredAt", "placementConstraints",
}  # fmt: skip


AGAIN_TAG = "reconciler:again"  # of those that runs are launched with which repeat others: the deploy whose they are
REVISION = re.compile("[1-9][0-9]{0,8}")  # its number
UNTIL = "until an `apply` changes it, or `rollback --undo`"  # a rollback holds
ASIDE = "aside"  # attribute: the ARN of what a rollback has put aside


class TaskDefinitionSpec(Spec):
    """A family's newest active revision."""

    kind: ClassVar[str] = "task-definition"
    uses: ClassVar[tuple[str, ...]] = ("role", "log-group", "parameter", "repository", "image")
    volatile: ClassVar[frozenset[str]] = frozenset({"arn", "revision", ASIDE})
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

    def __init__(self, *, plain: bool = False) -> None:
        """plain: what a rollback has put aside doesn't count."""
        self.plain = plain

    def read(self, aws: Aws, want: TaskDefinitionSpec) -> Observed[TaskDefinitionSpec] | None:
        """One read, and one of the revision that a rollback has put aside."""
        newest = self.revision(aws, want.name, want)
        if newest is None or not _active(newest):
            return None
        rollback = rolled_back(newest.spec.tags)
        if rollback is None or self.plain:
            return newest
        run, number = rollback
        aside = self.revision(aws, f"{want.name}:{number}", want)
        if aside is None or not _active(aside) or rolled_back(aside.spec.tags):
            return replace(newest, note=f"rolled back to run {run}; revision {number} doesn't exist any more")
        note = f"rolled back to run {run}, which holds back revision {number} {UNTIL}"
        attributes = {**newest.attributes, ASIDE: aside.attributes["arn"]}
        return replace(newest, attributes=attributes, note=note, aside=aside)

    def revision(
        self, aws: Aws, name: str, want: TaskDefinitionSpec | None = None
    ) -> Observed[TaskDefinitionSpec] | None:
        """One revision, also one that was deregistered: its `status` says so. name: FAMILY:NUMBER, or that of the
        newest. want: whose empty variables count as there.
        """
        answer = aws.find("ecs", "DescribeTaskDefinition", taskDefinition=name, include=["TAGS"])
        if answer is None:
            return None
        live = answer["taskDefinition"]
        platform = live.get("runtimePlatform") or {}
        extra = {k: v for k, v in live.items() if k not in KNOWN | AWS_ADDS and not empty(v)}
        containers = sorted(map(container, live["containerDefinitions"]), key=lambda c: c.name)
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
            containers=_with_empty(containers, want) if want else tuple(containers),
            extra=extra,
            tags=tags.mapping(answer.get("tags"), "key", "value"),
        )
        status = live.get("status", "ACTIVE")
        inactive = {} if status == "ACTIVE" else {"status": status}
        return Observed(spec, {"arn": live["taskDefinitionArn"], "revision": str(live["revision"]), **inactive})

    def create(self, aws: Aws, want: TaskDefinitionSpec) -> None:
        """Register a revision."""
        aws.call("ecs", "RegisterTaskDefinition", **request(want))

    def update(self, aws: Aws, want: TaskDefinitionSpec, seen: Observed[TaskDefinitionSpec], changes: Changes) -> None:
        """Register the next revision; tags alone are put on the one that is there."""
        if all(top(change.path) in want.in_place for change in changes):
            tags.put(aws, "ecs", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])
        else:
            self.create(aws, want)

    def delete(self, aws: Aws, seen: Observed[TaskDefinitionSpec]) -> None:
        """Deregister every active revision of the family, and of that of the runs that repeated others."""
        repeats, _ = aws.together(
            lambda: self.revision(aws, again_family(seen.spec.name)), lambda: self._deregister(aws, seen.spec.name)
        )
        if repeats is not None and repeats.spec.tags.get(AGAIN_TAG, "") == seen.owner:
            self._deregister(aws, repeats.spec.name)

    def _deregister(self, aws: Aws, family: str) -> None:
        revisions = aws.pages("ecs", "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=family, status="ACTIVE")
        for arn in revisions:
            if arn.rpartition("/")[2].rpartition(":")[0] == family:
                aws.find("ecs", "DeregisterTaskDefinition", taskDefinition=arn)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all families with an active task definition, in one read."""
        return list(aws.pages("ecs", "ListTaskDefinitionFamilies", "families", status="ACTIVE"))


def rollback_mark(run_id: str, revision: str) -> dict[str, str]:
    """The tag of a revision that is what a run was: which run, and the revision that is put aside for it."""
    return {ROLLBACK_TAG: f"{run_id} {revision}"}


def rolled_back(tags: Mapping[str, str]) -> tuple[str, int] | None:
    """The run and the revision that such a tag names; None without one."""
    run_id, _, number = tags.get(ROLLBACK_TAG, "").partition(" ")
    return (run_id, int(number)) if is_run_id(run_id) and REVISION.fullmatch(number) else None


def _active(revision: Observed[TaskDefinitionSpec]) -> bool:
    return "status" not in revision.attributes


def _with_empty(containers: Iterable[Container], want: TaskDefinitionSpec) -> tuple[Container, ...]:
    """The containers with those variables that are wanted with no value: ECS may leave such out, which is the same."""
    empties = {
        box.name: {name: "" for name, value in box.environment.items() if value == ""} for box in want.containers
    }
    return tuple(
        live.model_copy(update={"environment": dict(sorted((empties.get(live.name, {}) | live.environment).items()))})
        for live in containers
    )


def request(want: TaskDefinitionSpec) -> dict[str, Any]:
    """What is sent to register it."""
    return {
        "family": want.name,
        "cpu": str(want.cpu),
        "memory": str(want.memory),
        "networkMode": want.network_mode,
        "requiresCompatibilities": list(want.compatibilities),
        **({"executionRoleArn": want.execution_role} if want.execution_role else {}),
        **({"taskRoleArn": want.task_role} if want.task_role else {}),
        "runtimePlatform": {"cpuArchitecture": want.cpu_architecture, "operatingSystemFamily": want.operating_system},
        "containerDefinitions": [definition(box) for box in want.containers],
        "tags": tags.pairs(want.tags, "key", "value"),
        **({"ephemeralStorage": {"sizeInGiB": want.ephemeral_storage}} if want.ephemeral_storage else {}),
    }
