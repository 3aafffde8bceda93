"""Starts and watches scheduled and unattended runs: launch, deadline, retries and record, and who is told of the end.

Scheduler calls it when a run is due or goes on after a pause, a client when an unattended run is to be started or gone
on with, EventBridge when a task has ended, each at least once; everything that it does may be done again. What is to be
done is decided where it is for `apply` (`step`), it writes the same record, and launches with the same tokens. Whoever
watches such a run only looks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.function_settings import AGAIN, GIVEN, LAUNCH, PROVIDER, START, TRIED, Watched
from reconciler.core.plain_json import plain
from reconciler.core.run_paths import is_run_id
from reconciler.core.workers import OF_WORKERS
from reconciler.run.place import NotOurs, Place
from reconciler.run.run import Overrides, Run
from reconciler.run.run_task import has_stopped, program_of, read_overrides
from reconciler.run.scheduled_record import new_run, scheduled_id
from reconciler.run.step import Seen, end_of
from reconciler.run.stop_schedule import schedule_name
from reconciler.run.stored import TRIES, Changed, overrides_from
from reconciler.run.workers import size_of
from reconciler.scheduled import workers
from reconciler.scheduled.aws import find
from reconciler.scheduled.function_launch import with_task
from reconciler.scheduled.later import look_no_more, look_now_and_then
from reconciler.scheduled.record import put_first, records
from reconciler.scheduled.see import ours, see_through, sized, tend
from reconciler.scheduled.tell import tell
from reconciler.scheduled.why import explained

MOMENTS = ("createdAt", "startedAt", "stoppingAt", "stoppedAt", "executionStoppedAt")


def handle(event: Mapping[str, Any], context: object) -> None:
    """Called by Lambda. Whatever it raises makes Lambda call it again, twice, and then is a dead letter."""
    watched = Watched.read(os.environ)
    for tries_left in reversed(range(TRIES)):
        try:
            run = _called(watched, event)
            break
        except Changed:  # by another call, or by somebody who stops the run: what is next follows from its record
            if not tries_left:
                raise
    if run is None:
        return
    if tell(watched, *explained(watched, run), call_id=str(getattr(context, "aws_request_id", ""))):
        look_no_more(watched, run.id)


def _called(watched: Watched, event: Mapping[str, Any]) -> Run | None:
    """Do what is asked. Returns the run if it is over."""
    if LAUNCH in event:
        return _due(watched, str(event[LAUNCH]))
    if START in event:
        return _started(watched, str(event[START]), event.get(GIVEN), int(event.get(TRIED, 0)))
    if AGAIN in event:
        return _again(watched, str(event[AGAIN]), str(event[PROVIDER]), event.get(GIVEN), int(event.get(TRIED, 0)))
    return _ended(watched, event["detail"])


def _due(watched: Watched, due: str) -> Run | None:
    """Launch the run that is due, unless that was done before. Returns it if it is over all the same."""
    run_id = scheduled_id(watched, due)
    print(json.dumps({"run": run_id, "due": due}))
    look_now_and_then(watched, run_id, plain(Overrides()), time.time())
    run = records(watched).get(run_id)
    if run is None:  # recorded before the launch, so that it is found again by its token
        run = put_first(watched, sized(watched, new_run(watched, run_id, time.time())))
    return see_through(watched, run, overrides=Overrides())


def _started(watched: Watched, run_id: str, given: Any, tries: int) -> Run | None:
    """Start an unattended run, or go on with it where a client or Scheduler sees that nobody does. Returns it if it is
    over. tries: calls that have tried to launch its workers.
    """
    print(json.dumps({"run": run_id, "started": given is not None}))
    if not is_run_id(run_id):
        return None
    look_now_and_then(watched, run_id, given, time.time())  # first of all, since anything else may fail for good
    run = records(watched).get(run_id)
    if run is None or not ours(run):
        print(json.dumps({"not one of its": run_id}))
        look_no_more(watched, run_id)
        return None
    seen, task = Seen(known_at=run.attempts[-1].launched if run.attempts else time.time()), None
    if run.task_arn and run.attempts[-1].event is None:
        try:
            task = _described(watched, run)
        except NotOurs as error:  # it may be running elsewhere, and nothing is known of it here
            print(json.dumps({"not here": str(error)}))
            return None
        seen = _seen(watched, run, task, seen.known_at)
    overrides = overrides_from(given) if given is not None else _given_overrides(watched, run, task)
    if task is not None and has_stopped(task):
        return _after(watched, run, run.attempts[-1].token, task, overrides)
    return see_through(watched, run, seen, overrides=overrides, tries=tries)


def _again(watched: Watched, token: str, provider: str, given: Any, tries: int) -> Run | None:
    """Go on with a run after the pause behind the attempt with this token, or with the launch of that attempt's
    workers, which so many calls have tried. Returns it if it is over.
    """
    run_id, _, number = token.rpartition("-")
    if not is_run_id(run_id):
        raise ValueError(f"no run: {token!a}")
    print(json.dumps({"run": run_id, "after": int(number), "provider": provider}))
    run = records(watched).get(run_id)
    if run is None or not ours(run):
        return None
    overrides = overrides_from(given) if given is not None else _given_overrides(watched, run, None)
    newest = run.attempts[-1].token == token
    if tries and not newest:
        return None
    return see_through(watched, run, overrides=overrides, due=newest and not tries, tries=tries)


def _ended(watched: Watched, detail: Mapping[str, Any]) -> Run | None:
    """Record the end of a task, and launch another if the rules say so. Returns the run if it is over."""
    token = str(detail.get("startedBy") or "")
    if detail["lastStatus"] != "STOPPED" or token.endswith(OF_WORKERS):
        _tend(watched, detail)
        return None
    run_id = token.rpartition("-")[0]
    print(json.dumps({"run": run_id, "task": detail["taskArn"], "status": detail["lastStatus"]}))
    of_deploy = is_run_id(run_id) and place_of(watched).has(detail, token)
    run = records(watched).get(run_id) if of_deploy else None
    if run is None or not ours(run) or token not in [attempt.token for attempt in run.attempts]:
        print(json.dumps({"not one of its": token}))
        return None
    task = _task(watched, detail)
    return _after(watched, run, token, task, _given_overrides(watched, run, task))


def _after(watched: Watched, run: Run, token: str, task: Mapping[str, Any], overrides: Overrides | None) -> Run | None:
    """Go on after the end of a task. token: its attempt's; overrides: what is different for the run. Returns the run if
    it is over.
    """
    if watched.limited:
        find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, token))
    newest, seen = run.attempts[-1], None
    if newest.token == token and newest.event is None and not run.state.over:
        run = run if newest.task_arn == task["taskArn"] else with_task(watched, run, task)
        seen = _seen(watched, run, task)
        if (end := end_of(run.attempts[-1], seen, time.time())) and size_of(run):
            seen = Seen(end=workers.ended(watched, run, end, overrides))
    return see_through(watched, run, seen, overrides=overrides)


def _tend(watched: Watched, detail: Mapping[str, Any]) -> None:
    """See to the workers of a run, whose program's task has begun or of which one has ended."""
    mark = str(detail.get("startedBy") or "")
    token = mark.removesuffix(OF_WORKERS)
    if (token == mark) is not (detail["lastStatus"] == "RUNNING"):
        return
    run_id = token.rpartition("-")[0]
    of_deploy = is_run_id(run_id) and place_of(watched).has(detail, mark)
    run = records(watched).get(run_id) if of_deploy else None
    if run is None or size_of(run) is None or not ours(run) or run.state.over:
        return
    if not run.attempts or run.attempts[-1].token != token:
        return
    arn = run.task_arn if mark != token else str(detail["taskArn"])
    if arn and run.attempts[-1].event is None:
        run = run.with_attempt(replace(run.attempts[-1], task_arn=arn))
        task = _described(watched, run)
        tend(watched, run, _given_overrides(watched, run, task))


