"""Plans that delete: everything of a deploy, what it holds only if told so."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from reconciler.core.graph import Node
from reconciler.core.plan import BY_RECORD, Action, Options, Plan
from reconciler.core.spec import Address, Spec
from tests.core.plans import BOX, DATA, INSIDE, OTHERS, UNSURE, A, destroy, only, plan
from tests.core.things import OWNED, Box, Content, Thing, there, thing


def test_destroy_in_the_reverse_order() -> None:
    nodes = (thing("b"), thing("a"), BOX, Node(INSIDE, (BOX.address,)))
    planned = destroy(*nodes, live=there(*(n.spec if isinstance(n, Node) else n for n in nodes)), options=DATA)
    assert [(str(s.address), s.action, s.held, list(map(str, s.after))) for s in planned.steps] == [
        ("thing.a", "delete", "", []),
        ("thing.b", "delete", "", []),
        ("content.a/c", "delete", "", []),
        ("box.a", "delete", "", ["content.a/c"]),
    ]
    assert all(step.want is None and step.seen is not None for step in planned.steps)


def test_destroy_keeps_data_unless_told() -> None:
    planned = destroy(BOX, Node(INSIDE, (BOX.address,)), thing(), live=there(BOX, INSIDE, thing()))
    assert [(s.address.kind, s.held) for s in planned.steps] == [
        ("thing", ""),
        ("content", "it holds data: pass --delete-data to delete it"),
        ("box", "it holds data: pass --delete-data to delete it"),
    ]


def test_destroy_keeps_what_is_protected() -> None:
    planned = destroy(Node(thing(), protect=True), live=there(thing()), options=DATA)
    assert only(planned).held == "protected by the file (`protect: true`)"


# What is in something protected: a part is named like what holds it, or after it and a slash.
@pytest.mark.parametrize(
    ("box", "content", "held"), [("a", "a", True), ("a", "a/c", True), ("a", "a/c/d", True), ("a/b", "a/b", True),
                                 ("b", "a/c", False), ("c", "a/c", False), ("a", "ab/c", False)],
)  # fmt: skip
def test_what_is_in_something_protected_stays(box: str, content: str, held: bool) -> None:
    holder, inside = Box(name=box, tags=OWNED), Content(name=content, tags=OWNED)
    live, recorded = there(holder, inside), {inside.address}
    expected = "protected by the file (`protect: true`)" if held else ""
    destroyed = destroy(Node(holder, protect=True), live=live, recorded=recorded, options=DATA)
    assert [step.held for step in destroyed.steps if step.address == inside.address] == [expected]
    pruned = plan(
        Node(holder, protect=True), live=live, recorded=recorded, options=Options(prune=True, delete_data=True)
    )
    assert [step.held for step in pruned.steps if step.address == inside.address] == [expected]
    loose = plan(holder, live=live, recorded=recorded, options=Options(prune=True, delete_data=True))
    assert [step.held for step in loose.steps if step.address == inside.address] == [""]


def test_destroy_leaves_others_alone() -> None:
    nodes = (thing("a"), thing("b"), thing("c"), thing("d"))
    planned = destroy(
        *nodes,
        live=there(thing("a"), Thing(name="b"), thing("c", tags=OTHERS), Thing(name="d")),
        recorded={Address("thing", "d")},
    )
    assert [step.address.name for step in planned.steps] == ["a", "d"]


def test_destroy_takes_what_left_the_file_too() -> None:
    planned = destroy(thing("b"), live=there(thing("a"), thing("b"), thing("c")), recorded={A, Address("thing", "x")})
    assert [step.address.name for step in planned.steps] == ["a", "b"]


class Layer(Content):
    """Part of a box that can't say by itself whose it is."""

    kind: ClassVar[str] = "layer"
    marked: ClassVar[bool] = False


LEFT = Options(prune=True, delete_data=True)
MY_BOX, THEIR_BOX, BARE_BOX = Box(name="a", tags=OWNED), Box(name="a", tags=OTHERS), Box(name="a")
THEIRS = object()  # not planned at all


