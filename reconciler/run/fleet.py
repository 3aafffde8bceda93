"""Many runs at once: launched in batches, no more than so many at a time, watched with few calls, retried, recorded.

Everything is in the record of each run, so whoever comes next goes on from there; two that work on the same runs get
the same tasks, since a task's token follows from its run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import task_id
from reconciler.run.launch import Launch, stop_task
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.supervise import Supervisor
from reconciler.run.verdict import OVERDUE, Verdict, judge
from reconciler.run.watch import AT_ONCE, MISSING, describe

TICK = 0.5  # seconds between looks
RATE = 20  # launches a second: what ECS allows for Fargate


class FleetScreen(Protocol):
    """Told how the runs do."""

    def changed(self, run: Run) -> None:
        """A run is in another state."""

    def tick(self, waiting: int, active: Sequence[Run]) -> None:
        """Time goes by. waiting: so many aren't launched yet; active: those that are under way."""

    def trouble(self, text: str) -> None:
        """Something can't be seen for now."""


@dataclass
class Fleet:
    """Sees many runs of one deploy through."""

    seer: Supervisor
    launch: Launch
    max_parallel: int
    screen: FleetScreen
    active: dict[str, Run] = field(default_factory=dict)  # by id; with a task under way
    over: dict[str, Run] = field(default_factory=dict)
    _queue: deque[Run] = field(default_factory=deque)
    _later: list[tuple[float, str, Run]] = field(default_factory=list)  # when, on which provider, what
    _overdue: set[str] = field(default_factory=set)

    @property
    def aws(self) -> Aws:
        """The way to AWS."""
        return self.seer.aws

    def work(self, runs: Sequence[Run]) -> list[Run]:
        """See all of them to their end; they are returned in order. Raises AwsError; Interrupted from the clock."""
        self._queue.extend(runs)
        while self._queue or self._later or self.active:
            self._start_some()
            self._look()
            self.screen.tick(len(self._queue) + len(self._later), list(self.active.values()))
            if self._queue or self._later or self.active:
                self.aws.clock.sleep(TICK)
        return [self.over[run.id] for run in runs]

    def _start_some(self) -> None:
        """As many as there is room for and ECS lets launch in a tick."""
        room = min(self.max_parallel - len(self.active), int(RATE * TICK))
        now, batch = self.aws.clock.now(), []
        for entry in sorted(self._later, key=lambda entry: entry[0])[: max(room, 0)]:
            if entry[0] <= now:
                self._later.remove(entry)
                batch.append((entry[2], entry[1]))
        while len(batch) < room and self._queue:
            batch.append((self._queue.popleft(), ""))
        for run in self.aws.each(lambda one: self._start(*one), batch):
            self._took(run)

    def _start(self, run: Run, provider: str) -> Run:
        """Launch it, unless somebody else has seen it through meanwhile."""
        known = self.seer.runs.get(run.id) or run
        if known.state.over:
            return run.after(known)
        # Of two records, the one that has got further counts.
        run = run.after(known) if len(known.attempts) >= len(run.attempts) and not provider else run
        run = self.seer.start(self.launch, run, provider)
        newest = run.attempts[-1]
        if newest.task_arn and not self.launch.place.may_hold(newest.task_arn):
            raise self.launch.place.refusal(newest)
        return run

    def _took(self, run: Run) -> None:
        """Put a run where it belongs."""
        if run.state.over:
            self._done(run)
        elif run.attempts[-1].event is None:
            self.active[run.id] = run
            self.screen.changed(run)
        else:
            self._attempted(run)

    def _look(self) -> None:
        """Look at all tasks under way, and take those that have stopped."""
        tasks = {task["taskArn"]: task for task in self._describe()}
        ended = []
        for run in list(self.active.values()):
            task = tasks.get(run.task_arn)
            if task is not None:
                self.launch.place.check(task, run.attempts[-1])
            verdict = self._verdict(run, task)
            if verdict is not None:
                del self.active[run.id]
                ended.append((run, verdict))
            elif task is not None and self._late(run, task):
                self._overdue.add(run.task_arn)
                self.aws.find(
                    "ecs", "StopTask", cluster=self.launch.cluster, task=task_id(run.task_arn), reason=OVERDUE
                )
        for run in self.aws.each(lambda one: self.seer.ended(self.launch, *one), ended):
            self._attempted(run)

    def _describe(self) -> Iterator[Mapping[str, Any]]:
        arns = [run.task_arn for run in self.active.values()]
        for first in range(0, len(arns), AT_ONCE):
            yield from describe(self.aws, self.launch.cluster, arns[first : first + AT_ONCE], self.screen.trouble)

    def _verdict(self, run: Run, task: Mapping[str, Any] | None) -> Verdict | None:
        """How a run's task ended; None while it hasn't."""
        if task is None:
            if self.aws.clock.now() - run.attempts[-1].launched < MISSING:
                return None
            return Verdict(Event.LOST, None, "ECS doesn't know this task any more")
        return judge(task, (self.launch.container,)) if task["lastStatus"] == "STOPPED" else None

    def _late(self, run: Run, task: Mapping[str, Any]) -> bool:
        limit, started = self.seer.rules.max_duration, task.get("startedAt")
        if limit is None or started is None or run.task_arn in self._overdue:
            return False
        return bool(self.aws.clock.now() - started.timestamp() > limit)

    def _attempted(self, run: Run) -> None:
        """An attempt has ended: another follows, or the run is over."""
        following = self.seer.following(run)
        if isinstance(following, str):
            self._done(self.seer.end(run, following))
        else:
            self.seer.runs.put(run)
            self.screen.changed(run)
            self._later.append((self.aws.clock.now() + following.pause, following.provider, run))

    def _done(self, run: Run) -> None:
        self.over[run.id] = run
        self.screen.changed(run)

    def stop(self) -> int:
        """Stop every task that is under way. Returns how many. Raises AwsError."""
        stopped = list(self.active.values())
        why, place = "interrupted by the user", self.launch.place
        self.aws.each(lambda run: stop_task(self.aws, self.seer.runs, place, run, why), stopped)
        return len(stopped)
