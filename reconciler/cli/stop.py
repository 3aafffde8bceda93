"""`stop`: end a run's task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from reconciler.cli.answer import Answer
from reconciler.cli.interrupt import command
from reconciler.cli.options import OfRun as Arguments
from reconciler.cli.past_runs import Past, past, whole
from reconciler.cli.target import target
from reconciler.cli.terminal import Terminal
from reconciler.run.crew import end_of_run
from reconciler.run.hand_over import Function, stop_waiting
from reconciler.run.launch import stop_task
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.run_task import LOOKS, OLD, PAUSE
from reconciler.run.state import State
from reconciler.run.unwatched_ends import is_launching

Result = Literal["is-over", "stopped", "is-being-stopped"]


@dataclass(frozen=True)
class Stopped(Answer):
    """What became of it."""

    run: Annotated[str, "the run's id"]
    result: Result
    task_arn: Annotated[str | None, "the task that was stopped"]


ANSWERS = (Stopped,)


def _looked(here: Past, found: Run) -> Run:
    """The run as it is now. Of one whose client was stopped as it launched it ECS may not show the task at once."""
    for look in range(LOOKS):
        (now,) = whole(here.ends([found]))
        if not is_launching(now) or now.attempts[-1].launched + OLD < here.runs.now() or look == LOOKS - 1:
            break
        here.aws.clock.sleep(PAUSE)
    return now


def run(options: Arguments, terminal: Terminal) -> int:
    """Ask ECS to stop it: SIGTERM, and SIGKILL after the stop timeout."""
    here = past(target(options), terminal, read_only=False)
    found = here.find(options.run)
    if found.unattended:  # its record is written only where nothing has changed since it was read
        found = here.runs.get(found.id) or found
    now = _looked(here, found)
    found = now if now.task_arn and not found.task_arn else found
    result: Result = "is-over"
    # What ECS doesn't know is told to stop all the same.
    if found.state.over or (now.state.over and now.event is not Event.LOST):
        text = f"run {found.id} is over: {now.state.value}"
        if now.state is not State.SUCCEEDED:
            text += f"; see why: {command(here.where, 'diagnose', found.id)}"
    elif not found.attempts or found.attempts[-1].event is not None or not found.task_arn:
        # Nothing runs: it waits to be launched, perhaps again.
        stop_waiting(here.aws, here.runs, Function(here.names.watcher), found)
        end_of_run(here.aws, here.names.deploy.name, here.place.cluster, found)
        result, text = (
            "stopped",
            f"run {found.id} is stopped; it had no task under way; launch it anew: {command(here.where, 'apply', '')}",
        )
    else:
        stop_task(here.aws, here.runs, here.place, found, "stopped by the user")
        result = "is-being-stopped"
        text = f"run {found.id} is being stopped; see how it ended: {command(here.where, 'watch', found.id)}"
    if options.json:
        terminal.json(Stopped(found.id, result, found.task_arn or None))
    else:
        terminal.print(text)
    return 0
