"""How runs ended, for every command that shows them: by their record, or else by what ECS knows, for about an hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.core.run_paths import task_id
from reconciler.run.index import Row
from reconciler.run.launch import find_task
from reconciler.run.place import NotOurs, Place
from reconciler.run.run import Run
from reconciler.run.run_task import program_of, with_size_of
from reconciler.run.state import State
from reconciler.run.step import End, Retry, Rules, Seen, step
from reconciler.run.watch import AT_ONCE


def with_ends(
    aws: Aws, place: Place, rules: Rules, runs: Sequence[Run], left: Callable[[Run], bool] = lambda run: run.unattended
) -> tuple[list[Run], list[str]]:
    """(the runs as they are now, the ids of those that have ended and that nobody records as such), in their order.
    left: whether the deploy's function decides about one, and records its end.

    Nothing is recorded. A task whose client was stopped before it had recorded it is found by its mark. Where ECS may
    not be asked they are as they were recorded, and so are those whose tasks aren't this deploy's. place, rules: the
    deploy's. Raises AwsError.
    """
    launched = aws.each(partial(launched_unseen, aws, place), [run for run in runs if is_launching(run)])
    current = {run.id: run for run in launched if run is not None}
    runs = [current.get(run.id, run) for run in runs]
    tasks = _tasks(aws, place, runs)
    updated, ended_ids = [], []
    for run in runs:
        now = aws.clock.now()
        decision = step(run, rules, _seen(place, run, tasks, now), now)
        updated.append(decision.run if isinstance(decision, End | Retry) else run)
        if isinstance(decision, End) and not run.state.over and not left(run):
            ended_ids.append(run.id)
    return updated, ended_ids


def is_launching(run: Run) -> bool:
    """Whether a client may have launched its newest attempt's task and not have recorded that."""
    last = run.attempts[-1] if run.attempts else None
    return not (run.state.over or run.unattended or last is None or last.task_arn or last.event is not None)


def launched_unseen(aws: Aws, place: Place, run: Run) -> Run | None:
    """A run that is being launched with its task; None where ECS knows none. Raises AwsError."""
    last = run.attempts[-1]
    try:
        task = find_task(aws, place, last)
    except (Denied, NotOurs):
        return None
    if task is None:
        return None
    definition = str(task.get("taskDefinitionArn") or run.task_definition)
    run = run.with_attempt(replace(last, task_arn=str(task["taskArn"])))
    container = program_of(task, run.container)
    run = replace(run, state=State.RUNNING, task_definition=definition, container=container)
    return with_size_of(run, task)


def brought_up_to_date(
    aws: Aws, place: Place, rules: Rules, runs: Sequence[Run | Row], left: Callable[[Run], bool]
) -> tuple[list[Run | Row], list[str]]:
    """As `with_ends`, also for rows of the index: these are of runs that are over, and stay as they are."""
    updated, ended_ids = with_ends(aws, place, rules, [run for run in runs if isinstance(run, Run)], left)
    by_id = {run.id: run for run in updated}
    return [by_id.get(run.id, run) for run in runs], ended_ids


def _seen(place: Place, run: Run, tasks: Mapping[str, Any] | None, now: float) -> Seen:
    task = tasks.get(run.task_arn) if tasks and _under_way(run) else None
    if task is not None and place.has(task, run.attempts[-1].token):
        return Seen(task, now, (program_of(task, run.container or place.container),))
    forgotten = tasks is not None and task is None and place.may_hold(run.task_arn)
    return Seen(known_at=0.0 if forgotten else now)


def _tasks(aws: Aws, place: Place, runs: Sequence[Run]) -> dict[str, Mapping[str, Any]] | None:
    """The tasks that are under way by the record, by ARN; None where ECS may not be asked."""
    ids = [task_id(run.task_arn) for run in runs if _under_way(run) and place.may_hold(run.task_arn)]
    batches = [ids[n : n + AT_ONCE] for n in range(0, len(ids), AT_ONCE)]
    try:
        answers = aws.each(lambda batch: aws.find("ecs", "DescribeTasks", cluster=place.cluster, tasks=batch), batches)
    except Denied:
        return None
    return {task["taskArn"]: task for answer in answers for task in (answer or {}).get("tasks") or ()}


def _under_way(run: Run) -> bool:
    """Whether its task runs, as far as is recorded."""
    return not run.state.over and bool(run.task_arn) and run.attempts[-1].event is None
