"""Steps as they happen, and how it ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer, PlanObject
from reconciler.cli.render import glyph, label
from reconciler.cli.terminal import Terminal, seconds
from reconciler.core.errors import AwsError, ReconcilerError
from reconciler.core.plan import Step
from reconciler.core.spec import Address
from reconciler.engine.execute import Outcome


class Steps:
    """Prints each step when it is done, and at a terminal those under way."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._under_way: dict[Address, None] = {}
        self._lock = threading.Lock()

    def started(self, step: Step) -> None:
        """A step begins."""
        self._show(step, add=True)

    def done(self, step: Step, took: float) -> None:
        """A step is done."""
        self._show(step, add=False)
        self.terminal.say(
            f"  {glyph(self.terminal, step.action)} {label(step)}  {self.terminal.style(seconds(took), 'dim')}"
        )

    def failed(self, step: Step, error: ReconcilerError, took: float) -> None:
        """A step failed."""
        self._show(step, add=False)
        text = self.terminal.fold("    ", f"{label(step)}  failed after {seconds(took)}: {error}")
        self.terminal.print(f"  {self.terminal.style('x', 'red', 'bold')} {text[4:]}")

    def skipped(self, step: Step, because: str) -> None:
        """A step wasn't tried."""

    def warned(self, text: str) -> None:
        """What may go wrong."""
        self.terminal.note(self.terminal.fold("warning: ", text))

    def _show(self, step: Step, *, add: bool) -> None:
        with self._lock:
            if add:
                self._under_way[step.address] = None
            else:
                self._under_way.pop(step.address, None)
            names = ", ".join(map(str, self._under_way))
        self.terminal.status(f"  working on {names}" if names else "")


def show_outcome(terminal: Terminal, outcome: Outcome, command: str) -> None:
    """What was done, what failed and why, what wasn't tried, and how to go on."""
    if outcome.ok:
        return
    terminal.print()
    terminal.print(f"Done: {len(outcome.done)}. Failed: {len(outcome.failed)}. Not tried: {len(outcome.skipped)}.")
    for step, error in outcome.failed:
        text = terminal.fold(" " * 13, f"{step.address}: {error}")
        terminal.print(f"  {terminal.style('failed', 'red', 'bold')}     {text[13:]}")
        if error.hint:
            terminal.print(terminal.fold(" " * 13, error.hint))
        if isinstance(error, AwsError) and error.request_id:
            terminal.print(f"             AWS request id: {error.request_id}")
    for step, because in outcome.skipped:
        terminal.print(terminal.fold("  not tried  ", f"{step.address}: {because}"))
    terminal.print(f"To go on: {command}")


@dataclass(frozen=True)
class Failed:
    """A step that failed."""

    resource: Annotated[str, "its address"]
    error: Annotated[str, "why"]


@dataclass(frozen=True)
class NotTried:
    """A step that wasn't tried."""

    resource: Annotated[str, "its address"]
    because: Annotated[str, "why"]


@dataclass(frozen=True)
class Changed(Answer):
    """A plan and what became of it."""

    plan: PlanObject
    done: Annotated[Sequence[str], "the addresses (`KIND.NAME`) of the steps that were done"]
    failed: Annotated[Sequence[Failed], "the steps that failed"]
    not_tried: Annotated[Sequence[NotTried], "those that weren't tried"]


def outcome_json(outcome: Outcome) -> tuple[list[str], list[Failed], list[NotTried]]:
    """`done`, `failed` and `not_tried` for --json."""
    return (
        [str(step.address) for step in outcome.done],
        [Failed(str(step.address), str(error)) for step, error in outcome.failed],
        [NotTried(str(step.address), because) for step, because in outcome.skipped],
    )
