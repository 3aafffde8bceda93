"""Canonical forms: two ways to write the same thing become one value. Pure.

Policy documents: statements, actions, resources and principals are sets; a lone value is a list of one; an account
id as principal is that account's root; `"*"` is every AWS principal; Effect, actions and condition keys are compared
without case, and kept as they are written.
Sources: IAM JSON policy grammar; terraform-provider-aws `container_definitions.go`; ecspresso `diff.go`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core import plain_json
from reconciler.core.spec import Conditions, Neutral, Restricts, Value

Strings = tuple[str, ...]


def strings(value: Any) -> Strings:
    """A set of strings, however it was written, sorted."""
    if value is None:
        return ()
    items = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return tuple(sorted({"true" if i is True else "false" if i is False else str(i) for i in items}))


StringSet = Annotated[Strings, BeforeValidator(strings)]


def json_text(value: Any) -> Any:
    """JSON with its keys sorted and nothing between them; text that is no JSON stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.dumps(plain_json.parse(value), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return value


JsonText = Annotated[str, BeforeValidator(json_text)]


class Caseless(str):
    """Text that IAM compares without case; it stays as it was written."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.casefold() == other.casefold()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.casefold())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls, serialization=core_schema.to_string_ser_schema())


def caseless(value: Any) -> tuple[Caseless, ...]:
    """A set of such texts, sorted."""
    return tuple(sorted({Caseless(text) for text in strings(value)}, key=str.casefold))


def _principal(value: str, kind: str) -> str:
    return f"arn:aws:iam::{value}:root" if kind == "AWS" and re.fullmatch(r"\d{12}", value) else value


def _principals(value: Any) -> dict[str, Strings]:
    if not value:
        return {}
    if value == "*":
        return {"AWS": ("*",)}
    return {
        kind: strings([_principal(principal, kind) for principal in strings(names)])
        for kind, names in sorted(value.items())
    }


def _conditions(value: Any) -> dict[str, dict[Caseless, Strings]]:
    tests = sorted((value or {}).items())
    return {test: {Caseless(k): strings(v) for k, v in sorted(keys.items())} for test, keys in tests}


class Statement(Value):
    """One statement of a policy document."""

    sid: Annotated[str, Neutral()] = ""
    effect: str
    principals: dict[str, Strings] = Field({})
    not_principals: Annotated[dict[str, Strings], Restricts()] = Field({})
    actions: tuple[Caseless, ...] = ()
    not_actions: Annotated[tuple[Caseless, ...], Restricts()] = ()
    resources: Strings = ()
    not_resources: Annotated[Strings, Restricts()] = ()
    conditions: Annotated[dict[str, dict[Caseless, Strings]], Conditions()] = Field({})

    @property
    def identity(self) -> str:
        """What pairs two versions of one statement: its Sid, if it has one."""
        return self.sid

    @property
    def label(self) -> str:
        """What a person knows it by."""
        if self.sid:
            return self.sid
        actions = self.actions or self.not_actions
        words = [self.effect, *(["all but"] if self.not_actions else []), *actions[:1]]
        return " ".join([*words, *([f"and {len(actions) - 1} more"] if actions[1:] else [])])

    @property
    def denies(self) -> bool:
        """Whether it takes access away."""
        return self.effect == "Deny"


class Policy(Value):
    """A policy document: a set of statements."""

    version: Annotated[str, Neutral()] = "2012-10-17"
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
    for key, attribute in _PARTS:
        value = getattr(statement, attribute)
        if value:
            out[key] = _shortest(value)
    return out


def _shortest(value: Any) -> Any:
    """Plain values; a list of one is that one."""
    if isinstance(value, dict):
        return {str(key): _shortest(part) for key, part in value.items()}
    return str(value[0]) if len(value) == 1 else [str(item) for item in value]


def policy(document: Any) -> Policy:
    """The canonical form of a policy document: a mapping, or its JSON as text, plain or URL-encoded as IAM has it.

    Its canonical form, as a Policy or dumped, is taken as it is.
    """
    if isinstance(document, Policy):
        return document
    if isinstance(document, str):
        document = plain_json.parse(unquote(document) if document.lstrip().startswith("%7B") else document)
    if "statements" in document:
        return Policy.model_validate(document)
    declared = document.get("Statement", [])
    statements: list[Statement] = []
    for entry in [declared] if isinstance(declared, Mapping) else declared:
        statement = _statement(entry)
        if statement not in statements:
            statements.append(statement)
    statements.sort(key=lambda statement: statement.model_dump_json().casefold())
    return Policy(version=document.get("Version", "2008-10-17"), statements=tuple(statements))


def _statement(document: Mapping[str, Any]) -> Statement:
    return Statement(
        sid=document.get("Sid", ""),
        effect=str(document.get("Effect", "")).capitalize(),
        principals=_principals(document.get("Principal")),
        not_principals=_principals(document.get("NotPrincipal")),
        actions=caseless(document.get("Action")),
        not_actions=caseless(document.get("NotAction")),
        resources=strings(document.get("Resource")),
        not_resources=strings(document.get("NotResource")),
        conditions=_conditions(document.get("Condition")),
    )


def allow(sid: str, action: Any, resource: Any, condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A statement that allows, in IAM's own form. sid: empty for none."""
    statement = {**({"Sid": sid} if sid else {}), "Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def policy_of(statements: Iterable[Mapping[str, Any]]) -> Policy:
    """The policy of statements in IAM's own form."""
    return policy({"Version": "2012-10-17", "Statement": list(statements)})


PolicyDocument = Annotated[Policy, BeforeValidator(policy)]
