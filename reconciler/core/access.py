"""Whether a difference means that more is allowed than is wanted. Pure.

A field either isn't about access, or more in it means more access (actions that are allowed), or less in it does
(public access blocks). Inside a statement that denies, both turn round.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from itertools import product
from typing import Any

from reconciler.core.canonical import Policy, Statement
from reconciler.core.spec import Conditions, Grants, Neutral, Restricts
from reconciler.core.wildcard import matches


class Sense(Enum):
    """What a part of a spec says about access."""

    NONE = auto()
    MORE = auto()  # more is wider
    LESS = auto()  # less is wider
    LESS_OR_OTHER = auto()  # less is wider, and something else may be
    MORE_OR_OTHER = auto()

    @property
    def turned(self) -> Sense:
        """The sense inside of what denies."""
        return _TURNED[self]


_TURNED = {
    Sense.NONE: Sense.NONE,
    Sense.MORE: Sense.LESS,
    Sense.LESS: Sense.MORE,
    Sense.LESS_OR_OTHER: Sense.MORE_OR_OTHER,
    Sense.MORE_OR_OTHER: Sense.LESS_OR_OTHER,
}
EMPTY: tuple[Any, ...] = (None, (), {}, "")


def sense_of(marks: Iterable[Any], around: Sense) -> Sense:
    """The sense of a field, from its own marks and the sense of what it is in."""
    for mark in marks:
        if isinstance(mark, Neutral):
            return Sense.NONE
        if isinstance(mark, Grants):
            return Sense.MORE
        if isinstance(mark, Restricts):
            return Sense.LESS if around is Sense.NONE else around.turned
        if isinstance(mark, Conditions):
            # Alone, a condition is about nothing; in a statement it takes away from what the statement says.
            return {Sense.MORE: Sense.LESS_OR_OTHER, Sense.LESS: Sense.MORE_OR_OTHER}.get(around, Sense.NONE)
    return around


def widens(sense: Sense, want: Any, seen: Any) -> bool:
    """Whether `seen`, which differs from `want`, allows something that `want` doesn't, or may do so."""
    match sense:
        case Sense.NONE:
            return False
        case Sense.MORE:
            return _extra(want, seen)
        case Sense.LESS:
            return _extra(seen, want)
    return (want if sense is Sense.LESS_OR_OTHER else seen) not in EMPTY


def allows_no_more(want: Policy, seen: Policy) -> bool:
    """Whether `want` allows all that `seen` does, however each groups it in statements; False where that is unsure."""
    allowed = [one for one in want.statements if not one.denies]
    kept = [_bare(one) for one in seen.statements]
    return all(_bare(one) in kept for one in want.statements if one.denies) and all(
        _covered(one, allowed) for one in seen.statements if not one.denies
    )


def _bare(statement: Statement) -> Statement:
    return statement.model_copy(update={"sid": ""})


def _covered(one: Statement, allowed: list[Statement]) -> bool:
    """Whether each action on each resource for each principal is in one of these, under the same conditions."""
    if one.not_actions or one.not_resources or one.not_principals:
        return _bare(one) in [_bare(other) for other in allowed]
    like = [other for other in allowed if other.conditions in ({}, one.conditions) and not other.not_actions
            and not other.not_resources and not other.not_principals]  # fmt: skip
    whom: list[tuple[str, str] | None] = [(kind, name) for kind, names in one.principals.items() for name in names]
    return all(
        any(
            (who is None and not other.principals) or (who is not None and who[1] in other.principals.get(who[0], ()))
            for other in like
            if _in(action.casefold(), [each.casefold() for each in other.actions])
            and (_in(resource, other.resources) if resource is not None else not other.resources)
        )
        for who, action, resource in product(whom or [None], one.actions, one.resources or (None,))
    )


def _in(text: str, patterns: Iterable[str]) -> bool:
    return any(text == one or (matches(one, text) and "?" not in one) for one in patterns)


def _extra(base: Any, other: Any) -> bool:
    """Whether `other` holds something that `base` doesn't; a lone value that differs is something else."""
    if isinstance(other, tuple):
        return any(item not in (base or ()) for item in other)
    return other not in EMPTY
