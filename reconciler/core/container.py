"""The canonical form of a task definition's containers. Pure.

What AWS fills in by itself is left out, and lists that are sets by name become mappings, so that a definition reads
back equal to what was registered: no field differs for ever.
Sources: terraform-provider-aws `container_definitions.go`, its issues 3401, 11526 and 38153; ecspresso `diff.go`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from reconciler.core.canonical import Strings
from reconciler.core.spec import Ref, SecretsByName, Value


class Container(Value):
    """One container of a task definition, without what AWS fills in by itself."""

    name: str
    image: str | Annotated[Ref, PlainSerializer(str)]
    essential: bool = True
    entrypoint: Annotated[Strings | None, SecretsByName()] = None
    command: Annotated[Strings | None, SecretsByName()] = None
    environment: Annotated[dict[str, str | Annotated[Ref, PlainSerializer(str)]], SecretsByName()] = Field({})
    secrets: dict[str, str] = Field({})
    log_driver: str | None = None
    log_options: Annotated[dict[str, str], SecretsByName()] = Field({})
    stop_timeout: int | None = None
    extra: Annotated[dict[str, Any], SecretsByName()] = Field({})

    @property
    def identity(self) -> str:
        """Containers are paired by name."""
        return self.name


_KNOWN = {
    "name", "image", "essential", "entryPoint", "command", "environment", "secrets", "logConfiguration", "stopTimeout",
}  # fmt: skip
_HEALTH_CHECK = {"interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}
_DEFAULTS = {"versionConsistency": "enabled"}


def container(definition: Mapping[str, Any]) -> Container:
    """The canonical form of a container definition as the ECS API has it."""
    log = definition.get("logConfiguration") or {}
    extra = {key: _own(key, value) for key, value in definition.items() if key not in _KNOWN}
    extra["logSecretOptions"] = _sorted(log.get("secretOptions"))
    return Container(
        name=definition["name"],
        image=definition["image"],
        essential=definition.get("essential", True),
        entrypoint=tuple(definition["entryPoint"]) if definition.get("entryPoint") else None,
        command=tuple(definition["command"]) if definition.get("command") else None,
        environment={e["name"]: e.get("value", "") for e in _sorted(definition.get("environment"))},
        secrets={s["name"]: s["valueFrom"] for s in _sorted(definition.get("secrets"))},
        log_driver=log.get("logDriver"),
        log_options=dict(sorted((log.get("options") or {}).items())),
        stop_timeout=definition.get("stopTimeout"),
        extra={key: extra[key] for key in sorted(extra) if extra[key] != _DEFAULTS.get(key) and not empty(extra[key])},
    )


def _sorted(items: Any) -> list[Any]:
    return sorted(items or (), key=lambda item: str(item["name"]))


def empty(value: Any) -> bool:
    """Whether AWS means nothing by it: what is unset comes back as null, an empty list, 0 or false."""
    if isinstance(value, Mapping):
        return all(empty(part) for part in value.values())
    return not value


def _own(key: str, value: Any) -> Any:
    """A part of a definition without what AWS fills in."""
    if key == "portMappings":
        return sorted((_port(mapping) for mapping in value or ()), key=json.dumps)
    if key == "healthCheck" and value:
        return {k: v for k, v in value.items() if v != _HEALTH_CHECK.get(k)}
    if isinstance(value, Mapping):
        return {k: _own("", v) for k, v in value.items() if not empty(v)}
    return value


def _port(mapping: Mapping[str, Any]) -> dict[str, Any]:
    port = {k: mapping[k] for k in sorted(mapping) if (k, mapping[k]) != ("protocol", "tcp")}
    if port.get("hostPort") in (0, port["containerPort"]):
        del port["hostPort"]
    return port


def definition(container: Container) -> dict[str, Any]:
    """The ECS API's form of a container whose references are resolved."""
    out: dict[str, Any] = {"name": container.name, "image": container.image, "essential": container.essential}
    if container.entrypoint:
        out["entryPoint"] = list(container.entrypoint)
    if container.command:
        out["command"] = list(container.command)
    if container.environment:
        out["environment"] = [{"name": k, "value": v} for k, v in sorted(container.environment.items())]
    if container.secrets:
        out["secrets"] = [{"name": k, "valueFrom": v} for k, v in sorted(container.secrets.items())]
    extra = dict(container.extra)
    if container.log_driver:
        out["logConfiguration"] = {"logDriver": container.log_driver, "options": dict(container.log_options)}
        if options := extra.pop("logSecretOptions", None):
            out["logConfiguration"]["secretOptions"] = options
    if container.stop_timeout:
        out["stopTimeout"] = container.stop_timeout
    return out | extra
