"""A tree of plain values as YAML that a person would write: in order, with comments, short lists on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from reconciler.config.show import Dumper
from reconciler.core.text import line

Path = tuple[str, ...]
WIDTH = 100  # characters that a list on one line may take


BARE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Variable(str):
    """Text in which ${...} is meant to be expanded."""

    __slots__ = ()


def write(tree: Mapping[str, Any], comments: Mapping[Path, str], header: list[str]) -> str:
    """The YAML of `tree`: sections apart from each other, each comment behind the key at its path.

    Whatever a name or a value holds, it ends no comment and is no character that isn't seen.
    """
    lines = [f"# {line(remark)}".rstrip() for remark in header]
    after_section = True
    for key, value in tree.items():
        section = isinstance(value, Mapping)
        if section or after_section:
            lines.append("")
        lines += _entry(key, value, (), comments)
        after_section = section
    return "\n".join(lines).lstrip("\n") + "\n"


def _entry(key: str, value: Any, above: Path, comments: Mapping[Path, str]) -> list[str]:
    path = (*above, key)
    indent = "  " * len(above)
    comment = f" # {line(comments[path])}" if path in comments else ""
    name = f"{indent}{_scalar(key)}:"
    if isinstance(value, Mapping) and value:
        return [f"{name}{comment}", *(row for k, v in value.items() for row in _entry(k, v, path, comments))]
    if isinstance(value, list) and value and not _short(value):
        lines = [f"{name}{comment}"]
        for item in value:
            lines += _item(item, path, comments)
        return lines
    return [f"{name} {_flow(value) if isinstance(value, list | Mapping) else _scalar(value)}{comment}"]


def _item(item: Any, path: Path, comments: Mapping[Path, str]) -> list[str]:
    indent = "  " * len(path)
    if not isinstance(item, Mapping) or not item:
        return [f"{indent}- {_scalar(item)}"]
    lines = [row for key, value in item.items() for row in _entry(key, value, (*path, "[]"), comments)]
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def _short(value: list[Any]) -> bool:
    return not any(isinstance(item, Mapping | list) for item in value) and len(_flow(value)) <= WIDTH


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(item, flow=True) for item in value) + "]"
    return "{}"


def _scalar(value: Any, *, flow: bool = False) -> str:
    """A value on one line, in quotes only where it needs them. flow: in a list on one line."""
    if isinstance(value, Variable):
        return str(value) if BARE.fullmatch(value) and not flow else _dump([str(value)], flow, '"')
    plain = str(value).replace("${", "$${") if isinstance(value, str) else value
    text = _dump([plain], flow)
    return _dump([plain], flow, '"') if text.startswith(("'", '"')) or line(text) != text else text


def _dump(item: list[Any], flow: bool, style: str | None = None) -> str:
    text: str = yaml.dump(
        item,
        Dumper=Dumper,
        default_flow_style=flow,
        default_style=style,
        allow_unicode=all(line(value) == value for value in item if isinstance(value, str)),
        width=2**31,
    )
    return text.strip()[1:-1] if flow else text.strip().removeprefix("- ")
