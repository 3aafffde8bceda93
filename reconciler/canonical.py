"""Canonical forms: two ways to write the same thing become one value. Pure.

Policy documents: statements, actions, resources and principals are sets; a lone value is a list of one; an account
id as principal is that account's root; Effect is compared without case. Containers of a task definition: what AWS
fills in by itself is left out, lists that are sets by name become mappings.
Sources: IAM JSON policy grammar; terraform-provider-aws `container_definitions.go`; ecspresso `diff.go`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import BeforeValidator, PlainSerializer

from reconciler.spec import Ref, Value

Strings = tuple[str, ...]


def strings(value: Any) -> Strings:
    """A set of strings, however it was written, sorted."""
    if value is None:
        return ()
    items = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return tuple(sorted({"true" if i is True else "false" if i is False else str(i) for i in items}))


StringSet = Annotated[Strings, BeforeValidator(strings)]


def _principal(value: str, kind: str) -> str:
    return f"arn:aws:iam::{value}:root" if kind == "AWS" and re.fullmatch(r"\d{12}", value) else value


def _principals(value: Any) -> dict[str, Strings]:
    if not value:
        return {}
    if value == "*":
        return {"AWS": ("*",)}
    return {kind: strings([_principal(one, kind) for one in strings(who)]) for kind, who in sorted(value.items())}


def _conditions(value: Any) -> dict[str, dict[str, Strings]]:
    return {test: {k: strings(v) for k, v in sorted(keys.items())} for test, keys in sorted((value or {}).items())}


class Statement(Value):
    """One statement of a policy document."""

    sid: str = ""
    effect: str
    principals: dict[str, Strings] = {}
    not_principals: dict[str, Strings] = {}
    actions: Strings = ()
    not_actions: Strings = ()
    resources: Strings = ()
    not_resources: Strings = ()
    conditions: dict[str, dict[str, Strings]] = {}

    @property
    def identity(self) -> str:
        """What pairs two versions of one statement: its Sid, if it has one."""
        return self.sid


class Policy(Value):
    """A policy document: a set of statements."""

    version: str = "2012-10-17"
    statements: tuple[Statement, ...] = ()

    def document(self) -> dict[str, Any]:
        """IAM's own form of it."""
        return {"Version": self.version, "Statement": [_statement_document(s) for s in self.statements]}

    def text(self) -> str:
        """IAM's own form of it, as compact JSON."""
        return json.dumps(self.document(), separators=(",", ":"))


_PARTS = (
    ("Principal", "principals"), ("NotPrincipal", "not_principals"), ("Action", "actions"),
    ("NotAction", "not_actions"), ("Resource", "resources"), ("NotResource", "not_resources"),
    ("Condition", "conditions"),
)  # fmt: skip


def _statement_document(statement: Statement) -> dict[str, Any]:
    out: dict[str, Any] = {"Sid": statement.sid} if statement.sid else {}
    out["Effect"] = statement.effect
    for theirs, ours in _PARTS:
        value = getattr(statement, ours)
        if value:
            out[theirs] = _shortest(value)
    return out


def _shortest(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _shortest(v) for k, v in value.items()}
    return value[0] if len(value) == 1 else list(value)


def policy(document: Any) -> Policy:
    """The canonical form of a policy document: JSON text (URL-encoded as IAM returns it, or plain), mapping or Policy."""
    if isinstance(document, Policy):
        return document
    if isinstance(document, str):
        document = json.loads(unquote(document) if document.lstrip().startswith("%7B") else document)
    found = document.get("Statement", [])
    statements = {
        Statement(
            sid=s.get("Sid", ""),
            effect=str(s.get("Effect", "")).capitalize(),
            principals=_principals(s.get("Principal")),
            not_principals=_principals(s.get("NotPrincipal")),
            actions=strings(s.get("Action")),
            not_actions=strings(s.get("NotAction")),
            resources=strings(s.get("Resource")),
            not_resources=strings(s.get("NotResource")),
            conditions=_conditions(s.get("Condition")),
        ).model_dump_json(): s
        for s in ([found] if isinstance(found, Mapping) else found)
    }
    return Policy(
        version=document.get("Version", "2008-10-17"),
        statements=tuple(Statement.model_validate_json(text) for text in sorted(statements)),
    )


PolicyDocument = Annotated[Policy, BeforeValidator(policy)]


class Container(Value):
    """One container of a task definition, without what AWS fills in by itself."""

    name: str
    image: str | Annotated[Ref, PlainSerializer(str)]
    essential: bool = True
    entrypoint: Strings | None = None
    command: Strings | None = None
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    log_driver: str | None = None
    log_options: dict[str, str] = {}
    stop_timeout: int | None = None
    extra: dict[str, Any] = {}

    @property
    def identity(self) -> str:
        """Containers are paired by name."""
        return self.name


HEALTH_CHECK_DEFAULTS = {"interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}
_CONTAINER_KNOWN = {
    "name", "image", "essential", "entryPoint", "command", "environment", "secrets", "logConfiguration", "stopTimeout",
}  # fmt: skip


def container(definition: Mapping[str, Any]) -> Container:
    """The canonical form of a container definition as the ECS API has it."""
    log = definition.get("logConfiguration") or {}
    extra = {key: _without_defaults(key, value) for key, value in definition.items() if key not in _CONTAINER_KNOWN}
    secrets = {s["name"]: s["valueFrom"] for s in definition.get("secrets") or ()}
    if log.get("secretOptions"):
        extra["logSecretOptions"] = sorted(log["secretOptions"], key=lambda o: str(o["name"]))
    return Container(
        name=definition["name"],
        image=definition["image"],
        essential=definition.get("essential", True),
        entrypoint=tuple(definition["entryPoint"]) if definition.get("entryPoint") else None,
        command=tuple(definition["command"]) if definition.get("command") else None,
        environment={e["name"]: e.get("value", "") for e in _by_name(definition.get("environment"))},
        secrets=dict(sorted(secrets.items())),
        log_driver=log.get("logDriver"),
        log_options=dict(sorted((log.get("options") or {}).items())),
        stop_timeout=definition.get("stopTimeout"),
        extra=dict(sorted((k, v) for k, v in extra.items() if v not in (None, [], {}, "", 0, False))),
    )


def _by_name(items: Any) -> list[Any]:
    return sorted(items or (), key=lambda item: str(item["name"]))


def _without_defaults(key: str, value: Any) -> Any:
    if key == "portMappings":
        return sorted((_port(mapping) for mapping in value or ()), key=json.dumps)
    if key == "healthCheck" and value:
        return {k: v for k, v in value.items() if v != HEALTH_CHECK_DEFAULTS.get(k)}
    return value


def _port(mapping: Mapping[str, Any]) -> dict[str, Any]:
    port = {k: v for k, v in mapping.items() if not (k == "protocol" and v == "tcp")}
    if port.get("hostPort") in (0, port.get("containerPort")):
        port.pop("hostPort", None)
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
    if container.log_driver:
        out["logConfiguration"] = {"logDriver": container.log_driver, "options": dict(container.log_options)}
    if container.stop_timeout:
        out["stopTimeout"] = container.stop_timeout
    return out | dict(container.extra)
