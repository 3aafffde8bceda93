"""The state of one task, and how DescribeTasks shows it. Every look sees one moment, never half a change."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class ContainerState:
    """One container of a task, as ECS reports it."""

    definition: Mapping[str, Any]
    arn: str
    last_status: str = "PENDING"
    exit_code: int | None = None
    reason: str | None = None
    image_digest: str | None = None
    runtime_id: str | None = None

    @property
    def name(self) -> str:
        """The container's name in the task definition."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether the task ends with this container."""
        return bool(self.definition.get("essential", True))


@dataclass
class TaskLaunch:
    """What RunTask was asked for, checked and with defaults filled in."""

    account_id: str
    region: str
    cluster_name: str
    cluster_arn: str
    definition: Any
    overrides: dict[str, Any]
    group: str
    started_by: str | None
    tags: list[dict[str, str]]
    launch_type: str
    capacity_provider: str | None
    platform_version: str | None
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    assign_public_ip: bool = False
    enable_execute_command: bool = False


class Task:
    """A task of the embedded ECS. The agent changes it with `update`; everyone else reads `response()`.

    moto looks at `task_arn`, `task_definition_arn`, `cluster_arn` and `tags` (its tagging operations).
    """

    def __init__(self, launch: TaskLaunch) -> None:
        self.id = uuid.uuid4().hex
        self.launch = launch
        partition = launch.cluster_arn.split(":")[1]
        self.arn = f"arn:{partition}:ecs:{launch.region}:{launch.account_id}:task/{launch.cluster_name}/{self.id}"
        self.containers = [
            ContainerState(definition, f"{self.arn.replace(':task/', ':container/')}/{uuid.uuid4()}")
            for definition in launch.definition.container_definitions
        ]
        self.tags = launch.tags
        self.last_status = "PROVISIONING"
        self.desired_status = "RUNNING"
        self.stop_code: str | None = None
        self.stopped_reason: str | None = None
        self.times: dict[str, datetime] = {"createdAt": datetime.now(UTC)}
        self.attachment: dict[str, Any] | None = None
        self.availability_zone: str | None = None
        self.finished = threading.Event()
        self._version = 1
        self._lock = threading.RLock()

    @property
    def task_arn(self) -> str:
        """The ARN, by moto's name."""
        return self.arn

    @property
    def task_definition_arn(self) -> str:
        """The ARN of the task definition."""
        return str(self.launch.definition.arn)

    @property
    def cluster_arn(self) -> str:
        """The ARN of the cluster."""
        return self.launch.cluster_arn

    def changing(self) -> threading.RLock:
        """The task's lock: hold it around changes that must be seen together."""
        return self._lock

    def move_to(self, status: str, *stamps: str) -> None:
        """Set the status and put the present moment into the timestamps named."""
        with self._lock:
            self.last_status = status
            self.stamp(*stamps)

    def stamp(self, *stamps: str) -> None:
        """Put the present moment into the timestamps named that have none yet."""
        with self._lock:
            now = datetime.now(UTC)
            for name in stamps:
                self.times.setdefault(name, now)
            self._version += 1

    def response(self) -> dict[str, Any]:
        """The members of the API's Task structure."""
        with self._lock:
            launch, definition = self.launch, self.launch.definition
            overrides = launch.overrides
            return {
                "taskArn": self.arn,
                "clusterArn": launch.cluster_arn,
                "taskDefinitionArn": definition.arn,
                "group": launch.group,
                "startedBy": launch.started_by,
                "launchType": launch.launch_type,
                "capacityProviderName": launch.capacity_provider,
                "platformVersion": launch.platform_version,
                "platformFamily": "Linux",
                "lastStatus": self.last_status,
                "desiredStatus": self.desired_status,
                "stopCode": self.stop_code,
                "stoppedReason": self.stopped_reason,
                "cpu": overrides.get("cpu") or definition.cpu,
                "memory": overrides.get("memory") or definition.memory,
                "ephemeralStorage": overrides.get("ephemeralStorage")
                or definition.ephemeral_storage
                or {"sizeInGiB": 20},
                "overrides": self._overrides(),
                "connectivity": "CONNECTED",
                "availabilityZone": self.availability_zone,
                "attachments": [self.attachment] if self.attachment else [],
                "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture(definition)}],
                "containers": [self._container(container) for container in self.containers],
                "enableExecuteCommand": launch.enable_execute_command,
                "healthStatus": "UNKNOWN",
                "tags": list(self.tags),
                "version": self._version,
                **self.times,
            }

    def _overrides(self) -> dict[str, Any]:
        by_name = {item["name"]: item for item in self.launch.overrides.get("containerOverrides") or []}
        containers = [by_name.get(container.name, {"name": container.name}) for container in self.containers]
        return {"inferenceAcceleratorOverrides": [], **self.launch.overrides, "containerOverrides": containers}

    def _container(self, container: ContainerState) -> dict[str, Any]:
        definition = container.definition
        details = {d["name"]: d["value"] for d in (self.attachment or {}).get("details", [])}
        interface = {
            "attachmentId": (self.attachment or {}).get("id"),
            "privateIpv4Address": details.get("privateIPv4Address"),
        }
        memory = definition.get("memory")
        return {
            "containerArn": container.arn,
            "taskArn": self.arn,
            "name": container.name,
            "image": definition.get("image"),
            "imageDigest": container.image_digest,
            "runtimeId": container.runtime_id,
            "lastStatus": container.last_status,
            "exitCode": container.exit_code,
            "reason": container.reason,
            "networkInterfaces": [interface] if self.attachment else [],
            "healthStatus": "UNKNOWN",
            "cpu": str(definition.get("cpu") or 0),
            "memory": str(memory) if memory else None,
        }


def _architecture(definition: Any) -> str:
    platform = getattr(definition, "runtime_platform", None) or {}
    return "arm64" if platform.get("cpuArchitecture") == "ARM64" else "x86_64"
