"""Whether a difference means that more is allowed than is wanted. Pure.

A field either isn't about access, or more in it means more access (actions that are allowed), or less in it does
(public access blocks). Inside a statement that denies, both turn round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from itertools import product
from typing import Any

from reconciler.core.canonical import Caseless, Policy, Statement, Strings
from reconciler.core.spec import Conditions, Grants, Neutral, Restricts
from reconciler.core.wildcard import matches

_Conditions = Mapping[str, Mapping[Caseless, Strings]]


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
# A condition's operators, without case and IAM's ForAnyValue:, ForAllValues: and IfExists: what they say of a request
# that has one of the values. Of all others nothing is known.
ONE_OF = {
    "stringequals", "stringequalsignorecase", "stringlike", "numericequals", "dateequals", "bool", "binaryequals",
    "ipaddress", "arnequals", "arnlike",
}  # fmt: skip
NONE_OF = {
    "stringnotequals", "stringnotequalsignorecase", "stringnotlike", "numericnotequals", "datenotequals",
    "notipaddress", "arnnotequals", "arnnotlike",
}  # fmt: skip


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


def widens(sense: Sense, want: Any, seen: Any, operator: str = "") -> bool:
    """Whether `seen`, which differs from `want`, allows something that `want` doesn't, or may do so.

    operator: that of the condition whose values these are.
    """
    match sense:
        case Sense.NONE:
            return False
        case Sense.MORE:
            return _extra(want, seen)
        case Sense.LESS:
            return _extra(seen, want)
    stricter, looser = (seen, want) if sense is Sense.LESS_OR_OTHER else (want, seen)
    if operator and isinstance(want, tuple) and isinstance(seen, tuple):
        return not _meets(operator, stricter, looser)
    return looser not in EMPTY


def allows_no_more(want: Policy, seen: Policy) -> bool:
    """Whether `want` allows all that `seen` does, however each groups it in statements; False where that is unsure."""
    allowed = [statement for statement in want.statements if not statement.denies]
    denied = [statement for statement in seen.statements if statement.denies]
    return all(_covered(statement, denied) for statement in want.statements if statement.denies) and all(
        _covered(statement, allowed) for statement in seen.statements if not statement.denies
    )


def _bare(statement: Statement) -> Statement:
    return statement.model_copy(update={"sid": "", "conditions": {}})


def _covered(statement: Statement, others: list[Statement]) -> bool:
    """Whether each action on each resource for each principal is in one of the others, when its conditions are met."""
    others = [other for other in others if _under(statement.conditions, other.conditions)]
    if statement.not_actions or statement.not_resources or statement.not_principals:
        return _bare(statement) in [_bare(other) for other in others]
    like = [other for other in others if not other.not_actions and not other.not_resources and not other.not_principals]
    whom: list[tuple[str, str] | None] = [
        (kind, name) for kind, names in statement.principals.items() for name in names
    ]
    return all(
        any(
            (principal is None and not other.principals)
            or (principal is not None and principal[1] in other.principals.get(principal[0], ()))
            for other in like
            if _in(action.casefold(), [name.casefold() for name in other.actions])
            and (_in(resource, other.resources) if resource is not None else not other.resources)
        )
        for principal, action, resource in product(whom or [None], statement.actions, statement.resources or (None,))
    )


def _under(conditions: _Conditions, other: _Conditions) -> bool:
    """Whether each request that meets these conditions meets the other ones too."""
    return all(
        key in conditions.get(operator, {}) and _meets(operator, conditions[operator][key], values)
        for operator, keys in other.items()
        for key, values in keys.items()
    )


def _meets(operator: str, values: Strings, other: Strings) -> bool:
    """Whether whatever these values let through is let through by the other ones too."""
    name = operator.casefold().rpartition(":")[2].removesuffix("ifexists")
    if name in NONE_OF:
        return set(other) <= set(values)
    if name == "stringlike":
        return all(_in(value, other) for value in values)
    return set(values) <= set(other) if name in ONE_OF else values == other


def _in(text: str, patterns: Iterable[str]) -> bool:
    return any(text == pattern or (matches(pattern, text) and "?" not in pattern) for pattern in patterns)


def _extra(base: Any, other: Any) -> bool:
    """Whether `other` holds something that `base` doesn't; a lone value that differs is something else."""
    if isinstance(other, tuple):
        return any(item not in (base or ()) for item in other)
    return other not in EMPTY
