"""What a deletion waits for, what holds it back, and what stays since others use it."""

from __future__ import annotations

import pytest

from reconciler.core.graph import Node
from reconciler.core.plan import Options, make_plan, plan_destroy
from reconciler.core.spec import Address
from tests.core.plans import BOX, DATA, INSIDE, OTHERS, RANKS, A, B, destroy, plan
from tests.core.things import ME, graph, seen, there, thing

ALL = Options(prune=True, delete_data=True)
STAYS = "{} trusts it too, so it stays"


def test_a_deletion_needs_only_what_uses_it() -> None:
    """What failed to go holds back what it uses, through what isn't there too, and nothing else."""
    middle, free = thing("middle"), thing("free")
    nodes = (BOX, Node(INSIDE, (BOX.address,)), Node(middle, (BOX.address,)), Node(thing("a"), (middle.address,)), free)
    steps = {
        step.address: step for step in destroy(*nodes, live=there(BOX, INSIDE, thing("a"), free), options=DATA).steps
    }
    assert steps[BOX.address].needs == (A, INSIDE.address)
    assert steps[BOX.address].after == (A, INSIDE.address)
    assert steps[INSIDE.address].needs == ()


@pytest.mark.parametrize(
    ("holds", "needs"),
    [(("ARN",), True), (("before ARN, after",), True), (("ARN-2", "xARN2"), False), ((), False)],
)
def test_of_what_left_the_file_its_values_say_what_it_uses(holds: tuple[str, ...], needs: bool) -> None:
    left = thing("b", holds=holds)
    planned = plan(live=there(left, seen(BOX, arn="ARN")), recorded={B, BOX.address}, options=ALL)
    assert [step.needs for step in planned.steps] == [(), (B,) if needs else ()]


@pytest.mark.parametrize(
    ("users", "held"),
    [
        ([], ""), ([A], ""), ([B], STAYS.format(B)), ([A, B], STAYS.format(B)),
        ([B, Address("thing", "c"), A], STAYS.format("thing.b (and 1 more)")),
        (None, "whether others use it can't be read, so it stays"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("left", [False, True])
def test_what_others_use_stays(users: list[Address] | None, held: str, left: bool) -> None:
    who = {BOX.address: None if users is None else frozenset(users)}
    live, recorded = there(BOX, thing("a"), thing("b", tags=OTHERS)), frozenset({BOX.address, A})
    if left:
        made = make_plan(ME, graph(), live, recorded=recorded, options=ALL, ranks=RANKS, users=who)
    else:
        made = plan_destroy(ME, graph(BOX, thing("a")), live, options=ALL, ranks=RANKS, users=who)
    assert {step.address: step.held.split(":")[0] for step in made.steps} == {A: "", BOX.address: held}


def test_whoever_stays_keeps_what_it_uses() -> None:
    who = {BOX.address: frozenset({A})}
    made = plan_destroy(
        ME, graph(BOX, Node(thing("a"), protect=True)), there(BOX, thing("a")), options=DATA, ranks=RANKS, users=who
    )
    assert [step.held for step in made.steps] == ["protected by the file (`protect: true`)", STAYS.format(A)]
