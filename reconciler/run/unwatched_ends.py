"""Runs that have ended and that nobody has watched to their end: what ECS knows of them, for about an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.core.run_paths import task_id
from reconciler.run.place import Place
from reconciler.run.run import Run
from reconciler.run.state import state_after
from reconciler.run.verdict import judge
from reconciler.run.watch import AT_ONCE


def with_ends(aws: Aws, place: Place, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """(the runs as they are now, the ids of those that have ended without being recorded as such), in their order.

    Nothing is recorded. Where ECS may not be asked they are as they were recorded, and so are those whose tasks aren't
    this deploy's. place: the deploy's. Raises AwsError.
    """
    ids = [task_id(run.task_arn) for run in runs if _under_way(run) and place.may_hold(run.task_arn)]
    batches = [ids[n : n + AT_ONCE] for n in range(0, len(ids), AT_ONCE)]
    try:
        answers = aws.each(lambda batch: aws.find("ecs", "DescribeTasks", cluster=place.cluster, tasks=batch), batches)
    except Denied:
        return list(runs), []
    tasks = {task["taskArn"]: task for answer in answers for task in (answer or {}).get("tasks") or ()}
    seen, ended = [], []
    for run in runs:
        task = tasks.get(run.task_arn)
        stopped = task is not None and task["lastStatus"] == "STOPPED" and place.has(task, run.attempts[-1].token)
        if task is None or not stopped or not _under_way(run):
            seen.append(run)
            continue
        end = judge(task, (place.container,))
        run = run.with_attempt(end.ends(run.attempts[-1]))
        seen.append(replace(run, state=state_after(end.event), exit_code=end.exit_code, reason=end.reason))
        ended.append(run.id)
    return seen, ended


def _under_way(run: Run) -> bool:
    """Whether its task runs, as far as is recorded."""
    return not run.state.over and bool(run.task_arn) and run.attempts[-1].event is None
