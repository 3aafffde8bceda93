"""Runs that have ended and that nobody has watched to their end: what ECS knows of them, for about an hour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from reconciler.aws.calls import Aws
from reconciler.errors import Denied
from reconciler.run.judge import judge
from reconciler.run.record import Run, State
from reconciler.run.supervise import STATES

AT_ONCE = 100  # tasks that DescribeTasks takes


def with_ends(aws: Aws, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """(the runs as they are now, the ids of those that have ended without being recorded as such), in their order.

    Nothing is recorded. Where ECS may not be asked they are as they were recorded. Raises AwsError.
    """
    open_ones = [run for run in runs if not run.state.over and run.task_arn and run.attempts[-1].event is None]
    batches = [
        (cluster, some[first : first + AT_ONCE])
        for cluster, group in groupby(sorted(open_ones, key=lambda run: run.cluster), lambda run: run.cluster)
        for some in [list(group)]
        for first in range(0, len(some), AT_ONCE)
    ]
    try:
        found = aws.each(lambda batch: _ended(aws, *batch), batches)
    except Denied:
        return list(runs), []
    ended = {run.id: run for some in found for run in some}
    return [ended.get(run.id, run) for run in runs], [run.id for run in runs if run.id in ended]


def _ended(aws: Aws, cluster: str, runs: Sequence[Run]) -> list[Run]:
    """Those of these runs whose task has stopped."""
    answer = aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=[run.task_arn for run in runs])
    stopped = {task["taskArn"]: task for task in (answer or {}).get("tasks") or () if task["lastStatus"] == "STOPPED"}
    found = []
    for run in runs:
        if run.task_arn in stopped:
            end = judge(stopped[run.task_arn], (run.container,))
            attempt = run.attempts[-1].model_copy(
                update={"event": end.event, "exit_code": end.exit_code, "reason": end.reason,
                        "started": end.started, "stopped": end.stopped}
            )  # fmt: skip
            state = STATES.get(end.event, State.FAILED)
            update = {"state": state, "exit_code": end.exit_code, "reason": end.reason}
            found.append(run.with_attempt(attempt).model_copy(update=update))
    return found
