"""Watch one task to its end: its states, its log lines once and in order, how it ended, its last lines.

ECS may not know a task that was launched a moment ago, and a connection may break for a while: neither ends the watch.
CloudWatch shows lines some time after they were written, so that the log is read on after the end: see last_lines.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from reconciler.aws.answer import answered_at
from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied, Interrupted, Unreachable
from reconciler.core.run_paths import task_id
from reconciler.run.last_lines import QUIET, LogEnd, Unread, wait_until
from reconciler.run.logs import TaskLog
from reconciler.run.outage import outlast
from reconciler.run.place import Place
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.run_task import program_of
from reconciler.run.step import Seen, end_of
from reconciler.run.verdict import TaskEnd

POLL = 0.1  # seconds between looks while something changes, growing to
SLOW = 0.4
PATIENCE = 1.0  # seconds of a wait for the last lines before it is told
ASK = 1.0  # seconds between questions for what CloudWatch has
AT_ONCE = 100  # tasks that DescribeTasks takes


class Watcher(Protocol):
    """Is told what a task does."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """The task is in another state."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """A log line; timestamp in seconds since the epoch."""

    def tick(self) -> None:
        """Time goes by."""

    def trouble(self, text: str) -> None:
        """Something can't be seen for now, or at all."""

    def waiting(self, seconds: float) -> None:
        """The task has ended, and its last lines are waited for, so long at most."""

    def enough(self) -> None:
        """That wait was interrupted, which ends it and nothing else."""


class Silent:
    """A watcher that says nothing."""

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """Ignore a state of the task."""

    def line(self, container: str, text: str, timestamp: float) -> None:
        """Ignore a line of the log."""

    def tick(self) -> None:
        """Ignore that time goes by."""

    def trouble(self, text: str) -> None:
        """Ignore what can't be seen."""

    def waiting(self, seconds: float) -> None:
        """Ignore the wait for the last lines."""

    def enough(self) -> None:
        """Ignore that this wait was interrupted."""


class Described(NamedTuple):
    """Tasks as ECS describes them. at: AWS's time then, in seconds since the epoch; ours where it doesn't say."""

    tasks: Sequence[Mapping[str, Any]]
    at: float


def describe(aws: Aws, cluster: str, arns: Sequence[str], trouble: Callable[[str], None]) -> Described:
    """Those of these tasks, at most a hundred, that ECS knows. Waits while AWS can't be reached. Raises AwsError."""
    tasks = [task_id(arn) for arn in arns]
    answer = outlast(aws, lambda: aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=tasks), trouble)
    answer = answer or {}
    return Described(answer.get("tasks") or (), answered_at(answer) or aws.clock.now())


def watch_of(aws: Aws, place: Place, run: Run, log: TaskLog, watcher: Watcher) -> Watch:
    """The watch of a run's newest task, which is found to be one before anything of it is shown. Raises NotOurs."""
    attempt = run.attempts[-1]
    if not place.may_hold(attempt.task_arn):
        raise place.refusal(attempt)
    container = run.container or place.container
    return Watch(aws, place.cluster, attempt, log, watcher, container, check=lambda task: place.check(task, attempt))


