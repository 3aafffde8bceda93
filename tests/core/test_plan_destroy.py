"""Plans that delete: everything of a deploy, what it holds only if told so."""

from __future__ import annotations

import pytest

from reconciler.core.graph import Node
from reconciler.core.plan import Options
from reconciler.core.spec import Address
from tests.core.plans import BOX, DATA, INSIDE, OTHERS, A, destroy, only, plan
from tests.core.things import OWNED, Box, Content, Thing, there, thing


def test_destroy_in_the_reverse_order() -> None:
    nodes = (thing("b"), thing("a"), BOX, Node(INSIDE, (BOX.address,)))
    found = destroy(*nodes, found=there(*(n.spec if isinstance(n, Node) else n for n in nodes)), options=DATA)
    assert [(str(s.address), s.action, s.held, list(map(str, s.needs))) for s in found.steps] == [
        ("thing.a", "delete", "", []),
        ("thing.b", "delete", "", []),
        ("content.a/c", "delete", "", ["thing.a", "thing.b"]),
        ("box.a", "delete", "", ["thing.a", "thing.b", "content.a/c"]),
    ]
    assert all(step.want is None and step.seen is not None for step in found.steps)


def test_destroy_keeps_data_unless_told() -> None:
    found = destroy(BOX, Node(INSIDE, (BOX.address,)), thing(), found=there(BOX, INSIDE, thing()))
    assert [(s.address.kind, s.held) for s in found.steps] == [
        ("thing", ""),
        ("content", "it holds data: pass --delete-data to delete it"),
        ("box", "it holds data: pass --delete-data to delete it"),
    ]


def test_destroy_keeps_what_is_protected() -> None:
    found = destroy(Node(thing(), protect=True), found=there(thing()), options=DATA)
    assert only(found).held == "protected by the file (`protect: true`)"


# What is in something protected: a part is named like what holds it, or after it and a slash.
@pytest.mark.parametrize(
    ("box", "content", "held"), [("a", "a", True), ("a", "a/c", True), ("a", "a/c/d", True), ("a/b", "a/b", True),
                                 ("b", "a/c", False), ("c", "a/c", False), ("a", "ab/c", False)],
)  # fmt: skip
def test_what_is_in_something_protected_stays(box: str, content: str, held: bool) -> None:
    holder, inside = Box(name=box, tags=OWNED), Content(name=content, tags=OWNED)
    found, recorded = there(holder, inside), {inside.address}
    expected = "protected by the file (`protect: true`)" if held else ""
    destroyed = destroy(Node(holder, protect=True), found=found, recorded=recorded, options=DATA)
    assert [step.held for step in destroyed.steps if step.address == inside.address] == [expected]
    pruned = plan(
        Node(holder, protect=True), found=found, recorded=recorded, options=Options(prune=True, delete_data=True)
    )
    assert [step.held for step in pruned.steps if step.address == inside.address] == [expected]
    loose = plan(holder, found=found, recorded=recorded, options=Options(prune=True, delete_data=True))
    assert [step.held for step in loose.steps if step.address == inside.address] == [""]


def test_destroy_leaves_others_alone() -> None:
    nodes = (thing("a"), thing("b"), thing("c"), thing("d"))
    found = destroy(
        *nodes,
        found=there(thing("a"), Thing(name="b"), thing("c", tags=OTHERS), Thing(name="d")),
        recorded={Address("thing", "d")},
    )
    assert [step.address.name for step in found.steps] == ["a", "d"]


def test_destroy_takes_what_left_the_file_too() -> None:
    found = destroy(thing("b"), found=there(thing("a"), thing("b"), thing("c")), recorded={A, Address("thing", "x")})
    assert [step.address.name for step in found.steps] == ["a", "b"]
