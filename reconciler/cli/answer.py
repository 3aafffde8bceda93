"""What a command prints with --json: values of the classes that its module lists as ANSWERS.

A field's annotation says its type and, in words, what it means; the JSON schemas and docs/json.md are made of that
(`json_formats`). A field that is ABSENT is left out, and so may be one whose default that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal

ABSENT: Any = type("Absent", (), {})()
# The object that `plan --json` prints, whose form has a file of its own.
PlanObject = Annotated[dict[str, Any], {"$ref": "#/$defs/plan"}]


@dataclass(frozen=True)
class Answer:
    """The one object of a command. version: of its format, raised when a key goes or changes its meaning."""

    version: Annotated[Literal[1], "the version of this format"] = field(default=1, init=False)


def plain(value: Any) -> Any:
    """A value as dictionaries, lists, texts and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {}
        for one in fields(value):
            part = getattr(value, one.name)
            if part is not ABSENT:
                found |= plain(part) if one.metadata.get("inline") else {one.name: plain(part)}
        return found
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.value if isinstance(value, Enum) else value
