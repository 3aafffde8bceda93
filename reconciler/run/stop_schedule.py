"""The one-time schedule that stops a task at its deadline, as EventBridge Scheduler takes it. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from reconciler.core.run_paths import SCHEDULED, schedule_prefix

NOT_YET = "not-launched-yet"
UNIVERSAL = "aws-sdk:ecs:stopTask"
LONGEST = 64  # characters of a schedule's name


def stop_schedule(
    token: str, ends: tuple[float, str], task: str, *, deploy: str, partition: str, role: str, cluster: str
) -> dict[str, Any]:
    """The parameters of CreateSchedule and UpdateSchedule.

    token: the attempt's; ends: when and why, as `cap.deadline` gives it; task: its ARN, or NOT_YET; role: ARN of what
    stops it.
    """
    moment, why = datetime.fromtimestamp(ends[0], UTC), ends[1]
    return {
        "Name": schedule_name(deploy, token),
        "ScheduleExpression": f"at({moment:%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": f"Stops a task of {deploy} at its limit",
        "Target": {
            "Arn": f"arn:{partition}:scheduler:::{UNIVERSAL}",
            "RoleArn": role,
            "Input": json.dumps({"Cluster": cluster, "Task": task, "Reason": why}),
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
