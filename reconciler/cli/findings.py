"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.checks.findings import CheckResult, Finding
from reconciler.cli.answer import Answer
from reconciler.cli.program_name import typed
from reconciler.cli.terminal import Terminal

COLOURS = {CheckResult.OK: "green", CheckResult.NG: "red", CheckResult.SKIP: "dim"}


def show(terminal: Terminal, findings: Iterable[Finding], depth: int = 0) -> None:
    """Print them as a tree; with --quiet only what is wrong."""
    for finding in findings:
        write = terminal.print if finding.state is CheckResult.NG else terminal.say
        mark = terminal.style(f"{finding.state.value:<4}", COLOURS[finding.state])
        blanks = "  " * depth
        head = f"{blanks}{finding.state.value:<4}  "
        text = typed(f"{finding.subject}: {finding.says}" if finding.says else finding.subject)
        write(terminal.fold(head, text).replace(head, f"{blanks}{mark}  ", 1))
        if finding.state is CheckResult.NG and finding.fix:
            write(terminal.fold(f"{blanks}      fix: ", typed(finding.fix)))
        show(terminal, finding.inside, depth + 1)


@dataclass(frozen=True)
class Check:
    """One check, and its parts."""

    check: Annotated[str, "what was checked"]
    state: Annotated[CheckResult, "NG: no good; SKIP: can't be checked, or isn't asked for"]
    says: Annotated[str, "what was found"]
    fix: Annotated[str, "what to do about an NG"]
    inside: Annotated[Sequence[Check], "its parts"]


@dataclass(frozen=True)
class Examined(Answer):
    """What was looked at, and what was found."""

    ok: Annotated[bool, "whether nothing is NG"]
    checks: Annotated[Sequence[Check], "in order of importance"]


def report(terminal: Terminal, findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print them, as text or as JSON. Returns the exit code: 0, or 1 when something is NG."""
    wrong = counts(findings)[CheckResult.NG]
    if as_json:
        terminal.json(Examined(not wrong, checks_of(findings)))
    else:
        show(terminal, findings)
        terminal.say(summary(findings))
    return 1 if wrong else 0


def checks_of(findings: Iterable[Finding]) -> list[Check]:
    """The findings as --json prints them."""
    return [
        Check(finding.subject, finding.state, finding.says, finding.fix, checks_of(finding.inside))
        for finding in findings
    ]


def counts(findings: Iterable[Finding]) -> dict[CheckResult, int]:
    """How many of each; a group isn't counted, its parts are."""
    by_state = dict.fromkeys(CheckResult, 0)
    for finding in findings:
        for part in finding.all():
            by_state[part.state] += not part.inside
    return by_state


def summary(findings: Iterable[Finding]) -> str:
    """How many findings there are of each state, on one line."""
    by_state = counts(findings)
    return ", ".join(f"{count} {state.value}" for state, count in by_state.items() if count)
