"""Runs that the schedule started, as ECS knows them: those under way, and for about an hour those that have ended.

The function that watches them records how they end (reconciler/watcher). What ECS says counts for what isn't recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.lower.watcher import watched
from reconciler.resource_names import Names
from reconciler.run.record import Run, Runs, State
from reconciler.run.tasks import number_of, run_id_of, run_of
from reconciler.watched import Watched

AT_ONCE = 100  # tasks that DescribeTasks takes


def with_scheduled(aws: Aws, names: Names, runs: Runs) -> list[Run]:
    """Every run that is recorded or that ECS knows of, in no order. Raises AwsError."""
    reads: list[Any] = aws.together(runs.all, lambda: _tasks(aws, names.deploy))
    recorded, tasks = reads
    known = {run.id: run for run in recorded}
    fresh = list(_runs(watched(names), tasks, known))
    good = [run for run in fresh if run.state is State.SUCCEEDED]
    metrics = dict(zip((run.id for run in good), aws.each(runs.metrics, good), strict=True))
    known |= {run.id: run.model_copy(update={"metrics": metrics.get(run.id, {})}) for run in fresh}
    return list(known.values())


def _tasks(aws: Aws, deploy: Deploy) -> list[Mapping[str, Any]]:
    """The tasks of the schedule's group. None without a schedule."""
    if deploy.schedule is None:
        return []
    cluster, family = str(deploy.cluster.name), str(deploy.task.family)
    listed = aws.each(
        lambda status: (
            aws.find_all("ecs", "ListTasks", "taskArns", cluster=cluster, family=family, desiredStatus=status) or []
        ),
        ("RUNNING", "STOPPED"),
    )
    arns = sorted({arn for some in listed for arn in some})
    batches = [arns[first : first + AT_ONCE] for first in range(0, len(arns), AT_ONCE)]
    answers = aws.each(lambda some: aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=some), batches)
    tasks = [task for answer in answers for task in (answer or {}).get("tasks", ())]
    return [task for task in tasks if task.get("group") == deploy.schedule.name]


def _runs(which: Watched, tasks: Iterable[Mapping[str, Any]], known: Mapping[str, Run]) -> Iterable[Run]:
    """What is newer than the record."""
    for run_id, some in groupby(sorted(tasks, key=lambda one: (run_id_of(one), number_of(one))), run_id_of):
        recorded = known.get(run_id)
        if recorded is not None and recorded.state.over:
            continue
        attempts = recorded.model_dump(mode="json")["attempts"] if recorded else []
        newest = {one["number"]: one["event"] for one in attempts}
        for task in some:
            if newest.get(number_of(task)) is None:  # not recorded as ended
                run = run_of(which, task, attempts)
                attempts = run["attempts"]
                recorded = Run.model_validate(run)
        if recorded is not None and recorded is not known.get(run_id):
            yield recorded