def _given_overrides(watched: Watched, run: Run, task: Mapping[str, Any] | None) -> Overrides | None:
    """What was different for a run: by a task of its, or by its record where that says that nothing was."""
    if task is not None:
        return read_overrides(task, run.container or watched.container)
    return Overrides() if run.overrides == Overrides() else None


def _seen(watched: Watched, run: Run, task: Mapping[str, Any] | None, known_at: float = 0.0) -> Seen:
    """What ECS says of a run's newest task."""
    return Seen(task, known_at, (program_of(task or {}, run.container or watched.container),))


def _described(watched: Watched, run: Run) -> Mapping[str, Any] | None:
    """The newest task as ECS has it; None where it has forgotten it. Raises NotOurs for one of another place."""
    place, last = place_of(watched), run.attempts[-1]
    if not place.may_hold(run.task_arn):
        raise place.refusal(last)
    answer = find("ecs", "DescribeTasks", cluster=watched.cluster, tasks=[run.task_arn])
    return next((dict(place.check(task, last)) for task in (answer or {}).get("tasks", ())), None)


def place_of(watched: Watched) -> Place:
    """Where the schedule's tasks are."""
    return Place(watched.cluster, watched.family, watched.container, watched.log_group, watched.log_prefix)


def _task(watched: Watched, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task as ECS has it now; as the event tells of it where ECS has forgotten it, or hasn't heard of its end."""
    answer = find("ecs", "DescribeTasks", cluster=watched.cluster, tasks=[detail["taskArn"]])
    for task in answer["tasks"] if answer else ():
        if has_stopped(task):
            return dict(task)
    moments = {name: datetime.fromisoformat(detail[name]) for name in MOMENTS if detail.get(name)}
    return {**detail, **moments}
