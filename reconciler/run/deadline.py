"""`run.max_duration` when nobody watches: a schedule that stops the task at its deadline and then deletes itself.

EventBridge Scheduler calls ECS StopTask, as a role that may do that to tasks of this cluster and nothing else. The
schedule is made before the launch, so that without it nothing is launched, and gets the task's ARN right after: only
a launcher that dies in the moment between the two leaves a task without its deadline, until somebody watches it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.run.retry import Attempt
from reconciler.run.stop_schedule import NOT_YET, schedule_name, stop_schedule


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
        return stop_schedule(
            attempt, self.seconds, task, deploy=self.deploy, partition=aws.partition, role=self.role,
            cluster=self.cluster,
        )  # fmt: skip
