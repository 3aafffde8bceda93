"""Have a run stopped, whoever sees it through and whatever is done about it meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import task_id
from reconciler.run.crew import end_of_run
from reconciler.run.hand_over import Function
from reconciler.run.launch import known_task
from reconciler.run.place import Place
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.run_task import OLD
from reconciler.run.state import State
from reconciler.run.step import BY_USER, newest
from reconciler.run.stored import TRIES, Changed
from reconciler.run.task_of_token import LOOKS, PAUSE
from reconciler.run.unwatched_ends import is_launching, launched_unseen

Stopping = Literal["is-over", "stopped", "is-being-stopped"]


def stop_run(
    aws: Aws, runs: Runs, place: Place, function: Function, run: Run, reason: str, *, deploy: str
) -> tuple[Run, Stopping]:
    """Have a run stopped: its task by SIGTERM, and SIGKILL after the stop timeout; one that waits for a launch at once.

    It is recorded first, and over nothing that was written since the record was read. deploy: its name. Returns the run
    as it was found, and what became of it. Raises NotOurs for a task that isn't of this deploy and run, and then
    nothing was done; AwsError, Changed.
    """
    for tries_left in reversed(range(TRIES)):
        run = _with_task(aws, runs, place, newest(run, runs.get(run.id)))  # which may be known and not recorded
        if run.state.over:
            return run, "is-over"
        waits = not run.task_arn or run.attempts[-1].event is not None
        if not waits:  # one that ECS doesn't know, or not yet, is nobody else's
            known_task(aws, place, run.attempts[-1])
        stopped = replace(run, state=State.STOPPED, reason=BY_USER) if waits else replace(run, state=State.STOPPING)
        try:
            runs.put(stopped, only_over_known=True)
            break
        except Changed:  # somebody goes on with it
            if not tries_left:
                raise
    if waits:
        if run.unattended:
            function.go_on(aws, run, None)  # which tells, and stops a task that was launched meanwhile
        else:
            runs.end_checkpoint(stopped)
            end_of_run(aws, deploy, place.cluster, runs.say, stopped)
        return run, "stopped"
    aws.find("ecs", "StopTask", cluster=place.cluster, task=task_id(run.task_arn), reason=reason)
    end_of_run(aws, deploy, place.cluster, runs.say, run)  # its workers: it may be that nobody sees its end
    return run, "is-being-stopped"


def _with_task(aws: Aws, runs: Runs, place: Place, run: Run) -> Run:
    """A run with the task that its client may have launched and not recorded: ECS may not show that at once."""
    for look in range(LOOKS):
        if not is_launching(run):
            break
        if (launched := launched_unseen(aws, place, run)) is not None:
            return launched
        if run.attempts[-1].launched + OLD < runs.now() or look == LOOKS - 1:
            break
        aws.clock.sleep(PAUSE)
        run = newest(run, runs.get(run.id))
    return run
