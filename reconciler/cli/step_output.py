"""Steps as they happen, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer
from reconciler.cli.build_output import BuildOutput
from reconciler.cli.live_line import LiveLine
from reconciler.cli.plan_format import PlanObject
from reconciler.cli.render import glyph, label
from reconciler.cli.terminal import Terminal, seconds
from reconciler.core.errors import AwsError, ReconcilerError
from reconciler.core.plan import Step
from reconciler.engine.execute import Outcome
from reconciler.image.kind import ImageSpec


class Steps:
    """Prints each step when it is done, and at a terminal those under way."""

    def __init__(self, terminal: Terminal, live: LiveLine | None = None, build: BuildOutput | None = None) -> None:
        self.terminal = terminal
        self._live, self._build = live or LiveLine(terminal), build
        self._interrupted = False

    def started(self, step: Step) -> None:
        """A step begins."""
        self._live.begin(step.address)

    def done(self, step: Step, took: float) -> None:
        """A step is done."""
        self._end(step)
        self.terminal.say(
            f"  {glyph(self.terminal, step.action)} {label(step)}  {self.terminal.style(seconds(took), 'dim')}"
        )

    def failed(self, step: Step, error: ReconcilerError, took: float) -> None:
        """A step failed."""
        if self._build is not None and step.address.kind == ImageSpec.kind:
            self._build.failed()
        self._end(step)
        text = self.terminal.fold("    ", f"{label(step)}  failed after {seconds(took)}: {error}")
        self.terminal.print(f"  {self.terminal.style('x', 'red', 'bold')} {text[4:]}")

    def skipped(self, step: Step, because: str) -> None:
        """A step wasn't tried."""

    def warned(self, text: str) -> None:
        """What may go wrong."""
        self.terminal.note(self.terminal.fold("warning: ", text))

    def waiting(self, *, stopping: bool) -> None:
        """Steps are under way, some time later; or they are the last ones, since the user has interrupted."""
        if stopping and not self._interrupted:
            self._interrupted = True
            under_way = ", ".join(self._live.under_way())
            self.terminal.note(self.terminal.fold("", f"interrupted: waiting for the end of {under_way}"))
        self._live.draw()

    def _end(self, step: Step) -> None:
        if self._build is not None and step.address.kind == ImageSpec.kind:
            self._build.over()
        self._live.end(step.address)


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
    terminal.print(f"To continue: {command}")


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
    not_tried: Annotated[Sequence[NotTried], "the steps that weren't tried"]


def outcome_json(outcome: Outcome) -> tuple[list[str], list[Failed], list[NotTried]]:
    """`done`, `failed` and `not_tried` for --json."""
    return (
        [str(step.address) for step in outcome.done],
        [Failed(str(step.address), str(error)) for step, error in outcome.failed],
        [NotTried(str(step.address), because) for step, because in outcome.skipped],
    )
