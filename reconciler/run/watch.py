"""Watch one task to its end: its states, its log lines once and in order, how it ended.

CloudWatch shows lines some time after they were written, so after the task has stopped the log is read until nothing
new came for a while: `QUIET` seconds, longer when a task failed without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.aws import Aws
from reconciler.run.judge import OVERDUE, Verdict, judge
from reconciler.run.logs import TaskLog
from reconciler.run.retry import Event

POLL = 0.4  # seconds between looks, growing to
SLOW = 3.0
QUIET = 0.8  # seconds without a new line after the end
SILENT = 5.0  # the same, when the task failed and hasn't written a line
MISSING = 60.0  # seconds for which a task just launched may be unknown to ECS


class Watcher(Protocol):
    """Told what a task does."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """The task is in another state."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """A log line; timestamp in seconds since the epoch."""

    def tick(self) -> None:
        """Time goes by."""


@dataclass
class Watch:
    """Watches one task. max_duration: seconds after which it is stopped."""

    aws: Aws
    cluster: str
    task_arn: str
    log: TaskLog
    watcher: Watcher
    max_duration: int | None = None

    def follow(self) -> Verdict:
        """Watch to the end. Raises AwsError; Interrupted from the clock."""
        pause, launched, state, stopped = POLL, self.aws.clock.now(), "", False
        while True:
            task = self._describe()
            if task is None:
                if not state and self.aws.clock.now() - launched < MISSING:
                    self.aws.clock.sleep(POLL)
                    continue
                return self._vanished()
            if task["lastStatus"] != state:
                state, pause = task["lastStatus"], POLL
                self.watcher.state(task, state)
            self.log.follow(c["name"] for c in task.get("containers", ()))
            new = self.log.read(self.watcher.line)
            if state == "STOPPED":
                verdict = judge(task, self._essential(task))
                self._drain(failed=verdict.event is not Event.SUCCESS)
                return verdict
            if not stopped and self._overdue(task):
                stopped = True
                self.aws.find("ecs", "StopTask", cluster=self.cluster, task=self.task_arn, reason=OVERDUE)
            self.watcher.tick()
            pause = POLL if new else min(pause * 1.3, SLOW)
            self.aws.clock.sleep(pause)

    def _describe(self) -> Mapping[str, Any] | None:
        answer = self.aws.find("ecs", "DescribeTasks", cluster=self.cluster, tasks=[self.task_arn])
        tasks = (answer or {}).get("tasks") or ()
        return tasks[0] if tasks else None

    def _overdue(self, task: Mapping[str, Any]) -> bool:
        started = task.get("startedAt")
        if self.max_duration is None or started is None:
            return False
        return bool(self.aws.clock.now() - started.timestamp() > self.max_duration)

    def _essential(self, task: Mapping[str, Any]) -> frozenset[str]:
        """The essential containers, which the task itself doesn't tell."""
        if len(task.get("containers") or ()) < 2:
            return frozenset()
        found = self.aws.find("ecs", "DescribeTaskDefinition", taskDefinition=task["taskDefinitionArn"])
        containers = (found or {}).get("taskDefinition", {}).get("containerDefinitions", ())
        return frozenset(c["name"] for c in containers if c.get("essential", True))

    def _vanished(self) -> Verdict:
        """ECS forgets a stopped task after about an hour; its log is still there."""
        self.log.read(self.watcher.line)
        return Verdict(Event.LOST, None, "ECS doesn't know this task any more: it ended over an hour ago")

    def _drain(self, *, failed: bool) -> None:
        """Read on until nothing new came for a while."""
        quiet, since = SILENT if failed and not self.log.seen else QUIET, self.aws.clock.now()
        while self.aws.clock.now() - since < quiet:
            self.aws.clock.sleep(0.2)
            if self.log.read(self.watcher.line):
                since, quiet = self.aws.clock.now(), QUIET
