"""What a plain scalar of YAML means.

YAML 1.2's core schema, with yes/no/on/off as booleans too, since that is what most readers of YAML make of them. Unlike
YAML 1.1: no times to the base of 60, no dates, no octal numbers by a leading zero.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from reconciler.core.plain_json import DEEPEST

TAG = "tag:yaml.org,2002:"


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with our resolution of plain scalars; used to compose nodes only."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own way

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML, which would go to the limit of calls: see plain_json.parse. Raises OverflowError."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise OverflowError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _name, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    Loader.add_implicit_resolver(TAG + _name, re.compile(f"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first])


def plain(kind: str, text: str) -> Any:
    """The value of a scalar whose tag is TAG + kind; its text where that is no such value."""
    try:
        if kind == "bool":
            return text.lower() in ("yes", "true", "on")
        if kind == "int":
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # !!int abc, or more digits than Python converts
        pass
    return text
