"""Starts and watches the runs of the schedule: their launch, deadline, retries and record, and who is told of the end.

Scheduler calls it when a run is due or goes on after a pause, EventBridge when a task of one has ended, each at least
once; everything that it does may be done again. What is to be done is decided where it is for `apply` (`step`), it
writes the same record, and launches with the same tokens, so that a `watch` at the same time gets the same tasks, and
whoever of the two is first tells of the end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.function_settings import AGAIN, LAUNCH, PROVIDER, Watched
from reconciler.core.run_paths import is_scheduled_id
from reconciler.run.cap import pays
from reconciler.run.place import Place
from reconciler.run.run import Run
from reconciler.run.scheduled_record import new_run, scheduled_id
from reconciler.run.step import Seen
from reconciler.run.stop_schedule import schedule_name
from reconciler.scheduled.aws import find
from reconciler.scheduled.launch import limits_of
from reconciler.scheduled.record import put_first, records
from reconciler.scheduled.see import see_through
from reconciler.scheduled.tell import tell
from reconciler.scheduled.why import explained

MOMENTS = ("createdAt", "startedAt", "stoppingAt", "stoppedAt", "executionStoppedAt")


def handle(event: Mapping[str, Any], context: object) -> None:
    """Called by Lambda. Whatever it raises makes Lambda call it again, twice, and then is a dead letter."""
    watched = Watched.read(os.environ)
    if LAUNCH in event:
        ended = _due(watched, str(event[LAUNCH]))
    elif AGAIN in event:
        ended = _again(watched, str(event[AGAIN]), str(event[PROVIDER]))
    else:
        ended = _ended(watched, event["detail"])
    if ended is not None:
        tell(watched, *explained(watched, ended))


def _due(watched: Watched, due: str) -> Run | None:
    """Launch the run that is due, unless that was done before. Returns it if it is over all the same."""
    run_id = scheduled_id(watched, due)
    print(json.dumps({"run": run_id, "due": due}))
    run = records(watched).get(run_id)
    if run is None:  # recorded before the launch, so that it is found again by its token
        run, limits = new_run(watched, run_id, time.time()), limits_of(watched)
        if watched.retry.out_of_memory:
            sized = records(watched).with_size(run, watched.retry.max_memory)
            run = sized if pays(sized, limits) else run
        run = put_first(watched, run)
    return see_through(watched, run)


def _again(watched: Watched, token: str, provider: str) -> Run | None:
    """Go on with a run after the pause behind the attempt with this token. Returns it if it is over."""
    run_id, _, number = token.rpartition("-")
    if not is_scheduled_id(run_id):
        raise ValueError(f"no run of the schedule: {token!a}")
    print(json.dumps({"run": run_id, "after": int(number), "provider": provider}))
    run = records(watched).get(run_id)
    return see_through(watched, run, due=run.attempts[-1].token == token) if run else None


def _ended(watched: Watched, detail: Mapping[str, Any]) -> Run | None:
    """Record the end of a task, and launch another if the rules say so. Returns the run if it is over."""
    token = str(detail.get("startedBy") or "")
    run_id = token.rpartition("-")[0]
    print(json.dumps({"run": run_id, "task": detail["taskArn"], "status": detail["lastStatus"]}))
    ours = is_scheduled_id(run_id) and place_of(watched).has(detail, token)
    run = records(watched).get(run_id) if ours else None
    if run is None or token not in [attempt.token for attempt in run.attempts]:
        print(json.dumps({"not one of this schedule's": token}))
        return None
    if watched.limited:
        find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, token))
    newest, seen = run.attempts[-1], None
    if newest.token == token and newest.event is None and not run.state.over:
        run = run.with_attempt(replace(newest, task_arn=detail["taskArn"]))
        seen = Seen(_task(watched, detail), essential=(watched.container,))
    return see_through(watched, run, seen)


def place_of(watched: Watched) -> Place:
    """Where the schedule's tasks are."""
    return Place(watched.cluster, watched.family, watched.container, watched.log_group, watched.log_prefix)


def _task(watched: Watched, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task as ECS has it now; as the event tells of it where ECS has forgotten it, or hasn't heard of its end."""
    answer = find("ecs", "DescribeTasks", cluster=watched.cluster, tasks=[detail["taskArn"]])
    for found in answer["tasks"] if answer else ():
        if found["lastStatus"] == "STOPPED":
            return dict(found)
    moments = {name: datetime.fromisoformat(detail[name]) for name in MOMENTS if detail.get(name)}
    return {**detail, **moments}
