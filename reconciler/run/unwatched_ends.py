"""Runs that have ended and that nobody has watched to their end: what ECS knows of them, for about an hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.run.run_record import Run
from reconciler.run.state import state_after
from reconciler.run.verdict import judge
from reconciler.run.watch import AT_ONCE


def with_ends(aws: Aws, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """(the runs as they are now, the ids of those that have ended without being recorded as such), in their order.

    Nothing is recorded. Where ECS may not be asked they are as they were recorded. Raises AwsError.
    """
    by_cluster: defaultdict[str, list[str]] = defaultdict(list)
    for run in runs:
        if _under_way(run):
            by_cluster[run.cluster].append(run.task_arn)
    batches = [(c, arns[n : n + AT_ONCE]) for c, arns in by_cluster.items() for n in range(0, len(arns), AT_ONCE)]
    try:
        answers = aws.each(lambda batch: aws.find("ecs", "DescribeTasks", cluster=batch[0], tasks=batch[1]), batches)
    except Denied:
        return list(runs), []
    tasks = {task["taskArn"]: task for answer in answers for task in (answer or {}).get("tasks") or ()}
    seen, ended = [], []
    for run in runs:
        task = tasks.get(run.task_arn)
        if task is None or task["lastStatus"] != "STOPPED" or not _under_way(run):
            seen.append(run)
            continue
        end = judge(task, (run.container,))
        update = {"state": state_after(end.event), "exit_code": end.exit_code, "reason": end.reason}
        seen.append(run.with_attempt(end.ends(run.attempts[-1])).model_copy(update=update))
        ended.append(run.id)
    return seen, ended


def _under_way(run: Run) -> bool:
    """Whether its task runs, as far as is recorded."""
    return not run.state.over and bool(run.task_arn) and run.attempts[-1].event is None
