"""The resources that one deploy wants, and what needs what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeVar

from reconciler.core.spec import Address, Ref, Spec, Value

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Node:
    """One wanted resource, and the resources that must be there before it."""

    spec: Spec
    needs: tuple[Address, ...] = ()
    protect: bool = False


class Graph:
    """Wanted resources by address, in an order in which they can be made."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Raises ValueError for two nodes with one address; graphlib.CycleError for a cycle."""
        by_address: dict[Address, Node] = {}
        for node in nodes:
            if node.spec.address in by_address:
                raise ValueError(f"two resources are {node.spec.address}")
            by_address[node.spec.address] = node
        self.needs: dict[Address, tuple[Address, ...]] = {
            address: tuple(
                dict.fromkeys(n for n in (*node.needs, *(r.address for r in references(node.spec))) if n in by_address)
            )
            for address, node in by_address.items()
        }
        order = TopologicalSorter(self.needs).static_order()
        self.nodes: dict[Address, Node] = {address: by_address[address] for address in order}

    def closure(self, targets: Iterable[Address]) -> frozenset[Address]:
        """These resources and everything that they need."""
        todo, visited = list(targets), set[Address]()
        while todo:
            address = todo.pop()
            if address not in visited:
                visited.add(address)
                todo.extend(self.needs[address])
        return frozenset(visited)


def references(value: Any) -> Iterator[Ref]:
    """Every reference inside a value."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Value):
        for name in type(value).model_fields:
            yield from references(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from references(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from references(part)


def resolve(spec: S, values: Mapping[Ref, str]) -> S:
    """The spec with each reference that has a value replaced by it."""
    resolved: S = _resolve(spec, values)
    return resolved


def _resolve(value: Any, values: Mapping[Ref, str]) -> Any:
    if isinstance(value, Ref):
        return values.get(value, value)
    if isinstance(value, Value):
        parts = {name: getattr(value, name) for name in type(value).model_fields}
        updates = {name: new for name, part in parts.items() if (new := _resolve(part, values)) is not part}
        return value.model_copy(update=updates) if updates else value
    if isinstance(value, Mapping):
        mapping = {key: _resolve(part, values) for key, part in value.items()}
        return mapping if any(mapping[key] is not value[key] for key in mapping) else value
    if isinstance(value, tuple):
        items = tuple(_resolve(part, values) for part in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
