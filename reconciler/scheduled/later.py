"""Have Scheduler call the function: once after a pause, and now and then for as long as a run isn't over.

The second goes on with a run though the event of its task's end was lost, or the function failed at it for good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.function_settings import EVERY, GIVEN, START, TRIED, WORKER_TRIES, Watched
from reconciler.core.text import line
from reconciler.run.stop_schedule import schedule_name
from reconciler.scheduled.aws import FAILURES, find, there

LONGEST = timedelta(days=30)  # after which nobody looks: the deploy may have been destroyed meanwhile


def call_at(watched: Watched, token: str, at: float, event: Mapping[str, Any], why: str) -> None:
    """Have the function called once. token: begins with the run's id; at: seconds since the epoch; event: its input.

    Raises ClientError, BotoCoreError.
    """
    _schedule(watched, token, f"at({datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S})", event, why)


def look_now_and_then(watched: Watched, run_id: str, given: Any, now: float) -> None:
    """Have the function look at a run until `look_no_more`. given: what is different for it, as it was handed on;
    now: seconds since the epoch.

    That this fails is said, and no reason to leave the run alone.
    """
    first, why = datetime.fromtimestamp(now, UTC) + timedelta(seconds=EVERY), f"Goes on with {run_id} where nobody does"
    times = {"StartDate": first, "EndDate": first + LONGEST}
    try:
        event = {START: run_id, GIVEN: given, TRIED: WORKER_TRIES}
        _schedule(watched, f"{run_id}-look", f"rate({EVERY // 60} minutes)", event, why, **times)
    except FAILURES as error:
        print(line(f"{run_id}: nobody looks at it now and then: {error}"))


def look_no_more(watched: Watched, run_id: str) -> None:
    """The run is over, or somebody else's. Raises ClientError, BotoCoreError."""
    find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, f"{run_id}-look"))


def _schedule(
    watched: Watched, token: str, expression: str, event: Mapping[str, Any], why: str, **times: datetime
) -> None:
    there(
        "scheduler",
        "CreateSchedule",
        Name=schedule_name(watched.deploy, token),
        ScheduleExpression=expression,
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Description=why,
        Target={
            "Arn": watched.function,
            "RoleArn": watched.call_role,
            "Input": json.dumps(event),
            "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": watched.dead_letters},
        },
        **times,
    )
