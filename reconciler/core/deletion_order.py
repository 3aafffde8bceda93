"""Which deletion waits for which others: only for those of what uses it, so that all goes at once that may. Pure.

Of what the file names the graph says what uses what. Of what left the file nothing does: there it waits for every kind
that may use it (`Spec.uses`), and live values name what is used. What runs in a resource uses more than that says of
itself (`Spec.works_with`). Whoever deletes goes last, with what it uses: without it nothing more could be deleted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from reconciler.core.graph import Graph
from reconciler.core.spec import Address, Observed, Spec, held_by


class Before(NamedTuple):
    """What a deletion comes after. needs: what uses it, which has to be gone; after: these, and what has to have ended,
    however it did.
    """

    needs: tuple[Address, ...]
    after: tuple[Address, ...]


def in_order(
    going: Sequence[Observed[Any]], graph: Graph, ranks: Sequence[str], last: Collection[Address] = ()
) -> list[tuple[Observed[Any], Before]]:
    """What is to be deleted, each with what it comes after, in an order in which all can be deleted one by one.

    ranks: kinds in the order in which they are made. last: who deletes.
    """
    order = {kind: rank for rank, kind in enumerate(ranks)}
    deleters = frozenset(last) | graph.closure(address for address in last if address in graph.nodes)
    # Of what left the file, live values tell what it uses.
    for caller in [observed.spec for observed in going if observed.spec.address in last]:
        deleters |= {
            observed.spec.address
            for observed in going
            if observed.spec.kind in caller.uses and _names(caller, observed)
        }

    def place(observed: Observed[Any]) -> tuple[bool, int, str]:
        return observed.spec.address in deleters, -order.get(observed.spec.kind, 0), observed.spec.name

    so_far = _SoFar(graph, deleters)
    return [(observed, so_far.add(observed)) for observed in sorted(going, key=place)]


class _SoFar:
    """The deletions that come earlier, by what each of their resources uses."""

    def __init__(self, graph: Graph, deleters: Collection[Address]) -> None:
        self.graph, self.deleters = graph, deleters
        self.places: dict[Address, int] = {}
        self.users: dict[Address, list[Address]] = {}
        self.by_kind: dict[str, list[Observed[Any]]] = {}

    def add(self, observed: Observed[Any]) -> Before:
        """What the deletion of this resource comes after, of what was added before."""
        address = observed.spec.address
        needs, after = set(self.users.get(address, ())), set[Address]()
        for others in self.by_kind.values():
            spec = others[0].spec
            if address.kind in spec.works_with:
                after.update(other.spec.address for other in others)
            if address.kind in spec.uses:
                untold = [other for other in others if not self._is_told(address, other.spec.address)]
                after.update(other.spec.address for other in untold)
                needs.update(other.spec.address for other in untold if _names(other.spec, observed))
        if address in self.deleters:
            after.update(other for other in self.places if other not in self.deleters)
        self._keep(observed)
        return Before(self._sorted(needs), self._sorted(needs | after))

    def _is_told(self, address: Address, other: Address) -> bool:
        return address in self.graph.nodes and other in self.graph.nodes

    def _sorted(self, addresses: Collection[Address]) -> tuple[Address, ...]:
        return tuple(sorted(addresses, key=self.places.__getitem__))

    def _keep(self, observed: Observed[Any]) -> None:
        address = observed.spec.address
        self.places[address] = len(self.places)
        self.by_kind.setdefault(address.kind, []).append(observed)
        uses = self.graph.closure([address]) - {address} if address in self.graph.nodes else frozenset[Address]()
        for other in uses.union(held_by(observed.spec)):
            self.users.setdefault(other, []).append(address)


def _names(spec: Spec, other: Observed[Any]) -> bool:
    """Whether live values name the other resource."""
    marks = [value for key, value in other.attributes.items() if key in ("arn", "id")]
    values = spec.model_dump_json() if marks else ""
    return any(re.search(rf"{re.escape(mark)}(?![\w-])", values) for mark in marks)
