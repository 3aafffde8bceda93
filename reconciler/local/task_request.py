"""From a RunTask request to checked launches: the errors that ECS answers with, and the defaults it fills in."""

from __future__ import annotations

from typing import Any

from moto.ecs.exceptions import EcsClientException, InvalidParameterException
from moto.ecs.models import Cluster, EC2ContainerServiceBackend, TaskDefinition

from reconciler.core.managed_instances import COMPATIBILITY
from reconciler.local.fargate_rules import check_fargate
from reconciler.local.identities import why_not_assumable
from reconciler.local.managed_instances import managed_providers
from reconciler.local.task import TaskLaunch

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
PLATFORM_VERSION = "1.4.0"


def read_launches(
    backend: EC2ContainerServiceBackend, params: dict[str, Any], *, with_roles: bool = True
) -> list[TaskLaunch]:
    """One for each task of the request's `count`. with_roles: check them too. Raises moto's ECS exceptions."""
    cluster = backend._get_cluster(params.get("cluster") or "default")
    if cluster.status != "ACTIVE":
        raise InvalidParameterException("The referenced cluster was inactive.")
    definition = backend.describe_task_definition(params["taskDefinition"])
    if definition.status != "ACTIVE":
        raise EcsClientException("TaskDefinition is inactive")
    count = params.get("count")
    count = 1 if count is None else int(count)
    providers = _providers(backend, cluster, params, count)
    managed = managed_providers(backend, cluster.name)
    types = {name: COMPATIBILITY if name in managed else _launch_type(name) for name in providers}
    overrides = _overrides(definition, params.get("overrides") or {}, set(types.values()))
    if with_roles:
        _check_roles(definition, overrides)
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if network.get("assignPublicIp") == "ENABLED" and {*types.values()} - {"FARGATE"}:
        raise InvalidParameterException("Assign public IP is not supported for this launch type.")
    if definition.network_mode == "awsvpc" and not network.get("subnets"):
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    return [
        TaskLaunch(
            account_id=backend.account_id,
            region=backend.region_name,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            definition=definition,
            overrides=overrides,
            group=params.get("group") or f"family:{definition.family}",
            started_by=params.get("startedBy"),
            tags=_tags(definition, params),
            launch_type=types[provider],
            capacity_provider=provider,
            platform_version=_platform(params.get("platformVersion")) if types[provider] == "FARGATE" else None,
            subnets=list(network.get("subnets") or []),
            security_groups=list(network.get("securityGroups") or []),
            assign_public_ip=network.get("assignPublicIp") == "ENABLED",
            enable_execute_command=bool(params.get("enableExecuteCommand")),
        )
        for provider in providers
    ]


def _providers(
    backend: EC2ContainerServiceBackend, cluster: Cluster, params: dict[str, Any], count: int
) -> list[str | None]:
    """The capacity provider of each task; None with a launch type."""
    launch_type, strategy = params.get("launchType"), params.get("capacityProviderStrategy")
    if launch_type == "FARGATE":
        return [None] * count
    if not launch_type:
        strategy = strategy or cluster.default_capacity_provider_strategy
    if launch_type or not strategy:  # the launch type's default is EC2
        raise InvalidParameterException("No Container Instances were found in your cluster.")
    for item in strategy:
        name = item["capacityProvider"]
        if name not in (cluster.capacity_providers or []):
            raise InvalidParameterException(f"The specified capacity provider '{name}' was not found.")
    managed = managed_providers(backend, cluster.name)
    if any(
        managed[item["capacityProvider"]].status != "ACTIVE" for item in strategy if item["capacityProvider"] in managed
    ):
        raise InvalidParameterException("The specified capacity provider is not in an ACTIVE state.")
    if len({item["capacityProvider"] in FARGATE_PROVIDERS for item in strategy}) > 1:
        raise InvalidParameterException(
            "The specified capacity provider strategy cannot contain a mix of Fargate and other capacity providers."
        )
    return list(_spread(strategy, count))


def _spread(strategy: list[dict[str, Any]], count: int) -> list[str]:
    """`count` tasks over the providers: first each one's base, then by weight, the one furthest behind next."""
    providers: list[str] = []
    for item in strategy:
        providers += [item["capacityProvider"]] * min(int(item.get("base") or 0), count - len(providers))
    weights = {item["capacityProvider"]: int(item.get("weight") or 0) for item in strategy}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1) if len(strategy) == 1 else weights
    if len(providers) < count and not any(weights.values()):
        raise InvalidParameterException("At least one capacity provider must have a weight greater than 0.")
    counts = dict.fromkeys(weights, 0)
    while len(providers) < count:
        name = min((n for n in weights if weights[n]), key=lambda n: counts[n] / weights[n])
        counts[name] += 1
        providers.append(name)
    return providers


def _launch_type(provider: str | None) -> str:
    return "FARGATE" if provider is None or provider in FARGATE_PROVIDERS else "EC2"


def needs_gpu(launch: TaskLaunch) -> bool:
    """Whether a container of the task definition asks for one."""
    requirement_lists = [c.get("resourceRequirements") or [] for c in launch.definition.container_definitions]
    return any(requirement.get("type") == "GPU" for requirements in requirement_lists for requirement in requirements)


def _overrides(definition: TaskDefinition, overrides: dict[str, Any], launch_types: set[str]) -> dict[str, Any]:
    names = {container["name"] for container in definition.container_definitions}
    for item in overrides.get("containerOverrides") or []:
        if item.get("name") not in names:
            raise InvalidParameterException(
                f"Override for container named {item.get('name')} is not a container in the TaskDefinition."
            )
    for launch_type in sorted(launch_types - set(definition.compatibilities or [])):
        raise EcsClientException(f"Task definition does not support launch_type {launch_type}.")
    if "FARGATE" in (definition.compatibilities or []) and (overrides.get("cpu") or overrides.get("memory")):
        try:
            cpu, memory = check_fargate(
                overrides.get("cpu") or definition.cpu, overrides.get("memory") or definition.memory, "awsvpc"
            )
        except ValueError as error:
            raise EcsClientException(str(error)) from None
        overrides = {**overrides, "cpu": str(cpu), "memory": str(memory)}
    return overrides


def _check_roles(definition: TaskDefinition, overrides: dict[str, Any]) -> None:
    for override, attribute in (("taskRoleArn", "task_role_arn"), ("executionRoleArn", "execution_role_arn")):
        role_arn = overrides.get(override) or getattr(definition, attribute, None)
        why = why_not_assumable(role_arn) if role_arn else None
        if why is not None:
            raise EcsClientException(why)


def _tags(definition: TaskDefinition, params: dict[str, Any]) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = [dict(tag) for tag in params.get("tags") or []]
    if params.get("propagateTags") == "TASK_DEFINITION":
        keys = {tag["key"] for tag in tags}
        tags += [dict(tag) for tag in definition.tags or [] if tag["key"] not in keys]
    return tags


def _platform(version: str | None) -> str:
    return PLATFORM_VERSION if version in (None, "", "LATEST") else str(version)
