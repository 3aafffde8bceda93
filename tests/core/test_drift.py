"""What counts as larger than what was shown: one table for each pair of actions, then each reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.drift import Shown, larger, paths
from reconciler.core.plan import Action, Step
from reconciler.core.spec import Address, Change, Observed
from tests.core.things import Thing

BEFORE, OTHER = Thing(name="x", size=1), Thing(name="x", size=2)
GROW = Change("size", 1, 3)
WANT = Thing(name="x", size=3)
A = Action


def step(action: Action, changes: tuple[Change, ...] = (), seen: Thing | None = BEFORE, **more: Any) -> Step:
    want = None if action is A.DELETE else WANT
    observed = Observed(seen) if seen is not None and action is not A.CREATE else None
    return replace(Step(action, Address("thing", "x"), changes, want, observed), **more)


# What a step that was shown may have become.
MAY = {
    A.CREATE: {A.CREATE, A.UPDATE},
    A.UPDATE: {A.UPDATE},
    A.REPLACE: {A.REPLACE, A.CREATE, A.UPDATE},
    A.ADOPT: {A.ADOPT, A.UPDATE},
    A.DELETE: {A.DELETE},
    A.NONE: set(),
}


@pytest.mark.parametrize("now", [action for action in A if action is not A.NONE])
@pytest.mark.parametrize("before", list(A))
def test_what_a_step_may_have_become(before: Action, now: Action) -> None:
    planned = replace(step(before, (GROW,)), want=None if now is A.DELETE else WANT)
    more = larger(Shown(planned), step(now, (GROW,)))
    assert (more == "") == (now in MAY[before]), more
    if before is A.NONE:
        assert more == f"nothing was to be done, and now: {now} (size)"
    elif more:
        assert more == f"was to {before}, and now: {now} (size)"


@pytest.mark.parametrize("before", list(A))
def test_nothing_to_do_is_never_larger(before: Action) -> None:
    assert larger(Shown(step(before)), step(A.NONE)) == ""
    assert larger(Shown(step(before)), step(A.UPDATE, (GROW,), held="somebody else's")) == ""
    assert larger(Shown(None), step(A.NONE)) == ""


def test_what_was_held_or_not_there_was_not_to_be_done() -> None:
    assert larger(Shown(None), step(A.CREATE)) == "nothing was to be done, and now: create"
    held = step(A.UPDATE, (GROW,), held="somebody else's")
    assert larger(Shown(held), step(A.UPDATE, (GROW,))) == "nothing was to be done, and now: update (size)"


def test_something_else_is_wanted() -> None:
    now = replace(step(A.UPDATE, (Change("size", 1, 4),)), want=Thing(name="x", size=4))
    assert larger(Shown(step(A.UPDATE, (GROW,))), now) == "the wanted state has changed since (size)"


def test_what_is_to_be_deleted_is_something_else() -> None:
    assert larger(Shown(step(A.DELETE)), step(A.DELETE)) == ""
    assert larger(Shown(step(A.DELETE)), step(A.DELETE, seen=OTHER)) == "the resource to delete has changed since"
    assert larger(Shown(step(A.DELETE, seen=None)), step(A.DELETE)) == "the resource to delete has changed since"


NOTE = Change("note", "a", "b")


@pytest.mark.parametrize(
    ("shown", "now", "unlike"),
    [
        ((GROW,), (GROW,), ""),  # the rest of what is there may be what it likes
        ((GROW, NOTE), (GROW,), ""),  # a part was done
        ((GROW,), (), ""),
        ((GROW,), (GROW, NOTE), "note"),
        ((GROW,), (Change("size", 2, 3),), "size"),  # from something that wasn't shown
        ((GROW,), (Change("size", None, 3),), "size"),
        ((), (GROW, NOTE), "size, note"),
    ],
)
def test_an_update_of_what_is_something_else_now(
    shown: tuple[Change, ...], now: tuple[Change, ...], unlike: str
) -> None:
    more = larger(Shown(step(A.UPDATE, shown)), step(A.UPDATE, now, seen=OTHER))
    assert more == (f"it has changed since ({unlike})" if unlike else "")


def test_the_same_of_the_same_is_not_compared_further() -> None:
    """What is there and what is wanted are equal, so the changes are too."""
    assert larger(Shown(step(A.UPDATE, ())), step(A.UPDATE, (GROW,))) == ""


@pytest.mark.parametrize("before", [None, "", (), [], {}, False])
@pytest.mark.parametrize("action", [A.CREATE, A.REPLACE])
def test_what_is_half_made_is_finished(action: Action, before: object) -> None:
    assert larger(Shown(step(action)), step(A.UPDATE, (Change("note", before, "b"),))) == ""
    assert larger(Shown(step(action)), step(A.UPDATE, (NOTE,))) == "it has changed since (note)"


@pytest.mark.parametrize("before", [None, "", (), [], {}, False])
def test_an_update_is_not_half_made(before: object) -> None:
    more = larger(Shown(step(A.UPDATE, (GROW,))), step(A.UPDATE, (Change("note", before, "b"),), seen=OTHER))
    assert more == "it has changed since (note)"


def test_nothing_was_shown_of_it() -> None:
    nothing = Shown(None)
    assert nothing.action is A.NONE
    assert not nothing.wanted(step(A.UPDATE))
    assert not nothing.has(GROW)
    assert nothing.seen(step(A.CREATE))
    assert not nothing.seen(step(A.UPDATE))


def test_paths_are_named_once() -> None:
    assert paths((GROW, NOTE, GROW)) == " (size, note)"
    assert paths(()) == ""
