# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

import pytest

from reconciler.core.graph import Node
from reconciler.core.plan import DEFAULT, Action, Options, deletions, ours, owned
from reconciler.core.spec import Address, Change, Observed, Ref, Spec
from tests.core.plans import ADOPT, BOX, DATA, INSIDE, OTHERS, PRUNE, UNSURE, A, B, only, plan
from tests.core.things import ME, OWNED, Box, Content, Thing, graph, seen, there, thing

# One resource: what is wanted, what is there, what the record says, what is allowed; then the action, the paths of its
# changes, and what reason, held and note begin with.
W = thing(size=1)
CASES: list[tuple[str, Spec, Spec | None, bool, Options, str, list[str], str, str, str]] = [
    ("absent", W, None, False, DEFAULT, "create", ["tags", "size"], "", "", ""),
    ("absent, recorded", W, None, True, DEFAULT, "create", ["tags", "size"], "", "", ""),
    ("as wanted", W, W, False, DEFAULT, "none", [], "", "", ""),
    ("differs", W, thing(size=2), False, DEFAULT, "update", ["size"], "", "", ""),
    ("differs, untagged, recorded", W, Thing(name="a", size=2), True, DEFAULT, "update",
     ["tags.reconciler:deploy", "size"], "", "", "no tag says whose it is"),
    ("tag is gone, recorded", W, Thing(name="a", size=1), True, DEFAULT, "update", ["tags.reconciler:deploy"], "", "",
     "no tag says whose it is"),
    ("a kind without such tags, recorded", Box(name="a", shape="x"), Box(name="a"), True, DEFAULT, "replace", ["shape"],
     "shape can't change", "replacing it", ""),
    ("immutable", thing(shape="x"), thing(shape="y"), False, DEFAULT, "replace", ["shape"], "shape can't change", "", ""),
    ("two immutable", thing(shape="x", place="x", size=1), thing(shape="y", place="y"), False, DEFAULT, "replace",
     ["size", "shape", "place"], "shape and place can't change", "", ""),
    ("immutable, holds data", Box(name="a", shape="x", tags=OWNED), Box(name="a", tags=OWNED), False, DEFAULT, "replace",
     ["shape"], "shape can't change", "replacing it would delete data", ""),
    ("immutable, data may go", Box(name="a", shape="x", tags=OWNED), Box(name="a", tags=OWNED), False, DATA, "replace",
     ["shape"], "shape can't change", "", ""),
    # somebody else's
    ("nobody's, as wanted", W, Thing(name="a", size=1), False, DEFAULT, "none", [], "", "", "made by someone else, used as it is"),
    ("nobody's, other tags", W, Thing(name="a", size=1, tags={"x": "y"}), False, DEFAULT, "none", [], "", "",
     "made by someone else, used as it is"),
    ("nobody's, differs", W, Thing(name="a", size=2), False, DEFAULT, "adopt", ["size"], "", "pass --adopt",
     "made by someone else"),
    ("nobody's, differs, adopted", W, Thing(name="a", size=2), False, ADOPT, "adopt", ["tags.reconciler:deploy", "size"], "", "",
     "made by someone else"),
    ("nobody's, as wanted, adopted", W, Thing(name="a", size=1), False, ADOPT, "adopt", ["tags.reconciler:deploy"], "", "",
     "made by someone else"),
    ("nobody's, without tags, adopted", Box(name="a"), Box(name="a"), False, ADOPT, "none", [], "", "",
     "made by someone else, used as it is"),
    ("nobody's, immutable", thing(shape="x"), Thing(name="a"), False, DEFAULT, "adopt", ["shape"], "",
     "shape can't change, and what isn't ours isn't replaced", "made by someone else"),
    ("nobody's, immutable, adopted", thing(shape="x"), Thing(name="a"), False, ADOPT, "adopt",
     ["tags.reconciler:deploy", "shape"], "", "shape can't change, and what isn't ours isn't replaced", "made by someone else"),
    ("another's, as wanted", W, thing(size=1, tags=OTHERS), False, DEFAULT, "none", [], "", "", "made by deploy 'other', used"),
    ("another's, as wanted, adopted", W, thing(size=1, tags=OTHERS), False, ADOPT, "none", [], "", "", "made by deploy 'other', used"),
    ("another's, differs", W, thing(size=2, tags=OTHERS), False, DEFAULT, "adopt", ["size"], "",
     "it belongs to deploy 'other'", "made by deploy 'other'"),
    ("another's, differs, adopted", W, thing(size=2, tags=OTHERS), False, ADOPT, "adopt", ["tags.reconciler:deploy", "size"],
     "", "it belongs to deploy 'other'", "made by deploy 'other'"),
    ("another's, recorded", W, thing(size=2, tags=OTHERS), True, DEFAULT, "adopt", ["size"], "",
     "it belongs to deploy 'other'", "made by deploy 'other'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("want", "live", "recorded", "options", "action", "paths", "reason", "held", "note"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_one_resource(
    want: Spec, live: Spec | None, recorded: bool, options: Options, action: str, paths: list[str],
    reason: str, held: str, note: str,
) -> None:  # fmt: skip
    step = only(
        plan(want, live=there(live) if live else {}, recorded={want.address} if recorded else set(), options=options)
    )
    assert (step.action, [change.path for change in step.changes]) == (action, paths)
    for text, expected in ((step.reason, reason), (step.held, held), (step.note, note)):
        assert text.startswith(expected)
        assert bool(text) == bool(expected)
    assert (step.address, step.want) == (want.address, want)
    assert (step.seen.spec if step.seen else None) == live
    assert step.does is (action != "none" and not held)


@pytest.mark.parametrize(
    ("aside", "tags", "action", "paths"),
    [
        (thing(size=1), OWNED, "none", []),  # it is as wanted, so that the rollback stays
        (thing(size=3), OWNED, "update", ["size"]),  # something else is wanted by now
        (thing(size=1), {}, "adopt", ["size"]),  # of somebody else
    ],
)
def test_what_a_rollback_put_aside(aside: Thing, tags: dict[str, str], action: str, paths: list[str]) -> None:
    live = thing(size=2, tags=tags)
    rolled_back: dict[Address, Observed[Spec]] = {
        live.address: Observed(live, note="rolled back", aside=Observed(aside))
    }
    step = only(plan(W, live=rolled_back))
    assert (step.action, [change.path for change in step.changes]) == (action, paths)
    assert "rolled back" in step.note or action == "adopt"


def test_protected_is_not_replaced() -> None:
    step = only(plan(Node(thing(shape="x"), protect=True), live=there(thing()), options=DATA))
    assert (step.action, step.held) == (Action.REPLACE, "protected by the file (`protect: true`)")


def test_a_creation_widens_and_replaces_nothing() -> None:
    step = only(plan(thing(shape="x", allowed=("a",))))
    assert step.changes == (
        Change("tags", None, OWNED), Change("shape", None, "x"), Change("allowed", None, ["a"]),
    )  # fmt: skip


# References: what is known before anything is done.
REF = Ref(A, "arn")
LATER = Ref(A, "revision")


@pytest.mark.parametrize(
    ("first", "live", "options", "colour"),
    [
        (thing(), None, DEFAULT, str(REF)),
        (thing(), thing(), DEFAULT, "ARN"),
        (thing(size=1), thing(size=2), DEFAULT, "ARN"),
        (thing(shape="x"), thing(), DEFAULT, str(REF)),
        (thing(size=1), Thing(name="a"), DEFAULT, "ARN"),
        (thing(size=1), Thing(name="a"), ADOPT, "ARN"),
    ],
    ids=["created", "as it is", "updated", "replaced", "held", "adopted"],
)
def test_a_reference_is_known_unless_it_is_made_anew(
    first: Thing, live: Thing | None, options: Options, colour: str
) -> None:
    state = there(thing("b", colour="old"), *([seen(live, arn="ARN")] if live else []))
    step = plan(first, thing("b", colour=REF), live=state, options=options).steps[-1]
    assert [(c.path, c.before, c.after) for c in step.changes] == [("colour", "old", colour)]
    assert step.needs == (A,)


@pytest.mark.parametrize(
    ("first", "colour"),
    [(thing(), "1"), (thing(size=1), str(LATER)), (thing(tags={**OWNED, "x": "y"}), "1"),
     (thing(size=1, tags={**OWNED, "x": "y"}), str(LATER))],
    ids=["as it is", "updated", "in place", "both"],
)  # fmt: skip
def test_what_an_update_changes_is_not_known(first: Thing, colour: str) -> None:
    state = there(seen(thing(), revision="1"), thing("b", colour="old"))
    step = plan(first, thing("b", colour=LATER), live=state).steps[-1]
    assert step.changes[0].after == colour


def test_what_is_known_and_equal_is_no_change() -> None:
    planned = plan(thing(), thing("b", colour=REF), live=there(seen(thing(), arn="ARN"), thing("b", colour="ARN")))
    assert planned.changes == ()
    assert planned.steps[-1].want == thing("b", colour="ARN")


# Replacing takes along what is part of the replaced, and what names it loses it.


def test_parts_of_what_is_replaced_are_made_anew() -> None:
    planned = plan(
        BOX, Node(INSIDE, (BOX.address,)), Node(thing(), (BOX.address,)), live=there(Box(name="a", tags=OWNED), INSIDE, thing()),
        options=DATA,
    )  # fmt: skip
    assert [(str(step.address), step.action) for step in planned.steps] == [
        ("box.a", "replace"), ("content.a/c", "create"), ("thing.a", "none"),
    ]  # fmt: skip


def test_parts_of_what_would_be_replaced_stay() -> None:
    planned = plan(BOX, Node(INSIDE, (BOX.address,)), live=there(Box(name="a", tags=OWNED), INSIDE))
    assert [step.action for step in planned.steps] == ["replace", "none"]


def test_parts_stay_when_something_else_is_replaced() -> None:
    planned = plan(thing(shape="x"), Node(INSIDE, (A,)), live=there(thing(), INSIDE))
    assert [step.action for step in planned.steps] == ["replace", "none"]


@pytest.mark.parametrize(("kind", "changes"), [("box", [["ARN2"], ["ARN", "ARN2"]]), ("thing", [])])
def test_what_names_the_replaced_one_has_to_do_it_again(kind: str, changes: list[list[str]]) -> None:
    first: Spec = BOX if kind == "box" else thing("z", shape="x")
    before: Spec = Box(name="a", tags=OWNED) if kind == "box" else thing("z")
    holder = thing("b", holds=("ARN", "ARN2"))
    planned = plan(first, Node(holder, (first.address,)), live=there(seen(before, arn="ARN"), holder), options=DATA)
    assert [[c.before, c.after] for c in planned.steps[1].changes] == ([changes] if changes else [])


# What left the file.
def test_what_left_the_file_is_shown_and_kept() -> None:
    planned = plan(thing("a"), live=there(thing("a"), thing("b"), thing("c")), recorded={A, B})
    assert [(str(s.address), s.action, s.held) for s in planned.changes] == [
        ("thing.b", "delete", "it is no longer in the file: pass --prune to delete it")
    ]


@pytest.mark.parametrize(
    ("left", "recorded", "options", "steps"),
    [
        (thing("b"), True, PRUNE, [""]),
        (thing("b"), False, PRUNE, []),
        (Thing(name="b"), True, PRUNE, [UNSURE]),
        (Thing(name="b"), True, Options(prune=True, confirm=frozenset({B})), [""]),
        (Thing(name="b"), True, Options(confirm=frozenset({B})), ["it is no longer in the file"]),
        (thing("b", tags=OTHERS), True, PRUNE, []),
        (Box(name="b", tags=OWNED), True, PRUNE, ["it holds data"]),
        (Box(name="b", tags=OWNED), True, Options(prune=True, delete_data=True), [""]),
        (Box(name="b", tags=OWNED), True, DATA, ["it is no longer in the file"]),
        (thing("b"), True, Options(prune=True, targets=frozenset({A})), []),
    ],
    ids=[
        "pruned",
        "never ours",
        "untagged",
        "confirmed",
        "only confirmed",
        "another's",
        "data",
        "data too",
        "only data",
        "not the target",
    ],
)
def test_pruning(left: Spec, recorded: bool, options: Options, steps: list[str]) -> None:
    planned = plan(
        thing("a"), live=there(thing("a"), left), recorded={left.address} if recorded else set(), options=options
    )
    assert [step.held.split(":")[0] for step in planned.changes] == steps


def test_what_left_and_is_gone_already() -> None:
    assert plan(thing("a"), live=there(thing("a")), recorded={B}).changes == ()


def test_targets_and_what_they_need() -> None:
    nodes = (thing("a"), Node(thing("b"), (A,)), thing("c"))
    planned = plan(*nodes, options=Options(targets=frozenset({B})))
    assert [step.address.name for step in planned.steps] == ["a", "b"]


# Whose it is.
@pytest.mark.parametrize(
    ("live", "recorded", "expected"),
    [
        (thing(), False, True), (thing(), True, True), (Thing(name="a"), False, False), (Thing(name="a"), True, True),
        (thing(tags=OTHERS), False, False), (thing(tags=OTHERS), True, False),
    ],
)  # fmt: skip
def test_ours(live: Thing, recorded: bool, expected: bool) -> None:
    assert ours(ME, seen(live), {A} if recorded else ()) is expected


BARE = Content(name="a/c")


@pytest.mark.parametrize(
    ("box", "content", "expected"),
    [
        (BOX, BARE, ["box.a", "content.a/c"]),
        (BOX, Content(name="a/c", tags=OTHERS), ["box.a"]),
        (Box(name="a"), BARE, []),
        (Box(name="a"), INSIDE, ["content.a/c"]),
        (Box(name="a", tags=OTHERS), BARE, []),
    ],
)
def test_an_untagged_part_belongs_to_whoever_owns_what_it_is_part_of(
    box: Box, content: Content, expected: list[str]
) -> None:
    nodes = graph(BOX, Node(INSIDE, (BOX.address,)))
    assert sorted(map(str, owned(ME, nodes, there(box, content), ()))) == expected


def test_needing_something_of_ours_makes_nothing_ours() -> None:
    nodes = graph(BOX, Node(thing("a"), (BOX.address,)))
    assert owned(ME, nodes, there(BOX, Thing(name="a")), ()) == {BOX.address}


def test_an_untagged_part_of_ours_is_updated() -> None:
    planned = plan(BOX, Node(INSIDE, (BOX.address,)), live=there(BOX, Content(name="a/c", text="other")))
    assert [step.action for step in planned.steps] == ["none", "update"]


# The plan as a value.
def test_summary_changes_and_held() -> None:
    planned = plan(
        thing("a"), thing("b", size=1), thing("c", size=1),
        live=there(thing("b"), Thing(name="c")),
    )  # fmt: skip
    assert planned.deploy == ME
    assert planned.summary == {"create": 1, "update": 1, "replace": 0, "delete": 0, "adopt": 1, "none": 0}
    assert [step.address.name for step in planned.changes] == ["a", "b", "c"]
    assert [step.address.name for step in planned.held] == ["c"]
    assert plan().summary == {"create": 0, "update": 0, "replace": 0, "delete": 0, "adopt": 0, "none": 0}


def test_kinds_without_a_rank_go_last_and_by_name() -> None:
    steps = deletions([seen(thing("b")), seen(thing("a")), seen(BOX)], DATA, ("content", "thing"))
    assert [(step.address.name, len(step.after)) for step in steps] == [("a", 0), ("b", 0), ("a", 2)]


def test_planning_twice_gives_the_same() -> None:
    nodes = (thing("a", colour=Ref(B, "arn")), thing("b", size=1), BOX)
    state = there(thing("a"), Thing(name="c"))
    assert plan(*nodes, live=state) == plan(*nodes, live=state)
