"""Launch a run's newest attempt once, as `reconciler/run/launch.py` does, with its deadline before it.

A token whose task ECS has forgotten is given up there and here: its attempt is lost, and the next has another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core.errors import code_of
from reconciler.core.function_settings import GROUP, LAUNCHES, Watched
from reconciler.core.run_paths import again_family, is_scheduled_id
from reconciler.core.text import line
from reconciler.run.cap import TOO_LITTLE, Limits, deadline, pays
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.run_task import (
    NotLaunched,
    counted,
    has_stopped,
    is_old,
    launched,
    run_task,
    task_overrides,
    with_size_of,
)
from reconciler.run.state import State
from reconciler.run.step import BY_USER, LAUNCHED_BEFORE, Seen, accounts_for, given_up, newest, why_unaccounted
from reconciler.run.stop_schedule import NOT_YET, schedule_name, stop_schedule
from reconciler.run.stored import TRIES, Changed
from reconciler.run.task_of_token import CONFLICT, LOOKS, Forgotten, find_task, launched_before, look_for, named_tasks
from reconciler.run.verdict import TaskEnd
from reconciler.run.workers import size_of
from reconciler.scheduled import aws
from reconciler.scheduled.aws import call, find, is_unclear, there
from reconciler.scheduled.record import records

PAUSE, LONGEST = 10.0, 120.0  # seconds before a launch is tried again; it doubles, up to
ENOUGH = 480.0  # seconds after which it isn't: Lambda gives a function 900


class Stopped(Exception):
    """Somebody has stopped the run while its launch was tried again and again. run: as it is recorded."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.id)
        self.run = run


def launch(watched: Watched, run: Run, overrides: Overrides) -> tuple[Run, Seen]:
    """Launch a run's newest attempt, or another where ECS has forgotten its task. Returns the run, over where somebody
    stopped it meanwhile, and what is known of the attempt: it has a task, or has ended, since there is no room or ECS
    refuses. overrides: what is different for the run. Raises ClientError and BotoCoreError where nobody knows whether
    it was launched, and it keeps its deadline; Changed.
    """
    attempt = run.attempts[-1]
    try:
        task, why = _launched(watched, run, overrides)
    except NotLaunched as error:
        _no_deadline(watched, attempt)
        return run, Seen(end=TaskEnd(Event.NOT_STARTED, None, str(error)))
    except Stopped as stopped:
        _no_deadline(watched, attempt)
        return stopped.run, Seen()
    except Forgotten as forgotten:
        _no_deadline(watched, attempt)
        print(line(f"the task of run {run.id}: {LAUNCHED_BEFORE}; another is launched"))
        store = records(watched)
        unattended, run = run.unattended, newest(given_up(run, str(forgotten), time.time()), store.get(run.id))
        if run.state.over or run.unattended != unattended:
            return run, Seen()
        if not pays(run, limits_of(watched)):
            return run, Seen(end=TaskEnd(Event.MAX_COST, None, TOO_LITTLE))
        run = store.with_checkpoint(run) if watched.checkpoint else run
        store.put(run)
        return launch(watched, run, overrides)
    if task is None:
        _no_deadline(watched, attempt)
        return run, Seen(end=TaskEnd(Event.NO_CAPACITY, None, why))
    run = with_task(watched, run.with_attempt(counted(attempt, task)), task)
    if watched.limited:
        find("scheduler", "UpdateSchedule", **_deadline(watched, run, run.task_arn))
    return _recorded(watched, replace(run, state=State.RUNNING))


def with_task(watched: Watched, run: Run, task: Mapping[str, Any]) -> Run:
    """The run whose newest attempt has this task, with the definition and size that ECS says: a rollback's definition
    has its own, of which the function isn't told.
    """
    attempt = replace(run.attempts[-1], task_arn=task["taskArn"])
    definition = str(task.get("taskDefinitionArn") or run.task_definition)
    if not run.unattended and run.task_definition != definition:  # the newest, as the settings are
        run = replace(run, log_group=watched.log_group, log_prefix=watched.log_prefix, container=watched.container)
    return with_size_of(replace(run, task_definition=definition).with_attempt(attempt), task)


def _recorded(watched: Watched, run: Run) -> tuple[Run, Seen]:
    """Record the task of a run's newest attempt, or stop it where somebody has stopped the run, or has gone on
    without it. Raises Changed.
    """
    store = records(watched)
    for tries_left in reversed(range(TRIES)):
        current = store.get(run.id)
        if current and not accounts_for(current, run.attempts[-1].number, run.task_arn):
            why = why_unaccounted(current)
            call("ecs", "StopTask", cluster=watched.cluster, task=run.task_arn, reason=why)
            return current, Seen(known_at=time.time())
        # A short task may have ended by now, and another call of the function have recorded that.
        latest = newest(run, current)
        if latest is not run:
            return (run if latest.unattended == run.unattended else latest), Seen(known_at=time.time())
        try:
            store.put(run)
            break
        except Changed:
            if not tries_left:
                raise
    return run, Seen(known_at=time.time())


