"""`run.max_duration` and `run.max_cost` when nobody watches: a schedule that stops the task and then deletes itself.

EventBridge Scheduler calls ECS StopTask, as a role that may do that to tasks of this cluster and nothing else. The
schedule is made before the launch, so that without it nothing is launched, and gets the task's ARN right after: only
a launcher that dies in the moment between the two leaves a task without its deadline, until somebody watches it.
How long an instance takes to start nobody knows before: there the schedule is made late enough, and made earlier once
the program is seen to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.run.cap import Limits, deadline
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.run_task import counted
from reconciler.run.stop_schedule import NOT_YET, schedule_name, stop_schedule


@dataclass(frozen=True)
class Deadline:
    """The deadline of the tasks of one deploy. role: ARN."""

    deploy: str
    cluster: str
    role: str
    limits: Limits

    def make(self, aws: Aws, run: Run, *, again: bool = False, task: Mapping[str, Any] | None = None) -> None:
        """Make the newest attempt's schedule, which stops nothing without its task. Raises AwsError.

        again: the attempt was recorded before, perhaps long ago, and it counts from now, or from when its task was
        made. An earlier try may have made its schedule, whose time would be over too early.
        """
        if again:
            last = run.attempts[-1]
            run = run.with_attempt(counted(last, task) if task else replace(last, launched=aws.clock.now()))
        ends = deadline(run, self.limits)
        if ends is None:
            return
        schedule = self._schedule(aws, run, ends, str(task["taskArn"]) if task else NOT_YET)
        if not again or aws.find("scheduler", "UpdateSchedule", **schedule) is None:
            aws.ensure("scheduler", "CreateSchedule", **schedule)

    def aim(self, aws: Aws, run: Run, task_arn: str, started: float | None = None) -> None:
        """Have the schedule stop this task. started: when its program began, where that is known. Raises AwsError."""
        if ends := deadline(run, self.limits, started):
            aws.call("scheduler", "UpdateSchedule", **self._schedule(aws, run, ends, task_arn))

    def remove(self, aws: Aws, attempt: Attempt) -> None:
        """Delete the schedule of an attempt whose task has ended. Raises AwsError."""
        aws.find("scheduler", "DeleteSchedule", Name=schedule_name(self.deploy, attempt.token))

    def _schedule(self, aws: Aws, run: Run, ends: tuple[float, str], task: str) -> dict[str, Any]:
        return stop_schedule(
            run.attempts[-1].token,
            ends,
            task,
            deploy=self.deploy,
            partition=aws.partition,
            role=self.role,
            cluster=self.cluster,
        )
