"""How runs ended, for every command that shows them: by their record, or else by what ECS knows, for about an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.core.run_paths import task_id
from reconciler.run.index import Row
from reconciler.run.place import Place
from reconciler.run.run import Run
from reconciler.run.step import End, Retry, Rules, Seen, step
from reconciler.run.watch import AT_ONCE


def with_ends(aws: Aws, place: Place, rules: Rules, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """(the runs as they are now, the ids of those that have ended and that nobody records as such), in their order.

    Nothing is recorded. Where ECS may not be asked they are as they were recorded, and so are those whose tasks aren't
    this deploy's. place, rules: the deploy's. Raises AwsError.
    """
    tasks = _tasks(aws, place, runs)
    seen, ended = [], []
    for run in runs:
        now = aws.clock.now()
        decision = step(run, rules, _seen(place, run, tasks, now), now)
        seen.append(decision.run if isinstance(decision, End | Retry) else run)
        if isinstance(decision, End) and not run.state.over and not run.unattended:
            ended.append(run.id)
    return seen, ended


def as_they_are(
    aws: Aws, place: Place, rules: Rules, found: Sequence[Run | Row]
) -> tuple[list[Run | Row], list[str]]:  # fmt: skip
    """The same of runs and of rows of the index, which are of runs that are over."""
    seen, ended = with_ends(aws, place, rules, [one for one in found if isinstance(one, Run)])
    now = {run.id: run for run in seen}
    return [now.get(one.id, one) for one in found], ended


def _seen(place: Place, run: Run, tasks: Mapping[str, Any] | None, now: float) -> Seen:
    task = tasks.get(run.task_arn) if tasks and _under_way(run) else None
    if task is not None and place.has(task, run.attempts[-1].token):
        return Seen(task, now, (place.container,))
    forgotten = tasks is not None and task is None and place.may_hold(run.task_arn)
    return Seen(known=0.0 if forgotten else now)


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
