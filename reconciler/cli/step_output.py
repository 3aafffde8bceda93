"""Steps as they happen, and how it ended."""

from __future__ import annotations

import threading
from typing import Any

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


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The same for --json."""
    return {
        "done": [str(step.address) for step in outcome.done],
        "failed": [{"resource": str(step.address), "error": str(error)} for step, error in outcome.failed],
        "not_tried": [{"resource": str(step.address), "because": because} for step, because in outcome.skipped],
    }
