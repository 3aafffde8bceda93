"""How a run ended, as the exit code of the command and as `verdict` in its JSON. docs/exit-codes.md is the table. Pure.

A task's own code is the command's code. The codes that we end with ourselves are never a task's: a task that ends
with one of them is told by a code of its own (RESERVED_BY_US), and its real one is in the output.
"""

from __future__ import annotations

from reconciler.cli.failure import (
    INTERRUPTED,
    LOST_SIGHT,
    NOT_LAUNCHED,
    PIPE,
    WRONG_INPUT,
    Result,
    Verdict,
    without_run,
)
from reconciler.core.errors import ReconcilerError
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.state import State

MAX_COST = 118  # stopped at `run.max_cost`
RESERVED_BY_US = 119  # the task failed with a code that is one of ours
NO_CODE = 122  # the program never ran, or ECS gives no exit code
STOPPED = 123  # stopped by somebody, or by `run.max_duration`
SOME_FAILED = 124  # some runs of a sweep failed
OURS = frozenset(
    {MAX_COST, WRONG_INPUT, RESERVED_BY_US, NOT_LAUNCHED, LOST_SIGHT, NO_CODE, STOPPED, SOME_FAILED, INTERRUPTED, PIPE}
)

STOPS = (Event.STOPPED, Event.TIMEOUT)
NAMES: dict[Event, Result] = {
    Event.SUCCESS: "succeeded",
    Event.ERROR: "task-failed",
    Event.NO_CAPACITY: "no-capacity",
    Event.INTERRUPTION: "interrupted-by-spot",
    Event.NOT_STARTED: "not-started",
    Event.STOPPED: "stopped",
    Event.TIMEOUT: "timeout",
    Event.MAX_COST: "max-cost",
    Event.LOST: "lost",
}


class RunFailed(ReconcilerError):
    """We failed while a task was under way: never to be taken for the task's own exit code."""

    exit_code = LOST_SIGHT


def exit_code(run: Run) -> int:
    """What to end with after a run that is over."""
    if run.state is State.SUCCEEDED:
        return 0
    if run.state is State.STOPPED or run.event in STOPS:
        return STOPPED
    if run.event is Event.MAX_COST:
        return MAX_COST
    if not run.exit_code:
        return NO_CODE
    return RESERVED_BY_US if run.exit_code in OURS else run.exit_code


def verdict(run: Run | None, code: int) -> Verdict:
    """How it ended. run: None when there was none."""
    if run is None or not run.state.over:
        return without_run(code)
    return Verdict("stopped" if run.state is State.STOPPED else NAMES[run.event], code, run.exit_code)
