"""Watch a task to its end: its state, its log lines once and in order, its exit code.

The end of a log is not an empty page. After the task has stopped, the log is read until nothing new came for
`QUIET` seconds, since CloudWatch shows lines some time after they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.aws import Aws, Gone
from reconciler.run.record import Run, State

POLL = 0.5  # seconds between looks, growing to
SLOW = 3.0
QUIET = 0.8  # seconds without a new line after the end
QUIET_SILENT = 5.0  # the same, when the task failed and hasn't shown a line
MISSING = 60.0  # seconds for which a task just launched may be unknown to ECS


class Watcher(Protocol):
    """Told what a task does."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """The task's state changed."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """A log line; timestamp in seconds since the epoch."""


@dataclass(frozen=True)
class Verdict:
    """How a task ended. exit_code is None when the program never ran or ECS doesn't say: that is a failure."""

    state: State
    exit_code: int | None
    reason: str
    stop_code: str
    started: float | None
    stopped: float | None


@dataclass
class _Stream:
    container: str
    name: str
    token: str = ""
    seen: int = 0


@dataclass
class Watch:
    """Watches one task. `follow` returns when the task has ended and its log is read."""

    aws: Aws
    run: Run
    prefix: str  # of its log streams
    watcher: Watcher
    _streams: dict[str, _Stream] = field(default_factory=dict)
    _state: str = ""

    def follow(self) -> Verdict:
        """Watch to the end. Raises AwsError; Interrupted from the clock."""
        pause, launched = POLL, self.aws.clock.now()
        last: Mapping[str, Any] | None = None
        while True:
            task = self._describe()
            if task is None:
                if last is None and self.aws.clock.now() - launched < MISSING:
                    self.aws.clock.sleep(POLL)
                    continue
                self._drain(failed=False)
                return Verdict(State.FAILED, None, "ECS no longer knows this task: it ended over an hour ago", "", None, None)
            last = task
            if task["lastStatus"] != self._state:
                self._state = task["lastStatus"]
                self.watcher.state(task, self._state)
                pause = POLL
            new = self._read(task)
            if self._state == "STOPPED":
                verdict = judge(task)
                self._drain(failed=verdict.state is not State.SUCCEEDED)
                return verdict
            pause = POLL if new else min(pause * 1.3, SLOW)
            self.aws.clock.sleep(pause)

    def _describe(self) -> Mapping[str, Any] | None:
        answer = self.aws.find("ecs", "DescribeTasks", cluster=self.run.cluster, tasks=[self.run.task_arn])
        tasks = (answer or {}).get("tasks") or ()
        return tasks[0] if tasks else None

    def _read(self, task: Mapping[str, Any]) -> int:
        """Show what is new in every container's stream; how many lines that were."""
        task_id = self.run.task_arn.rpartition("/")[2]
        for container in task.get("containers", ()):
            name = container["name"]
            self._streams.setdefault(name, _Stream(name, f"{self.prefix}/{name}/{task_id}"))
        return sum(self._show(stream) for stream in self._streams.values())

    def _show(self, stream: _Stream) -> int:
        new = 0
        for event in self._events(stream):
            self.watcher.line(stream.container, event["message"], event["timestamp"] / 1000)
            new += 1
        stream.seen += new
        return new

    def _events(self, stream: _Stream) -> Iterator[dict[str, Any]]:
        """New lines. The page after the last one has the token that was asked with."""
        while True:
            params: dict[str, Any] = {"nextToken": stream.token} if stream.token else {}
            try:
                page = self.aws.call(
                    "logs",
                    "GetLogEvents",
                    logGroupName=self.run.log_group,
                    logStreamName=stream.name,
                    startFromHead=True,
                    **params,
                )
            except Gone:
                return  # not there yet
            yield from page["events"]
            token = page["nextForwardToken"]
            if token == stream.token:
                return
            stream.token = token

    def _drain(self, *, failed: bool) -> None:
        """Read on until nothing new came for a while."""
        silent = failed and not any(stream.seen for stream in self._streams.values())
        quiet, since = QUIET_SILENT if silent else QUIET, self.aws.clock.now()
        while self.aws.clock.now() - since < quiet:
            self.aws.clock.sleep(0.2)
            if sum(self._show(stream) for stream in self._streams.values()):
                since, quiet = self.aws.clock.now(), QUIET


def judge(task: Mapping[str, Any]) -> Verdict:
    """How a stopped task ended: by the exit code of the essential container that ended it. Pure.

    A container without an exit code never ran, or ECS lost sight of it: a failure, whatever else is said.
    """
    containers = task.get("containers") or ()
    codes = [c.get("exitCode") for c in containers]
    stop_code = task.get("stopCode", "")
    bad = [c for c in containers if c.get("exitCode") != 0]
    # The one that failed by itself comes before those that were stopped because of it.
    culprit = next((c for c in bad if c.get("exitCode") not in (None, 137, 143)), bad[0] if bad else None)
    exit_code = culprit.get("exitCode") if culprit else (0 if codes else None)
    reasons = [task.get("stoppedReason", ""), *(c.get("reason", "") for c in ([culprit] if culprit else []))]
    stopped = stop_code in ("UserInitiated", "SpotInterruption", "TerminationNotice", "ServiceSchedulerInitiated")
    state = State.SUCCEEDED if exit_code == 0 and not stopped else State.STOPPED if stopped else State.FAILED
    return Verdict(
        state=state,
        exit_code=exit_code,
        reason="; ".join(dict.fromkeys(reason for reason in reasons if reason)),
        stop_code=stop_code,
        started=_seconds(task.get("startedAt")),
        stopped=_seconds(task.get("executionStoppedAt") or task.get("stoppedAt")),
    )


def _seconds(moment: Any) -> float | None:
    return None if moment is None else float(moment.timestamp())
