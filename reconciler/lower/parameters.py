"""What `parameters` and `task.secrets` mean: what to make, the container's variables, what ECS may read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.aws_names import secret_resources
from reconciler.core.canonical import allow
from reconciler.core.graph import Node
from reconciler.core.spec import Address, Ref
from reconciler.kinds import ParameterSpec
from reconciler.lower.workers import certificates
from reconciler.permissions.keys import ALIASES, DECRYPT, named


def parameters(names: Names) -> Iterator[Node]:
    """The parameters that the file has a value for; the others are taken as they are."""
    for variable, parameter in names.deploy.parameters.items():
        if parameter.value is not None:
            yield Node(ParameterSpec(name=str(parameter.name), initial={variable: parameter.value}, tags=names.tags))


def arn_of(names: Names, parameter: str) -> str:
    """The ARN of a parameter whose name begins with a slash."""
    return names.arn("ssm", f"parameter{parameter}")


def secrets(names: Names) -> dict[str, str]:
    """The container's variables that ECS reads when a task starts, by ARN."""
    by_name = {v: arn_of(names, str(parameter.name)) for v, parameter in _given_as(names, "secret")}
    return dict(sorted((names.deploy.task.secrets | by_name).items()))


def variables(names: Names, values: Mapping[str, str]) -> dict[str, str | Ref]:
    """The container's variables that are written into the task definition. values: of those that the file has none
    for.
    """
    environment: dict[str, str | Ref] = {}
    for variable, parameter in _given_as(names, "environment"):
        address = Address("parameter", str(parameter.name))
        environment[variable] = values.get(variable, "") if parameter.value is None else Ref(address, "value")
    return environment


def _given_as(names: Names, form: str) -> Iterator[tuple[str, Any]]:
    return ((v, parameter) for v, parameter in names.deploy.parameters.items() if parameter.give_as == form)


def needs(names: Names) -> list[Address]:
    """What has to be there before a task is started with it."""
    return [node.spec.address for node in parameters(names)]


def secret_statements(names: Names) -> list[dict[str, Any]]:
    """What the execution role may read so that ECS can hand the secrets over: these, and nothing else."""
    arns = sorted({resource for arn in secrets(names).values() for resource in secret_resources(arn)})
    of_parameters = {parameter.kms_key for _, parameter in _given_as(names, "secret") if parameter.kms_key}
    keys = sorted({*of_parameters, *names.deploy.task.secret_keys})
    by_action = {
        "ssm:GetParameters": [*(arn for arn in arns if ":ssm:" in arn), *certificates(names)],
        "secretsmanager:GetSecretValue": [arn for arn in arns if ":secretsmanager:" in arn],
    }
    statements = [allow("", action, resources) for action, resources in by_action.items() if resources]
    key_arns = [key for key in keys if ":alias/" not in key]
    if key_arns:
        statements.append(allow("", DECRYPT, key_arns))
    aliases: dict[str, list[str]] = {}
    for key in keys:
        if key not in key_arns:
            aliases.setdefault(named(key)[0], []).append(key.rpartition(":")[2])
    for resource, alias_names in aliases.items():
        condition = {"ForAnyValue:StringEquals": {ALIASES: alias_names}}
        statements.append(allow("", DECRYPT, [resource], condition))
    return statements