# (what the record names, beside what, whether the file has it, what is allowed, why it is held)
@pytest.mark.parametrize(
    ("left", "beside", "pruned", "destroyed"),
    [
        (Thing(name="b"), None, UNSURE, UNSURE),
        (Thing(name="b", tags=OWNED), None, "", ""),
        (Thing(name="b", tags=OTHERS), None, THEIRS, THEIRS),
        (Box(name="b"), None, UNSURE, UNSURE),
        (Content(name="a/c"), None, UNSURE, UNSURE),
        (Content(name="a/c"), BARE_BOX, UNSURE, UNSURE),
        (Content(name="a/c"), MY_BOX, UNSURE, ""),  # with the box all that is in it goes
        (Content(name="a/c", tags=OWNED), MY_BOX, "", ""),
        (Content(name="a/c", tags=OWNED), THEIR_BOX, "", ""),
        (Content(name="a/c"), THEIR_BOX, THEIRS, THEIRS),
        (Content(name="a/c", tags=OTHERS), MY_BOX, THEIRS, THEIRS),
        (Layer(name="a"), MY_BOX, "", ""),
        (Layer(name="a"), BARE_BOX, UNSURE, UNSURE),
        (Layer(name="a"), THEIR_BOX, THEIRS, THEIRS),
        (Layer(name="a"), None, UNSURE, UNSURE),
    ],
)
def test_the_record_alone_deletes_nothing(left: Spec, beside: Spec | None, pruned: object, destroyed: object) -> None:
    live, recorded = there(left, *([beside] if beside else [])), {left.address}

    def held(planned: Plan) -> object:
        steps = [step for step in planned.steps if step.address == left.address]
        return steps[0].held.partition(":")[0] if steps else THEIRS

    assert held(plan(thing("x"), live=live, recorded=recorded, options=LEFT)) == pruned
    assert held(destroy(thing("x"), live=live, recorded=recorded, options=DATA)) == destroyed
    # Its name said too it is deleted, unless it is another's.
    confirmed = frozenset({left.address})
    sure = [THEIRS if THEIRS in (pruned, destroyed) else ""] * 2
    assert [
        held(plan(thing("x"), live=live, recorded=recorded, options=replace(LEFT, confirm=confirmed))),
        held(destroy(thing("x"), live=live, recorded=recorded, options=replace(DATA, confirm=confirmed))),
    ] == sure


def test_what_holds_data_needs_both() -> None:
    box = Box(name="b")

    def held(options: Options) -> str:
        return only(destroy(thing("x"), live=there(box), recorded={box.address}, options=options)).held

    data = "it holds data: pass --delete-data to delete it"
    assert held(Options()) == f"{BY_RECORD.format('box.b')}; {data}"
    assert held(Options(confirm=frozenset({box.address}))) == data
    assert held(DATA) == BY_RECORD.format("box.b")
    assert held(replace(DATA, confirm=frozenset({box.address}))) == ""


def test_with_a_confirmed_box_goes_what_is_in_it() -> None:
    inside = Content(name="a/c")
    live, recorded = there(BARE_BOX, inside), {BARE_BOX.address, inside.address}
    options = replace(DATA, confirm=frozenset({BARE_BOX.address}))
    assert [step.held for step in destroy(thing("x"), live=live, recorded=recorded, options=options).steps] == [
        "",
        "",
    ]


def test_a_replacement_deletes_too() -> None:
    want, live = thing("a", shape="round"), Thing(name="a", shape="square")
    step = only(plan(want, live=there(live), recorded={A}))
    assert (step.action, step.held) == (Action.REPLACE, BY_RECORD.format("thing.a"))
    assert only(plan(want, live=there(live), recorded={A}, options=Options(confirm=frozenset({A})))).held == ""
    assert only(plan(want, live=there(thing("a", shape="square")), recorded={A})).held == ""


def test_an_untagged_part_of_anothers_box_is_anothers() -> None:
    inside = Content(name="a/c", text="t")
    planned = plan(Box(name="a", tags=OWNED), Node(inside, (BOX.address,)), live=there(THEIR_BOX, Content(name="a/c")),
                   recorded={inside.address})  # fmt: skip
    assert [step.action for step in planned.steps] == [Action.NONE, Action.ADOPT]
