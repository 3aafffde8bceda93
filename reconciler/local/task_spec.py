"""From a task definition with its overrides to what a runner is told to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.local.behaviour import Quirks
from reconciler.local.runner import ContainerSpec, TaskSpec
from reconciler.local.task import ContainerState, Task

DEFAULT_STOP_TIMEOUT = 30.0


def task_spec(task: Task, folder: Path, endpoint_url: str, quirks: Quirks) -> TaskSpec:
    """What the containers share; sizes are the override's, else the definition's, a rule's lower limit first."""
    launch, definition = task.launch, task.launch.definition
    memory = _whole_number(launch.overrides.get("memory") or definition.memory)
    limit = quirks.number("memory-limit", "mib", 0)
    return TaskSpec(
        id=task.id,
        arn=task.arn,
        account_id=launch.account_id,
        region=launch.region,
        endpoint_url=endpoint_url,
        folder=folder,
        memory_mib=int(limit) if limit else memory,
        cpu_units=_whole_number(launch.overrides.get("cpu") or definition.cpu),
    )


def container_spec(
    task: Task,
    container: ContainerState,
    ecs_environment: Mapping[str, str],
    secrets: Mapping[str, str],
    quirks: Quirks,
) -> ContainerSpec:
    """One container with its overrides. Later wins: what ECS gives, definition, secrets, override."""
    definition = container.definition
    overrides = task.launch.overrides.get("containerOverrides") or []
    override: dict[str, Any] = next((item for item in overrides if item.get("name") == container.name), {})
    command = override.get("command") or definition.get("command")
    entry_point = definition.get("entryPoint")
    limited = quirks.first("memory-limit") is not None
    memory = None if limited else _whole_number(override.get("memory") or definition.get("memory"))
    timeout = definition.get("stopTimeout")
    environment = {
        **ecs_environment,
        **_pairs(definition.get("environment")),
        **secrets,
        **_pairs(override.get("environment")),
    }
    return ContainerSpec(
        name=container.name,
        image=str(definition["image"]),
        entry_point=tuple(entry_point) if entry_point else None,
        command=tuple(command) if command else None,
        environment=environment,
        memory_mib=memory,
        cpu_units=_whole_number(override.get("cpu") or definition.get("cpu")),
        stop_timeout=quirks.number("stop-timeout", "seconds", DEFAULT_STOP_TIMEOUT if timeout is None else timeout),
        working_directory=definition.get("workingDirectory"),
        gpus=gpus(definition),
    )


def gpus(definition: Mapping[str, Any]) -> int:
    """How many GPUs a container asks for; all of an instance's count as one, since nobody knows how many these are."""
    amounts = [
        requirement["value"]
        for requirement in definition.get("resourceRequirements") or ()
        if requirement.get("type") == "GPU"
    ]
    return sum(int(amount) if str(amount).isdigit() else 1 for amount in amounts)


def aws_environment(task: Task, endpoint_url: str) -> dict[str, str]:
    """What leads an AWS SDK to the embedded AWS; the task role's credentials come on top."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": task.launch.region,
        "AWS_DEFAULT_REGION": task.launch.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    }


def _pairs(items: list[dict[str, str]] | None) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in items or []}


def _whole_number(value: object) -> int | None:
    return int(str(value)) if value else None
