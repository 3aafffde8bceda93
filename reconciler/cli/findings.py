"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.checks.findings import Finding, State
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


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {"check": one.what, "state": one.state.value, "says": one.says, "fix": one.fix, "inside": as_json(one.inside)}
        for one in findings
    ]


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
