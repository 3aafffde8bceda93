"""What all sections of deploy.yaml share: the base model, the error that a check raises, and a few field types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping in deploy.yaml: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class AsWritten:
    """Marks a field whose scalars are text whatever YAML makes of them: 1.10 stays "1.10", true stays "true"."""


def bad(message: str, fix: str = "") -> PydanticCustomError:
    """The error of a check of one value: `{value}` in `message` becomes the value, unless that came from a secret."""
    return PydanticCustomError("deploy", "{text}", {"text": message, "fix": fix})


def _whole_number(value: Any) -> Any:
    # To pydantic, and to Python, True is 1.
    if isinstance(value, bool):
        raise bad("{value} is not a whole number", "write a number, without quotes")
    return value


Int = Annotated[int, BeforeValidator(_whole_number)]


def _one(value: Any) -> Any:
    """A bare text is a list of one."""
    return [value] if isinstance(value, str) else value


OneOrMore = BeforeValidator(_one)
