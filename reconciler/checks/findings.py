"""What a check found: a tree of OK, NG and SKIP, each NG with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "OK"
    NG = "NG"  # no good
    SKIP = "SKIP"  # can't be told here, or isn't asked for


@dataclass(frozen=True)
class Finding:
    """One check. what: its subject; says: what was found; fix: what to do, of an NG; inside: its parts."""

    what: str
    state: State
    says: str = ""
    fix: str = ""
    inside: tuple[Finding, ...] = ()

    def all(self) -> Iterator[Finding]:
        """It and its parts, which are what counts."""
        yield self
        for one in self.inside:
            yield from one.all()


def ok(what: str, says: str = "") -> Finding:
    """All is well."""
    return Finding(what, State.OK, says)


def ng(what: str, says: str, fix: str) -> Finding:
    """Something is wrong."""
    return Finding(what, State.NG, says, fix)


def skip(what: str, why: str) -> Finding:
    """It can't be told."""
    return Finding(what, State.SKIP, why)


def group(what: str, *inside: Finding) -> Finding:
    """Several checks of one subject: no good when one isn't, skipped when all are."""
    states = {one.state for one in inside}
    state = State.NG if State.NG in states else State.SKIP if states == {State.SKIP} else State.OK
    return Finding(what, state, inside=inside)
