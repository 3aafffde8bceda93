"""What a check found: a tree of OK, NG and SKIP, each NG with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class CheckResult(StrEnum):
    """How a check ended."""

    OK = "OK"
    NG = "NG"  # no good
    SKIP = "SKIP"  # can't be told here, or isn't asked for


@dataclass(frozen=True)
class Finding:
    """One check. says: what was found; fix: what to do, of an NG; inside: its parts."""

    subject: str
    state: CheckResult
    says: str = ""
    fix: str = ""
    inside: tuple[Finding, ...] = ()

    def all(self) -> Iterator[Finding]:
        """This finding and all parts of it."""
        yield self
        for part in self.inside:
            yield from part.all()


def ok(subject: str, says: str = "") -> Finding:
    """A check that found all well."""
    return Finding(subject, CheckResult.OK, says)


def ng(subject: str, says: str, fix: str) -> Finding:
    """A check that found something wrong."""
    return Finding(subject, CheckResult.NG, says, fix)


def skip(subject: str, why: str) -> Finding:
    """A check that can't tell."""
    return Finding(subject, CheckResult.SKIP, why)


def group(subject: str, *inside: Finding) -> Finding:
    """Several checks of one subject: no good when one isn't, skipped when all are."""
    states = {finding.state for finding in inside}
    state = CheckResult.SKIP if states == {CheckResult.SKIP} else CheckResult.OK
    if CheckResult.NG in states:
        state = CheckResult.NG
    return Finding(subject, state, inside=inside)
