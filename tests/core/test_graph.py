# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from graphlib import CycleError
from typing import Any

import pytest

from reconciler.core.graph import Graph, Node, references, resolve
from reconciler.core.spec import Address, Ref
from tests.core.things import Box, Content, Part, graph, thing


def ref(name: str, attribute: str = "arn") -> Ref:
    return Ref(Address("thing", name), attribute)


def address(name: str) -> Address:
    return Address("thing", name)


def test_what_is_needed_comes_first() -> None:
    made = graph(
        Node(thing("c"), needs=(address("b"),)),
        thing("a", colour=ref("c")),
        thing("b"),
        Node(Box(name="z"), (address("a"),)),
    )
    assert [node.name for node in made.nodes] == ["b", "c", "a", "z"]
    assert made.needs == {
        address("c"): (address("b"),), address("a"): (address("c"),), address("b"): (), Address("box", "z"): (address("a"),),
    }  # fmt: skip


def test_a_need_is_listed_once_and_only_if_it_is_there() -> None:
    made = graph(
        Node(thing("a", colour=ref("b"), options={"x": ref("b", "id")}), needs=(address("b"), address("gone"))),
        thing("b"),
    )
    assert made.needs[address("a")] == (address("b"),)


def test_nodes_are_kept_as_they_are() -> None:
    node = Node(thing("a"), protect=True)
    assert graph(node).nodes == {address("a"): node}
    assert Node(thing("a")) == Node(thing("a"), (), protect=False)


def test_two_of_one_address() -> None:
    with pytest.raises(ValueError, match=r"^two resources are thing\.a$"):
        graph(thing("a"), thing("a", size=2))


def test_one_name_in_two_kinds_is_fine() -> None:
    assert len(graph(Box(name="a"), Content(name="a")).nodes) == 2


def test_a_cycle() -> None:
    with pytest.raises(CycleError):
        graph(thing("a", colour=ref("b")), thing("b", colour=ref("a")))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [([], ""), (["a"], "a"), (["b"], "ab"), (["d"], "abd"), (["b", "c"], "abc"), (["b", "b"], "ab")],
)
def test_closure(targets: list[str], expected: str) -> None:
    made = graph(
        thing("a"), Node(thing("b"), (address("a"),)), thing("c"), Node(thing("d"), (address("b"), address("a")))
    )
    assert made.closure(map(address, targets)) == {address(name) for name in expected}


PLACES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a field", {"colour": ref("x")}, {"colour": "X"}),
    ("a mapping", {"plain": {"a": ref("x"), "b": 1}}, {"plain": {"a": "X", "b": 1}}),
    ("a deep mapping", {"plain": {"a": {"b": ref("x")}}}, {"plain": {"a": {"b": "X"}}}),
    ("a tuple in a mapping", {"plain": {"a": (ref("x"), "y")}}, {"plain": {"a": ("X", "y")}}),
]


@pytest.mark.parametrize(("fields", "resolved"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_references_are_found_and_resolved(fields: dict[str, Any], resolved: dict[str, Any]) -> None:
    spec = thing("a", **fields)
    assert list(references(spec)) == [ref("x")]
    assert resolve(spec, {ref("x"): "X"}) == thing("a", **resolved)
    assert resolve(spec, {ref("x", "id"): "X", ref("y"): "X"}) is spec


def test_references_in_a_list() -> None:
    assert list(references([ref("a"), {"b": ref("b")}, "c"])) == [ref("a"), ref("b")]


def test_what_holds_no_reference_stays_the_same_object() -> None:
    spec = thing("a", words=("a",), plain={"a": 1}, parts=(Part(name="a"),), options={"l": [1]})
    assert resolve(spec, {ref("x"): "X"}) is spec
    assert list(references(spec)) == []


def test_only_what_holds_a_reference_is_made_anew() -> None:
    spec = thing("a", colour=ref("x"), parts=(Part(name="a"),))
    resolved = resolve(spec, {ref("x"): "X"})
    assert resolved.parts is spec.parts
    assert resolved.colour == "X"


def test_an_empty_graph() -> None:
    assert Graph([]).nodes == {}
