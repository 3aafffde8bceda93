"""Why a run failed, as `diagnose` says it: from what ECS said and the end of its log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core.function_settings import Watched
from reconciler.core.text import line
from reconciler.run.diagnosis import Case, Diagnosis
from reconciler.run.explain import explain
from reconciler.run.last_lines import LogEnd, StreamStatus, Unread, unread_lines, wait_until
from reconciler.run.log_end import last_events
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.scheduled.aws import find
from reconciler.scheduled.record import records

LINES = 200  # of the log's end that are looked at
PAUSE = 1.0  # seconds between looks while its last lines are waited for
Events = Sequence[Mapping[str, Any]]


def explained(watched: Watched, run: Run) -> tuple[Run, Diagnosis | None]:
    """A run that is over, and why it failed, once its last lines are there. A cause that is found is recorded."""
    if run.state is State.SUCCEEDED:
        return run, None
    diagnosis = why(watched, run)
    if diagnosis.known and run.why != diagnosis.cause:
        run = replace(run, why=diagnosis.cause)
        records(watched).put(run)
    return run, diagnosis


def why(watched: Watched, run: Run) -> Diagnosis:
    """Why its last attempt failed. Waits for its last lines as `apply` does."""
    last, began, first = _newest(run), time.time(), None
    log = _end(last, began)
    while True:
        events, status = _tail(watched, run, last.task_arn)
        diagnosis = explain(_case(watched, run, [event["message"] for event in events]))
        first = len(events) if first is None else first
        if status is None:
            return diagnosis
        log = _looked(log, last, events, status, explained=diagnosis.known, tardy=len(events) > first)
        now, until = time.time(), wait_until(log)
        if now >= until:
            return diagnosis
        time.sleep(min(PAUSE, until - now))


def _newest(run: Run) -> Attempt:
    """The last attempt; one that was never launched for a run that was stopped before any."""
    return run.attempts[-1] if run.attempts else Attempt(1, "", "", run.created)


def _end(last: Attempt, now: float) -> LogEnd:
    end = now if last.stopped is None else min(last.stopped, now)
    return LogEnd(
        stopped=end,
        ended=end,
        ran=last.started is not None,
        gap=None,
        unread=Unread.UNSAID,
        ahead=False,
        late=0.0,
        tardy=False,
        explained=False,
    )


def _looked(
    log: LogEnd, last: Attempt, events: Events, status: StreamStatus, *, explained: bool, tardy: bool
) -> LogEnd:
    """What is known after a look. status: by CloudWatch, before it was asked for the lines."""
    unread = unread_lines([status])
    newest = max((event["timestamp"] for event in events), default=None)
    gap = None if newest is None else (last.stopped or newest / 1000) - newest / 1000
    late = max(((event.get("ingestionTime", 0) - event["timestamp"]) / 1000 for event in events), default=0.0)
    return replace(
        log,
        gap=gap,
        unread=unread,
        ahead=log.ahead or unread is Unread.MORE,
        late=max(late, 0.0),
        explained=explained,
        tardy=log.tardy or tardy,
    )


def _case(watched: Watched, run: Run, lines: Sequence[str]) -> Case:
    last, stopped = _newest(run), run.state is State.STOPPED  # which may have been between two attempts
    cpu, memory = run.size_of(last) or (watched.cpu, watched.memory)
    return Case(
        event=Event.STOPPED if stopped else last.event or Event.LOST,
        exit_code=run.exit_code,
        reason=run.reason if stopped else last.reason,
        log=lines,
        cpu=cpu,
        memory=memory,
        architecture=watched.architecture,
        image=watched.image,
        task_role=watched.task_role,
        execution_role=watched.execution_role,
        log_group=watched.log_group,
        max_duration=watched.max_duration,
        data=watched.data,
        managed=last.provider in watched.retry.managed,
    )


def _tail(watched: Watched, run: Run, task: str) -> tuple[Events, StreamStatus | None]:
    """The last lines of a task's log, and what CloudWatch said just before of those that it has.

    The log is where the run's record says, of which the function's role lets it read the deploy's. ([], None) where it
    may not be read: what ECS says is still worth explaining.
    """
    if not task:
        return [], None
    group, prefix = run.log_group or watched.log_group, run.log_prefix or watched.log_prefix
    stream = f"{prefix}/{run.container or watched.container}/{task.rpartition('/')[2]}"
    refused_calls: list[str] = []
    answer = _asked(refused_calls, "DescribeLogStreams", logGroupName=group, logStreamNamePrefix=stream, limit=1)
    events = last_events(
        partial(_asked, refused_calls, "GetLogEvents", logGroupName=group, logStreamName=stream), LINES
    )
    if "GetLogEvents" in refused_calls:
        return [], None
    read_to = max((event.get("ingestionTime", 0) for event in events), default=0)
    return events, StreamStatus(read_to).after_answer(answer)


def _asked(refused_calls: list[str], operation: str, **params: Any) -> dict[str, Any]:
    """What CloudWatch answers; nothing where it doesn't. refused_calls: the calls that the function may not make."""
    try:
        return find("logs", operation, **params) or {}
    except (ClientError, BotoCoreError) as error:
        print(line(f"the log can't be read: {error}"))
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "AccessDeniedException":
            refused_calls.append(operation)
        return {}