@dataclass
class Watch:
    """Watches one task. container: its program's, where ECS doesn't say which that is; to_stop: told the task and AWS's
    time, why it is to be stopped now, empty where it isn't; check: told the task as ECS describes it, and raises for
    one that isn't the one that is meant; on_end: told how it ended before that is shown; tend: told the task at each
    look, to see to what belongs to it.
    """

    aws: Aws
    cluster: str
    attempt: Attempt
    log: TaskLog
    watcher: Watcher
    container: str
    to_stop: Callable[[Mapping[str, Any], float], str] = lambda task, now: ""
    check: Callable[[Mapping[str, Any]], object] = lambda task: None
    on_end: Callable[[TaskEnd], object] = lambda end: None
    tend: Callable[[Mapping[str, Any]], object] = lambda task: None
    # By our clock: when it was last seen running, and then had stopped; 0 where it had stopped before anybody looked.
    alive: float = field(default=0.0, init=False)
    stopped_at: float = field(default=0.0, init=False)

    def follow(self) -> TaskEnd:
        """Watch to the end. Its last lines may be still to come. Raises AwsError; what `check` and `on_end` raise;
        Interrupted from the clock.
        """
        clock, pause, state, seen = self.aws.clock, POLL, "", Seen()
        while True:
            looked = clock.now()
            tasks, at = describe(self.aws, self.cluster, [self.attempt.task_arn], self.watcher.trouble)
            task = next(iter(tasks), None)
            if task is None:
                seen = replace(seen, task=None)
                if end := end_of(self.attempt, seen, clock.now()):
                    self.on_end(end)  # ECS forgets a stopped task after about an hour; its log is still there
                    return end
                clock.sleep(SLOW)
                continue
            self.check(task)
            seen = Seen(task, clock.now(), (program_of(task, self.container),))
            if end := end_of(self.attempt, seen, clock.now()):
                self.stopped_at = clock.now() if self.alive else 0.0
                self.on_end(end)
            if task["lastStatus"] != state:
                state, pause = task["lastStatus"], POLL
                self.watcher.state(task, state)
            self.log.follow(c["name"] for c in task.get("containers", ()))
            if end:
                return end
            if state not in ("DEPROVISIONING", "STOPPING", "DEACTIVATING"):
                self.alive = looked
            new = read(self.log, self.watcher)
            if reason := self.to_stop(task, at):  # by the clock that says when it began
                with contextlib.suppress(Unreachable):  # the next look says it
                    self.aws.find("ecs", "StopTask", cluster=self.cluster, task=self._id, reason=reason)
            self.tend(task)
            self.watcher.tick()
            pause = POLL if new else min(pause * 1.3, SLOW)
            clock.sleep(pause)

    @property
    def _id(self) -> str:
        return task_id(self.attempt.task_arn)


def read(log: TaskLog, watcher: Watcher) -> int:
    """Hand on new lines. That the log can't be read now, or may not be, is said once and no reason to stop."""
    try:
        return log.read(watcher.line)
    except Unreachable:
        return 0  # the next look says more
    except Denied as error:
        log.closed = True
        watcher.trouble(f"the log can't be shown: {error}")
        return 0


@dataclass(frozen=True)
class LastLines:
    """Reads the rest of a log whose task has ended.

    explains: whether lines say why it failed, None where nothing is to be said; stopped_at: when it was seen to have
    stopped, and alive when it was last seen running, both 0 for whoever comes later.
    """

    log: TaskLog
    watcher: Watcher
    end: TaskEnd
    explains: Callable[[Sequence[str]], bool] | None = None
    stopped_at: float = 0.0
    alive: float = 0.0

    def read(self) -> None:
        """Until all lines are there, or are no longer waited for. Raises AwsError; Interrupted from the watcher, while
        what the clock raises ends the wait.
        """
        new = read(self.log, self.watcher)
        if not self.log.closed:
            self._wait(new)

    def _wait(self, new: int) -> None:
        """Read until the log counts as whole. new: how many lines the first look had."""
        clock = self.log.aws.clock
        began, asked_at, announced = clock.now(), 0.0, False
        arrived, log_end = began, self._known(began)
        while True:
            now = clock.now()
            if now - asked_at >= ASK:
                self.log.ask()
                asked_at = now
            if new:
                arrived = now
                late = now > max(began, log_end.ended + 1.5 * log_end.late + QUIET) + PATIENCE
                log_end = replace(self._known(began), tardy=log_end.tardy or late, ahead=log_end.ahead)
            # What was stored between a look at the log and the question isn't told ahead: a look follows.
            ahead = self.log.unread is Unread.MORE and asked_at < now
            log_end = replace(log_end, unread=self.log.unread, ahead=log_end.ahead or ahead)
            until = wait_until(log_end)
            reading = new and self.log.unfinished
            if self.log.closed or (now >= max(until, arrived + QUIET / 2) and not reading):
                return
            if not announced and now - began > PATIENCE:
                self.watcher.waiting(until - now)
                announced = True
            self.watcher.tick()
            try:
                clock.sleep(POLL)
            except Interrupted:
                self.watcher.enough()
                return
            new = read(self.log, self.watcher)

    def _known(self, now: float) -> LogEnd:
        """What the lines that were read tell of the end."""
        log, end = self.log, self.end
        # Their clock may be behind ours: the program can't have ended before it was last seen running. It may be
        # ahead, too.
        ended = min(max(end.stopped or self.alive or now, self.alive), now)
        gap = None if log.last is None else 0.0 if end.stopped is None else end.stopped - log.last
        return LogEnd(
            stopped=max(self.stopped_at, ended),
            ended=ended,
            ran=end.started is not None,
            gap=gap if log.since is None else 0.0,
            unread=Unread.UNSAID,
            ahead=False,
            late=log.late,
            tardy=False,
            explained=self.explains(list(log.recent)) if self.explains else None,
        )
