"""Why a scheduled run failed, as `diagnose` says it: from what ECS said and the end of its log."""

from __future__ import annotations

from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core.function_settings import Watched
from reconciler.core.text import line
from reconciler.run.diagnosis import Case, Diagnosis
from reconciler.run.explain import explain
from reconciler.run.log_end import last_events
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.scheduled.aws import find

LINES = 200  # of the log's end that are looked at


def why(watched: Watched, run: Run) -> Diagnosis:
    """Why its last attempt failed."""
    last, stopped = run.attempts[-1], run.state is State.STOPPED  # which may have been between two attempts
    case = Case(
        event=Event.STOPPED if stopped else last.event or Event.LOST,
        exit_code=run.exit_code,
        reason=run.reason if stopped else last.reason,
        log=_tail(watched, last.task_arn),
        cpu=watched.cpu,
        memory=watched.memory,
        architecture=watched.architecture,
        image=watched.image,
        task_role=watched.task_role,
        execution_role=watched.execution_role,
        log_group=watched.log_group,
        max_duration=watched.max_duration,
        data=watched.data,
    )
    return explain(case)


def _tail(watched: Watched, task: str) -> list[str]:
    """The last lines of a task's log; none where it can't be read, since what ECS says is still worth explaining."""
    if not task:
        return []
    stream = f"{watched.log_prefix}/{watched.container}/{task.rpartition('/')[2]}"
    where = {"logGroupName": watched.log_group, "logStreamName": stream}
    try:
        events = last_events(partial(find, "logs", "GetLogEvents", **where), LINES)
    except (ClientError, BotoCoreError) as error:
        print(line(f"the log can't be read: {error}"))
        return []
    return [event["message"] for event in events]
