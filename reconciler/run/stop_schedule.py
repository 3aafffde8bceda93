"""The one-time schedule that stops a task when `run.max_duration` is over, as EventBridge Scheduler takes it. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from reconciler.core.run_paths import SCHEDULED, schedule_prefix
from reconciler.run.retry import Attempt
from reconciler.run.verdict import OVERDUE

SLACK = 60.0  # seconds for the start: max_duration counts from when the program runs
NOT_YET = "not-launched-yet"
UNIVERSAL = "aws-sdk:ecs:stopTask"
LONGEST = 64  # characters of a schedule's name


def stop_schedule(
    attempt: Attempt, seconds: int, task: str, *, deploy: str, partition: str, role: str, cluster: str
) -> dict[str, Any]:
    """The parameters of CreateSchedule and UpdateSchedule.

    seconds: max_duration; task: its ARN, or NOT_YET; role: ARN of what stops it.
    """
    when = datetime.fromtimestamp(attempt.launched + seconds + SLACK, UTC)
    return {
        "Name": schedule_name(deploy, attempt.token),
        "ScheduleExpression": f"at({when:%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": f"Stops a task of {deploy} when run.max_duration is over",
        "Target": {
            "Arn": f"arn:{partition}:scheduler:::{UNIVERSAL}",
            "RoleArn": role,
            "Input": json.dumps({"Cluster": cluster, "Task": task, "Reason": OVERDUE}),
            "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
        },
    }


def schedule_name(deploy: str, token: str) -> str:
    """An attempt's schedule; at most 64 characters."""
    name = f"{schedule_prefix(deploy)}{token}"
    if len(name) <= LONGEST:
        return name
    # The function of the schedule may touch only those that begin like this.
    start = schedule_prefix(deploy) + (SCHEDULED if token.startswith(SCHEDULED) else "")
    # In base 32, so that what is left beside the longest name tells 2**65 apart.
    digest = base64.b32encode(hashlib.sha256(token.encode()).digest()).decode().lower()
    return f"{start}{digest[: LONGEST - len(start)]}"
