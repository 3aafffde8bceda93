"""`run.max_duration` when nobody watches: a schedule that stops the task at its deadline and then deletes itself.

EventBridge Scheduler calls ECS StopTask, as a role that may do that to tasks of this cluster and nothing else. The
schedule is made before the launch, so that without it nothing is launched, and gets the task's ARN right after: only
a launcher that dies in the moment between the two leaves a task without its deadline, until somebody watches it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.run.judge import OVERDUE
from reconciler.run.retry import Attempt

SLACK = 60.0  # seconds for the start: max_duration counts from when the program runs
NOT_YET = "not-launched-yet"
UNIVERSAL = "aws-sdk:ecs:stopTask"


@dataclass(frozen=True)
class Deadline:
    """The deadline of the tasks of one deploy. seconds: max_duration; role: ARN."""

    deploy: str
    cluster: str
    role: str
    seconds: int

    def make(self, aws: Aws, attempt: Attempt) -> None:
        """Make an attempt's schedule, which stops nothing yet. Raises AwsError."""
        aws.ensure("scheduler", "CreateSchedule", **self._schedule(aws, attempt, NOT_YET))

    def aim(self, aws: Aws, attempt: Attempt, task_arn: str) -> None:
        """Have the schedule stop this task. Raises AwsError."""
        aws.call("scheduler", "UpdateSchedule", **self._schedule(aws, attempt, task_arn))

    def remove(self, aws: Aws, attempt: Attempt) -> None:
        """The task has ended. Raises AwsError."""
        aws.find("scheduler", "DeleteSchedule", Name=schedule_name(self.deploy, attempt.token))

    def _schedule(self, aws: Aws, attempt: Attempt, task: str) -> dict[str, Any]:
        at = datetime.fromtimestamp(attempt.launched + self.seconds + SLACK, UTC)
        return {
            "Name": schedule_name(self.deploy, attempt.token),
            "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": f"Stops a task of {self.deploy} when run.max_duration is over",
            "Target": {
                "Arn": f"arn:{aws.partition}:scheduler:::{UNIVERSAL}",
                "RoleArn": self.role,
                "Input": json.dumps({"Cluster": self.cluster, "Task": task, "Reason": OVERDUE}),
                "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
            },
        }


def schedule_prefix(deploy: str) -> str:
    """How the names of a deploy's schedules begin."""
    return f"{deploy[:30]}-"


def schedule_name(deploy: str, token: str) -> str:
    """An attempt's schedule; at most 64 characters."""
    return f"{schedule_prefix(deploy)}{token}"
