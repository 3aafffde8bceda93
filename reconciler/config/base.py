"""What all sections of deploy.yaml share: the base model, the error that a check raises, and a few field types."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Section(BaseModel):
    """A mapping in deploy.yaml: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class AsWritten:
    """Marks a field whose scalars are text whatever YAML makes of them: 1.10 stays "1.10", true stays "true"."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json_schema: dict[str, Any] = _any_scalar(handler(schema))
        return json_schema


@dataclass(frozen=True)
class Unshown:
    """Marks a field where somebody may have written a secret by mistake: what looks like a URL there isn't shown."""


def _any_scalar(schema: Any) -> Any:
    """`schema` with numbers and booleans allowed wherever text is, but for the names of properties."""
    if isinstance(schema, list):
        return [_any_scalar(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {k: v if k == "propertyNames" else _any_scalar(v) for k, v in schema.items()}
    return inner | {"type": ["string", "number", "boolean"]} if schema.get("type") == "string" else inner


def bad(message: str, fix: str = "") -> PydanticCustomError:
    """The error of a check of one value: `{value}` in `message` becomes the value, unless that came from a secret."""
    return PydanticCustomError("deploy", "{text}", {"text": message, "fix": fix})


def _whole_number(value: Any) -> Any:
    # To pydantic, and to Python, True is 1.
    if isinstance(value, bool):
        raise bad("{value} is not a whole number", "write a number, without quotes")
    return value


Int = Annotated[int, BeforeValidator(_whole_number)]


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise bad("{value} is not a number")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise bad("{value} is not a finite number")
    return value


Number = Annotated[float, BeforeValidator(_no_switch), AfterValidator(_finite)]
DOLLARS = 1_000_000  # at most, of a limit


def short_for(key: str, types: type | UnionType = str) -> Callable[[Any], Any]:
    """A value of these types alone stands for a mapping with this one key."""
    return lambda value: {key: value} if isinstance(value, types) else value


def _as_list(value: Any) -> Any:
    """A bare text is a list of one."""
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True)
class OneOrMore:
    """Marks a list for which a bare text stands for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json_schema = handler(schema)
        return {"anyOf": [json_schema["items"], json_schema]}
