"""What a command prints with --json: values of the classes that its module lists as ANSWERS.

A field's annotation says its type and, in words, what it means; the JSON schemas and docs/json.md are made of that
(`json_formats`). A field that is ABSENT is left out, and so may be one whose default that is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from reconciler.core.plain_json import ABSENT as ABSENT


@dataclass(frozen=True)
class Answer:
    """The one object of a command. version: of its format, raised when a key goes or changes its meaning."""

    version: Annotated[Literal[1], "the version of this format"] = field(default=1, init=False)
