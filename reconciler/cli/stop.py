"""`stop`: end a run's task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer
from reconciler.cli.interrupt import command
from reconciler.cli.options import OfRun as Arguments
from reconciler.cli.past_runs import past_of, whole_runs
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.run.crew import end_of_run
from reconciler.run.hand_over import Function
from reconciler.run.job import left_to_function
from reconciler.run.retry import Event
from reconciler.run.state import State
from reconciler.run.step import BY_USER
from reconciler.run.stopping import Stopping as Result
from reconciler.run.stopping import stop_run


@dataclass(frozen=True)
class Stopped(Answer):
    """What became of it."""

    run: Annotated[str, "the run's id"]
    result: Result
    task_arn: Annotated[str | None, "the task that was stopped"]


ANSWERS = (Stopped,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Ask ECS to stop it: SIGTERM, and SIGKILL after the stop timeout."""
    past = past_of(target_of(options), terminal, read_only=False)
    run = past.find(options.run)
    (current,) = whole_runs(past.ends([run]))
    run = current if current.task_arn and not run.task_arn else run
    result: Result = "is-over"
    # Whether another task follows isn't this file's to say where the deploy's function decides it.
    left = left_to_function(past.names.deploy, run) and current.state is not State.SUCCEEDED
    over = run.state.over if left else current.state.over
    # What ECS doesn't know is told to stop all the same.
    if not (over and current.event is not Event.LOST):
        function = Function(past.names.watcher)
        deploy = past.names.deploy.name
        run, result = stop_run(past.aws, past.runs, past.place, function, run, BY_USER, deploy=deploy)
        current = run
    elif not run.state.over:  # nobody has seen its end
        end_of_run(past.aws, past.names.deploy.name, past.place.cluster, past.runs.say, run)
    if result == "is-over":
        text = f"run {run.id} is over: {current.state.value}"
        if current.state is not State.SUCCEEDED:
            text += f"; see why: {command(past.target, 'diagnose', run.id)}"
    elif result == "stopped":  # it waits to be launched, perhaps again
        apply_command = command(past.target, "apply", "")
        text = f"run {run.id} is stopped; it had no task under way; launch it anew: {apply_command}"
    else:
        text = f"run {run.id} is being stopped; see how it ended: {command(past.target, 'watch', run.id)}"
    if options.json:
        terminal.json(Stopped(run.id, result, run.task_arn or None))
    else:
        terminal.print(text)
    return 0
