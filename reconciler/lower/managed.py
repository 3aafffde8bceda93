"""A policy that is too large for one managed policy, as several: NAME, NAME.2 and so on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.canonical import Policy, policy
from reconciler.core.graph import Node
from reconciler.kinds import PolicySpec


def part_name(name: str, number: int) -> str:
    """What a part is called; the first is called as the whole, and no other policy has a name like the others."""
    return name if number == 1 else f"{name}.{number}"


def is_part(name: str, whole: str | None) -> bool:
    """Whether something is called as the whole, or as a part of it."""
    return whole is not None and re.fullmatch(rf"{re.escape(whole)}(?:\.[0-9]+)?", name) is not None


def managed(names: Names, name: str, documents: Sequence[Any]) -> list[Node]:
    """The policies with these documents; None is one that is still to be filled."""
    return [
        Node(
            PolicySpec(
                name=part,
                document=Policy() if document is None else policy(document),
                arn=names.iam(f"policy/{part}"),
                tags=names.tags,
            )
        )
        for part, document in ((part_name(name, number), document) for number, document in enumerate(documents, 1))
    ]


def arns_of(nodes: Iterable[Node]) -> Iterator[str]:
    """The ARNs of these policies."""
    return (node.spec.arn for node in nodes if isinstance(node.spec, PolicySpec))
