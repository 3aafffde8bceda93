"""Whether a difference means that more is allowed than is wanted. Pure.

A field either isn't about access, or more in it means more access (actions that are allowed), or less in it does
(public access blocks). Inside a statement that denies, both turn round.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from reconciler.core.spec import Conditions, Grants, Neutral, Restricts


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


def _extra(base: Any, other: Any) -> bool:
    """Whether `other` holds something that `base` doesn't; a lone value that differs is something else."""
    if isinstance(other, tuple):
        return any(item not in (base or ()) for item in other)
    return other not in EMPTY
