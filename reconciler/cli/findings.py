"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.checks.findings import Finding, State
from reconciler.cli.answer import Answer
from reconciler.cli.program_name import typed
from reconciler.cli.terminal import Terminal

COLOURS = {State.OK: "green", State.NG: "red", State.SKIP: "dim"}


def show(terminal: Terminal, findings: Iterable[Finding], depth: int = 0) -> None:
    """Print them as a tree; with --quiet only what is wrong."""
    for one in findings:
        write = terminal.print if one.state is State.NG else terminal.say
        mark = terminal.style(f"{one.state.value:<4}", COLOURS[one.state])
        blanks = "  " * depth
        head = f"{blanks}{one.state.value:<4}  "
        text = typed(f"{one.what}: {one.says}" if one.says else one.what)
        write(terminal.fold(head, text).replace(head, f"{blanks}{mark}  ", 1))
        if one.state is State.NG and one.fix:
            write(terminal.fold(f"{blanks}      fix: ", typed(one.fix)))
        show(terminal, one.inside, depth + 1)


@dataclass(frozen=True)
class Check:
    """One check, and its parts."""

    check: Annotated[str, "what was checked"]
    state: Annotated[State, "NG: no good; SKIP: can't be checked, or isn't asked for"]
    says: Annotated[str, "what was found"]
    fix: Annotated[str, "what to do about an NG"]
    inside: Annotated[Sequence[Check], "its parts"]


@dataclass(frozen=True)
class Checks(Answer):
    """What was looked at."""

    ok: Annotated[bool, "whether nothing is NG"]
    checks: Annotated[Sequence[Check], "in order of importance"]


def as_json(findings: Iterable[Finding]) -> list[Check]:
    """The same for programs."""
    return [Check(one.what, one.state, one.says, one.fix, as_json(one.inside)) for one in findings]


def counts(findings: Iterable[Finding]) -> dict[State, int]:
    """How many of each; a group isn't counted, its parts are."""
    found = dict.fromkeys(State, 0)
    for one in findings:
        for part in one.all():
            found[part.state] += not part.inside
    return found


def summary(findings: Iterable[Finding]) -> str:
    """One line."""
    found = counts(findings)
    return ", ".join(f"{count} {state.value}" for state, count in found.items() if count)
