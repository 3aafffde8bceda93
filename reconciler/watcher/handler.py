"""Watches the runs that the schedule starts: their deadline, their record, their retries, and who is told of the end.

EventBridge calls it for each change of their tasks, at least once; everything that it does may be done again. It
decides by the same rules as `apply` (`again`, `judge`), writes the same record, and launches with the same tokens, so
that a `watch` at the same time gets the same tasks, and whoever of the two is first tells of the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.run.stop_schedule import schedule_name, stop_schedule
from reconciler.run.tasks import run_id_of, run_of
from reconciler.watched import VARIABLE, Watched
from reconciler.watcher.aws import find, there
from reconciler.watcher.record import OVER, over, read
from reconciler.watcher.retry import launch, see_through
from reconciler.watcher.tell import tell

MOMENTS = ("createdAt", "startedAt", "stoppingAt", "stoppedAt", "executionStoppedAt")


def handle(event: Mapping[str, Any], context: object) -> None:
    """Called by Lambda. Whatever it raises makes Lambda call it again, twice, and then is a dead letter."""
    watched, detail = Watched.read(os.environ[VARIABLE]), event["detail"]
    task, status = _task(watched, detail), detail["lastStatus"]
    print(json.dumps({"run": run_id_of(task), "task": task["taskArn"], "status": status}))
    if status == "STOPPED":
        _ended(watched, task)
    elif task["lastStatus"] == "RUNNING" and watched.max_duration is not None:
        _limit(watched, task, watched.max_duration)


def _task(watched: Watched, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task as ECS has it now; as the event tells of it where ECS has forgotten it, or hasn't heard of its end."""
    answer = find("ecs", "DescribeTasks", cluster=watched.cluster, tasks=[detail["taskArn"]])
    for found in answer["tasks"] if answer else ():
        if found["lastStatus"] == "STOPPED" or detail["lastStatus"] != "STOPPED":
            return dict(found)
    moments = {name: datetime.fromisoformat(detail[name]) for name in MOMENTS if detail.get(name)}
    return {**detail, **moments}


def _limit(watched: Watched, task: Mapping[str, Any], seconds: int) -> None:
    """Have the task stopped when `run.max_duration` is over, whoever is there then."""
    attempt = run_of(watched, task)["attempts"][-1]
    schedule = stop_schedule(
        deploy=watched.deploy,
        token=attempt["token"],
        at=task["startedAt"].timestamp() + seconds,
        partition=watched.partition,
        role=watched.stop_role,
        cluster=watched.cluster,
        task=task["taskArn"],
    )
    there("scheduler", "CreateSchedule", **schedule)


def _ended(watched: Watched, task: Mapping[str, Any]) -> None:
    """Record the end of a task; launch another, or tell of the end of the run."""
    recorded = read(watched, run_id_of(task))
    run = run_of(watched, task, recorded["attempts"] if recorded else ())
    attempt = run["attempts"][-1]
    if watched.max_duration is not None:
        find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, attempt["token"]))
    newest = recorded["attempts"][-1] if recorded else attempt
    if recorded and recorded["state"] in OVER:
        tell(watched, recorded)
        return
    if recorded and recorded["state"] == "stopping":
        tell(watched, over(watched, run, ""))
        return
    if recorded and newest["number"] > attempt["number"]:  # we came so far before, or who watches did
        run = recorded if newest["task_arn"] or newest["event"] else launch(watched, recorded, task)
        if run["attempts"][-1]["task_arn"]:
            return
    if ended := see_through(watched, run, task):
        tell(watched, ended)
