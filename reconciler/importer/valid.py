"""What of an imported tree deploy.yaml allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.config import Deploy
from reconciler.config.problems import show_path
from reconciler.importer.tree import Tree
from reconciler.importer.writer import Variable

NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def valid(tree: Tree, environ: Mapping[str, str]) -> Deploy:
    """The deploy that the tree describes. What deploy.yaml doesn't allow is taken out of the tree, with a note."""
    while True:
        try:
            return Deploy.model_validate(_expanded(tree.values, environ)).filled()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = _take_out(tree.values, first["loc"])
            tree.notes.append(f"left out, since deploy.yaml can't have it: {show_path(path)} ({_why(first)})")


def _expanded(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, Variable):
        return NAME.sub(lambda name: environ.get(name[1]) or "unknown", value)
    if isinstance(value, dict):
        return {key: _expanded(part, environ) for key, part in value.items()}
    return [_expanded(part, environ) for part in value] if isinstance(value, list) else value


def _take_out(tree: dict[str, Any], location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Remove what is at a place, or what holds it. A policy goes as a whole: a part of one means something else."""
    if "policy" in location:
        location = location[: location.index("policy") + 1]
    holder: Any = tree
    path: list[str | int] = []
    for part in location:
        inner = holder[path[-1]] if path else holder
        if not (isinstance(inner, dict) and part in inner) and not (isinstance(inner, list) and isinstance(part, int)):
            break
        holder, path = inner, [*path, part]
    if not path:
        raise AssertionError(f"deploy.yaml can't be made: {show_path(location)}")
    del holder[path[-1]]
    return tuple(path)


def _why(error: ErrorDetails) -> str:
    return error["msg"].replace("{value}", "this")
