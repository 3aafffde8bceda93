"""Short ways to write JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def text(about: str = "") -> Schema:
    """A string."""
    return {"type": "string", **({"description": about} if about else {})}


def number(about: str = "", kind: str = "number") -> Schema:
    """A number."""
    return {"type": kind, **({"description": about} if about else {})}


def yes_no(about: str) -> Schema:
    """A boolean."""
    return {"type": "boolean", "description": about}


def some(items: Schema, about: str) -> Schema:
    """A list."""
    return {"type": "array", "items": items, "description": about}


def texts(about: str) -> Schema:
    """An object whose values are strings."""
    return {"type": "object", "additionalProperties": text(), "description": about}


def one_of(words: list[str], about: str = "") -> Schema:
    """One of these words."""
    return {"enum": words, **({"description": about} if about else {})}


def or_null(schema: Schema, about: str) -> Schema:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}], "description": about}


def ref(name: str, about: str = "") -> Schema:
    """One of the shared shapes."""
    return {"$ref": f"#/$defs/{name}", **({"description": about} if about else {})}


def shape(about: str, keys: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these keys."""
    required = [key for key in keys if key not in optional]
    return {"type": "object", "description": about, "required": required, "properties": dict(keys)}


def answer(about: str, keys: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """What a command prints: its format's version first."""
    return shape(
        about, {"version": {"const": 1, "description": "the version of this format"}, **keys}, optional=optional
    )


FINDING = shape(
    "One check, and its parts.",
    {
        "check": text("what was looked at"),
        "state": one_of(["OK", "NG", "SKIP"], "NG: no good; SKIP: it can't be told, or isn't asked for"),
        "says": text("what was found"),
        "fix": text("what to do, of an NG"),
        "inside": some(ref("finding"), "its parts"),
    },
)
FINDINGS: dict[str, Schema] = {
    "ok": yes_no("whether nothing is NG"), "checks": some(ref("finding"), "in the order in which they matter"),
}  # fmt: skip