def stop_unseen(watched: Watched, run: Run) -> None:
    """Stop the task of a run that was stopped before anybody had recorded its newest attempt's task."""
    last = run.attempts[-1] if run.attempts else None
    if last and not last.task_arn and last.event is None and (task := find_task(aws, watched.cluster, last.token)):
        if not has_stopped(task):
            call("ecs", "StopTask", cluster=watched.cluster, task=task["taskArn"], reason=BY_USER)
        _no_deadline(watched, last)


def keep_deadline(watched: Watched, run: Run) -> None:
    """See to it that the task that is under way has a deadline: a launch at the same time that failed takes it away."""
    _keep_deadline(watched, run, run.task_arn)


def _keep_deadline(watched: Watched, run: Run, task: str) -> None:
    """Make the deadline of the newest attempt's task, also where an earlier try has made another."""
    schedule = _deadline(watched, run, task)
    if there("scheduler", "CreateSchedule", **schedule) is None:
        find("scheduler", "UpdateSchedule", **schedule)


def _launched(watched: Watched, run: Run, overrides: Overrides) -> tuple[Any, str]:
    """(task, "") or, when there is no room for it, (None, why). Tried again, that of the schedule as it says. A try
    without a clear answer may have launched it, and so may an earlier call.

    Raises NotLaunched, Stopped, Forgotten, Changed; ClientError, BotoCoreError for a question that failed.
    """
    began, number, run_id, token, looks = time.monotonic(), 0, run.id, run.attempts[-1].token, 1
    tries = watched.retries if is_scheduled_id(run_id) else LAUNCHES
    while True:
        try:
            if watched.limited:  # which counts from this try, and the attempt's from when its task was made
                late = run.with_attempt(replace(run.attempts[-1], launched=time.time()))
                _keep_deadline(watched, late, NOT_YET)
            return _run_task(watched, run, overrides)
        except (ClientError, BotoCoreError, NotLaunched) as error:
            pause = min(PAUSE * 2**number, LONGEST)
            looks = LOOKS if is_unclear(error) else looks
            if number == tries or time.monotonic() - began + pause > ENOUGH:
                if task := look_for(aws, watched.cluster, token, (), looks, time.sleep):
                    return task, ""
                raise NotLaunched(str(error)) from None
            print(line(f"launching {run_id} failed, again in {pause:.0f} s: {error}"))
        time.sleep(pause)
        current = records(watched).get(run_id)
        if current and current.state.over:
            look_for(aws, watched.cluster, token, (), looks, time.sleep)  # so that ECS shows it to whoever stops it
            raise Stopped(current)
        if current and current.unattended != run.unattended:
            raise Changed(run_id)
        number += 1


def limits_of(watched: Watched) -> Limits:
    """How long its tasks may last."""
    return Limits(watched.max_duration, watched.cap, watched.region)


def _deadline(watched: Watched, run: Run, task: str) -> dict[str, Any]:
    """The schedule that stops the newest attempt's task at its limit, whoever is there then."""
    ends = deadline(run, limits_of(watched))
    if ends is None:
        raise ValueError(run.id)  # of a deploy without limits
    return stop_schedule(
        run.attempts[-1].token,
        ends,
        task,
        deploy=watched.deploy,
        partition=watched.partition,
        role=watched.stop_role,
        cluster=watched.cluster,
    )


def _no_deadline(watched: Watched, attempt: Attempt) -> None:
    if watched.limited:
        find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, attempt.token))


def _run_task(watched: Watched, run: Run, overrides: Overrides) -> tuple[Any, str]:
    attempt, family = run.attempts[-1], watched.family
    # Of an unattended run the container is its definition's, which the file may name otherwise since.
    container = (run.unattended and run.container) or watched.container
    settings = task_overrides(run, attempt, overrides, container, with_checkpoint=watched.checkpoint)
    if run.unattended:  # the revision that the client made; no other family, whatever its record says
        recorded, _, revision = run.task_definition.rpartition("/")[2].partition(":")
        if recorded not in (family, again_family(family)):
            raise NotLaunched(f"it was to be launched with {run.task_definition!a}, which isn't of {family}")
        if size_of(run) and recorded != again_family(family):
            raise NotLaunched("its client was stopped before it had made what its workers need")
        family = f"{recorded}:{revision}"
    request = run_task(
        attempt,
        run.id,
        "" if run.unattended else watched.schedule,
        settings,
        cluster=watched.cluster,
        task_definition=family,
        subnets=watched.subnets,
        security_group=os.environ[GROUP],
        public_ip=watched.public_ip,
        exec_enabled=watched.exec_enabled,
    )
    try:
        task, why = launched(call("ecs", "RunTask", **request))
        if task is None or not is_old(task, time.time()):
            return task, why
        named: tuple[str, ...] = (str(task["taskArn"]),)
    except ClientError as error:
        if code_of(error) != CONFLICT:
            raise
        named = named_tasks(error)  # launched before, with something else that differs
    return launched_before(aws, watched.cluster, attempt.token, named, time.sleep), ""
