"""Watch one task to its end: its states, its log lines once and in order, how it ended.

CloudWatch shows lines some time after they were written, so after the task has stopped the log is read on for as long
as lines have been seen to be late, and until no new ones come (`Drain`). ECS may not know a task that was launched a
moment ago, and a connection may break for a while: neither ends the watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied, Unreachable
from reconciler.core.run_paths import task_id
from reconciler.run.logs import TaskLog
from reconciler.run.place import Place
from reconciler.run.retry import Attempt
from reconciler.run.state import State
from reconciler.run.step import Seen, end_of, to_stop
from reconciler.run.verdict import Verdict, judge

POLL = 0.1  # seconds between looks while something changes, growing to
SLOW = 0.4
QUIET = 0.3  # seconds without a new line after the end, at least
SILENT = 8.0  # the same, when the task hasn't written a line
LATEST = 30.0  # lines later than this aren't waited for
AT_ONCE = 100  # tasks that DescribeTasks takes
OUTAGE = 900.0  # seconds for which AWS may be out of reach


class Watcher(Protocol):
    """Told what a task does."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """The task is in another state."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """A log line; timestamp in seconds since the epoch."""

    def tick(self) -> None:
        """Time goes by."""

    def trouble(self, text: str) -> None:
        """Something can't be seen for now, or at all."""


class Silent:
    """A watcher that says nothing."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """Nothing."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def trouble(self, text: str) -> None:
        """Nothing."""


def describe(aws: Aws, cluster: str, arns: Sequence[str], trouble: Callable[[str], None]) -> list[Mapping[str, Any]]:
    """Those of these tasks, at most a hundred, that ECS knows. Waits while AWS can't be reached. Raises AwsError."""
    began, told = aws.clock.now(), False
    while True:
        try:
            answer = aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=[task_id(arn) for arn in arns])
        except Unreachable as error:
            if aws.clock.now() - began > OUTAGE:
                raise
            if not told:
                trouble(f"AWS can't be reached, what runs goes on without us: {error.reason}")
                told = True
            aws.clock.sleep(SLOW)
        else:
            return list((answer or {}).get("tasks") or ())


def watch_of(
    aws: Aws, place: Place, attempt: Attempt, log: TaskLog, watcher: Watcher, max_duration: int | None = None,
    state: State = State.RUNNING,
) -> Watch:  # fmt: skip
    """The watch of an attempt's task, which is found to be one before anything of it is shown. Raises NotOurs."""
    if not place.may_hold(attempt.task_arn):
        raise place.refusal(attempt)
    return Watch(
        aws, place.cluster, attempt, log, watcher, max_duration, state, lambda task: place.check(task, attempt)
    )


@dataclass
class Watch:
    """Watches one task. max_duration: seconds after which it is stopped; state: the run's; mine: told the task as ECS
    describes it, and raises for one that isn't the one that is meant.
    """

    aws: Aws
    cluster: str
    attempt: Attempt
    log: TaskLog
    watcher: Watcher
    max_duration: int | None = None
    state: State = State.RUNNING
    mine: Callable[[Mapping[str, Any]], object] = lambda task: None

    def follow(self) -> Verdict:
        """Watch to the end. Raises AwsError; what `mine` raises; Interrupted from the clock."""
        clock, pause, state = self.aws.clock, POLL, ""
        seen, alive = Seen(), max(self.attempt.launched, 0.0)  # when it was last seen with its program
        while True:
            looked = clock.now()
            task = self._look()
            if task is None:
                seen = replace(seen, task=None)
                if end := end_of(self.attempt, seen, clock.now()):
                    self._read()  # ECS forgets a stopped task after about an hour; its log is still there
                    return end
                clock.sleep(SLOW)
                continue
            self.mine(task)
            seen = Seen(task, known=clock.now())
            if task["lastStatus"] != state:
                state, pause = task["lastStatus"], POLL
                self.watcher.state(task, state)
            self.log.follow(c["name"] for c in task.get("containers", ()))
            if end_of(self.attempt, seen, clock.now()):
                self._drain(task, alive)
                return judge(task, self._essential(task))
            if state not in ("DEPROVISIONING", "STOPPING", "DEACTIVATING"):
                alive = looked
            new = self._read()
            if reason := to_stop(self.state, self.max_duration, task, clock.now()):
                self.aws.find("ecs", "StopTask", cluster=self.cluster, task=self._id, reason=reason)
            self.watcher.tick()
            pause = POLL if new else min(pause * 1.3, SLOW)
            clock.sleep(pause)

    @property
    def _id(self) -> str:
        return task_id(self.attempt.task_arn)

    def _look(self) -> Mapping[str, Any] | None:
        """The task; None when ECS doesn't know it. Waits while AWS can't be reached. Raises AwsError."""
        return next(iter(describe(self.aws, self.cluster, [self.attempt.task_arn], self.watcher.trouble)), None)

    def _read(self) -> int:
        """Hand on new lines. That the log can't be read now, or may not be, is said once and no reason to stop."""
        try:
            return self.log.read(self.watcher.line)
        except Unreachable:
            return 0  # the next look says more
        except Denied as error:
            self.log.closed = True
            self.watcher.trouble(f"the log can't be shown: {error}")
            return 0

    def _essential(self, task: Mapping[str, Any]) -> frozenset[str]:
        """The essential containers, which the task itself doesn't tell."""
        if len(task.get("containers") or ()) < 2:
            return frozenset()
        found = self.aws.find("ecs", "DescribeTaskDefinition", taskDefinition=task["taskDefinitionArn"])
        containers = (found or {}).get("taskDefinition", {}).get("containerDefinitions", ())
        return frozenset(c["name"] for c in containers if c.get("essential", True))

    def _drain(self, task: Mapping[str, Any], alive: float) -> None:
        """Read on for as long as late lines may come. alive: when the program was last seen running."""
        clock = self.aws.clock
        ended = _seconds(task.get("executionStoppedAt") or task.get("stoppedAt")) or alive
        ran = task.get("startedAt") is not None
        # Their clock may be behind ours: the program can't have ended before it was last seen running. It may be
        # ahead, too.
        ended = min(max(ended, alive), clock.now())
        self._read()
        last = clock.now()
        while not self.log.closed:
            now = clock.now()
            late = min(1.5 * self.log.late, LATEST) + QUIET
            if not self.log.seen and ran:
                late = SILENT
            if now - ended >= late and now - last >= min(QUIET, late) / 2:
                return
            clock.sleep(0.1)
            if self._read():
                last = clock.now()
                # New lines may have more behind them.
                ended = max(ended, last - late + QUIET)


def _seconds(moment: Any) -> float | None:
    return None if moment is None else float(moment.timestamp())
