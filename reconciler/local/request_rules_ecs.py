"""What ECS refuses in requests, whatever there is. Pure.

Sources: the API reference of each operation, https://docs.aws.amazon.com/AmazonECS/latest/APIReference/, and what
others report of its answers. What depends on a cluster or a task definition is told where that is known:
`task_request`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core import aws_names, limits
from reconciler.core.fargate import DISK, LONGEST_STOP, SHORTEST_STOP
from reconciler.core.log_driver import AWSLOGS
from reconciler.local.fargate_rules import check_containers, check_execution_role_given, check_fargate
from reconciler.local.request_model import Broken

Params = Mapping[str, Any]
CLIENT, PARAMETER = "ClientException", "InvalidParameterException"
MOST = {"tasks": 100, "services": 10, "clusters": 100}  # that one Describe takes
MOST_TASKS = 10  # that one RunTask launches
OTHER_FILTERS = ("family", "serviceName", "containerInstance")


def ecs(operation: str, params: Params) -> Iterator[Broken]:
    """What is wrong with a request."""
    name = params.get("clusterName") or params.get("serviceName")
    if operation in ("CreateCluster", "CreateService") and name and not aws_names.ECS.fits(name):
        yield Broken("Invalid identifier: it has more than letters, digits, hyphens and underscores.", PARAMETER)
    if operation == "RegisterTaskDefinition":
        yield from (Broken(text, CLIENT) for text in _definition(params))
    elif operation in ("RunTask", "CreateService", "UpdateService"):
        yield from (Broken(text, PARAMETER) for text in _launch(operation, params))
    elif operation.startswith("Describe"):
        yield from (Broken(text, PARAMETER) for text in _asked_for(operation, params))
    elif operation == "ListTasks" and params.get("startedBy") and any(params.get(name) for name in OTHER_FILTERS):
        yield Broken("When startedBy is specified, it must be the only filter.", PARAMETER)
    if operation == "CreateCapacityProvider" and not aws_names.CAPACITY_PROVIDER.fits(params["name"]):
        yield Broken(f"The specified capacity provider name is invalid: {aws_names.CAPACITY_PROVIDER.allowed}.", CLIENT)
    strategies = params.get("capacityProviderStrategy") or params.get("defaultCapacityProviderStrategy") or ()
    yield from (Broken(text, PARAMETER) for text in _strategy(operation, strategies))


def _asked_for(operation: str, params: Params) -> Iterator[str]:
    noun = operation.removeprefix("Describe")
    count, most = len(params.get(noun.lower()) or ()), MOST.get(noun.lower())
    if most is not None and count > most:
        yield f"{noun} cannot have more than {most} elements."
    elif most is not None and not count and noun != "Clusters":
        yield f"{noun} cannot be empty."


def _launch(operation: str, params: Params) -> Iterator[str]:
    count, started_by = params.get("count", 1), params.get("startedBy", "")
    if operation == "RunTask" and not 1 <= count <= MOST_TASKS:
        yield f"Count must be between 1 and {MOST_TASKS}."
    if limits.json_characters(params.get("overrides") or {}) > limits.OVERRIDES.most:
        yield f"Overrides length must be at most {limits.OVERRIDES.most}."
    if not aws_names.STARTED_BY.fits(started_by):
        yield f"startedBy: {aws_names.STARTED_BY.allowed}."
    if str(params.get("group", "")).startswith(("family:", "service:")):
        yield "Task group names beginning with family: or service: are reserved for Amazon ECS."
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        yield "Specify either Launch Type or Capacity Provider Strategy, but not both."
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    for limit, key in ((limits.TASK_SUBNETS, "subnets"), (limits.TASK_GROUPS, "securityGroups")):
        if len(network.get(key) or ()) > limit.most:
            yield f"{key} can have at most {limit.most} items."
    disk = ((params.get("overrides") or {}).get("ephemeralStorage") or {}).get("sizeInGiB")
    yield from _disk(disk)


def _strategy(operation: str, strategy: Sequence[Params]) -> Iterator[str]:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html"""
    names = [item.get("capacityProvider") for item in strategy]
    if len(set(names)) < len(names):
        yield "The capacity provider strategy can't contain a capacity provider twice."
    if sum((item.get("base") or 0) > 0 for item in strategy) > 1:
        yield "The capacity provider strategy can't contain more than one item with a base."
    if len(strategy) > 1 and all(item.get("weight") == 0 for item in strategy):
        yield "At least one capacity provider must have a weight greater than 0."


def _definition(params: Params) -> Iterator[str]:
    containers = params.get("containerDefinitions") or []
    if (size := limits.json_size(params)) > limits.TASK_DEFINITION.most:
        yield f"Actual length: '{size}'. Max allowed length is '{limits.TASK_DEFINITION.most}' bytes."
    if not aws_names.ECS.fits(params["family"]):
        yield "Family contains invalid characters."
    for key in ("executionRoleArn", "taskRoleArn"):
        if params.get(key) == "":
            yield f"{key} can't be empty."
    fargate = "FARGATE" in (params.get("requiresCompatibilities") or ())
    if fargate:
        yield from _fargate(params, containers)
    yield from _disk((params.get("ephemeralStorage") or {}).get("sizeInGiB"))
    for container in containers:
        yield from _container(container, fargate=fargate)
    if not any(container.get("essential", True) for container in containers):
        yield "A task definition must have at least one essential container."
    yield from _dependencies(containers)


def _fargate(params: Params, containers: list[dict[str, Any]]) -> Iterator[str]:
    try:
        _, memory = check_fargate(params.get("cpu"), params.get("memory"), params.get("networkMode"))
        check_containers(containers, memory)
        check_execution_role_given(containers, params.get("executionRoleArn"))
    except ValueError as error:
        yield str(error)


def _disk(gib: int | None) -> Iterator[str]:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html"""
    if gib is not None and gib not in DISK:
        yield f"Ephemeral storage must be between {DISK[0]} and {DISK[-1]} GiB."


def _container(container: Params, *, fargate: bool) -> Iterator[str]:
    name, image = str(container.get("name", "")), str(container.get("image", ""))
    if not aws_names.ECS.fits(name):  # the name is that of a folder too
        yield f"Container.name contains invalid characters: {name!r}."
    if "@" not in image and len(image) > limits.IMAGE.most:
        yield f"Container.image can have at most {limits.IMAGE.most} characters."
    names = [variable.get("name") for key in ("environment", "secrets") for variable in container.get(key) or ()]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        yield f"The secret name must be unique and not shared with any new or existing environment variables: {twice}."
    log = container.get("logConfiguration") or {}
    if log.get("logDriver") == "awslogs" and (unknown := sorted((log.get("options") or {}).keys() - AWSLOGS)):
        yield f"Log driver awslogs disallows options: {', '.join(unknown)}."
    if (container.get("stopTimeout") or LONGEST_STOP) < SHORTEST_STOP:
        yield f"The stop timeout has to be at least {SHORTEST_STOP} seconds."
    if fargate and (container.get("stopTimeout") or 0) > LONGEST_STOP:
        yield f"The stop timeout can be at most {LONGEST_STOP} seconds on Fargate."
    if fargate and any(requirement.get("type") == "GPU" for requirement in container.get("resourceRequirements") or ()):
        yield "GPU resource requirements are not supported on Fargate."


def _dependencies(containers: Sequence[Params]) -> Iterator[str]:
    names = {container.get("name") for container in containers}
    for container in containers:
        for dependency in container.get("dependsOn") or ():
            if dependency.get("containerName") not in names - {container.get("name")}:
                yield f"Invalid container dependency of '{container.get('name')}': {dependency.get('containerName')}"
