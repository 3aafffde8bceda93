"""Many runs at once: launched in batches, no more than so many at a time, watched with few calls, retried, recorded.

What comes next for each is what `reconciler/run/step.py` says. Everything is in the record of each run, so whoever
comes next goes on from there; two that work on the same runs get the same tasks, since a task's token follows from its
run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from reconciler.aws.calls import Aws
from reconciler.core.errors import Unreachable
from reconciler.core.run_paths import task_id
from reconciler.run import cap, step
from reconciler.run.hand_over import Function, given_over
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.log_place import log_place
from reconciler.run.logs import TaskLog
from reconciler.run.run import Run
from reconciler.run.run_task import program_of
from reconciler.run.state import State
from reconciler.run.step import Seen, newest
from reconciler.run.stopping import stop_run
from reconciler.run.stored import Changed
from reconciler.run.supervise import LOOK, Supervisor
from reconciler.run.verdict import TaskEnd
from reconciler.run.watch import AT_ONCE, Described, LastLines, Watcher, describe

TICK = 0.5  # seconds between looks
INDEXED = 10.0  # seconds between two times that the index of runs is written
RATE = 20  # launches a second: what ECS allows for Fargate
READS = 20  # records a second of runs in a pause, at most
LOOKS = 10  # DescribeTasks a second at most, where ECS allows 20 to the whole account


class FleetScreen(Protocol):
    """Is told how the runs of a sweep do."""

    def changed(self, run: Run) -> None:
        """A run is in another state."""

    def tick(self, waiting: int, active: Sequence[Run]) -> None:
        """Time goes by. waiting: so many aren't launched yet; active: those that are under way."""

    def trouble(self, text: str) -> None:
        """Something can't be seen for now."""


@dataclass
class Fleet:
    """Sees many runs of one deploy through. limit: what all of them may cost together, in US dollars."""

    seer: Supervisor
    launch: LaunchSettings
    max_parallel: int
    screen: FleetScreen
    limit: float | None = None
    active: dict[str, Run] = field(default_factory=dict)  # by id; with a task under way
    over: dict[str, Run] = field(default_factory=dict)
    _queue: deque[Run] = field(default_factory=deque)
    _later: list[tuple[float, Run]] = field(default_factory=list)  # when it goes on
    _seen: dict[str, Seen] = field(default_factory=dict)  # of those that are active
    _read_at: float = field(default=0.0, init=False)  # when the records of those that wait were read
    _room: float = field(default=RATE * TICK, init=False)  # launches that the rate lets be made now,
    _filled: float = field(default=0.0, init=False)  # as of then

    @property
    def aws(self) -> Aws:
        """The way to AWS."""
        return self.seer.aws

    def work(self, runs: Sequence[Run]) -> list[Run]:
        """See all of them to their end; they are returned in order. Raises AwsError; Interrupted from the clock."""
        self._queue.extend(runs)
        self._filled = self.aws.clock.now()
        looked = float("-inf")
        while self._queue or self._later or self.active:
            began = self.aws.clock.now()
            self._look_at_pauses()
            self._start_some()
            calls = -(-len(self.active) // AT_ONCE)
            if self.aws.clock.now() - looked >= calls / LOOKS:  # each tick, but with more than 500 under way
                looked = self.aws.clock.now()
                self._look()
            self.seer.runs.flush(INDEXED)
            self.screen.tick(len(self._queue) + len(self._later), list(self.active.values()))
            if self._queue or self._later or self.active:
                # What the launches took is part of the tick, so that the rate is kept.
                self.aws.clock.sleep(max(TICK - (self.aws.clock.now() - began), 0.0))
        return [self.over[run.id] for run in runs]

    def _look_at_pauses(self) -> None:
        """End the pauses of those runs that somebody has stopped, or gone on with."""
        now = self.aws.clock.now()
        if not self._later or now - self._read_at < max(LOOK, len(self._later) / READS):
            return
        self._read_at, waiting, self._later = now, self._later, []
        stopped = []
        for (at, run), current in zip(waiting, self.aws.each(self._known, [run for _, run in waiting]), strict=True):
            if current.state.over or current.state is State.STOPPING:
                stopped.append((current, Seen(known_at=now)))  # which needs no room
            else:
                self._later.append((at if current == run else 0.0, current))
        self._go_on(stopped)

    def _known(self, run: Run) -> Run:
        """A run as it is known by now, as far as its record can be read."""
        try:
            return self._newest(run)
        except Unreachable:
            return run  # the next look says more

    def _newest(self, run: Run) -> Run:
        """A run as it is recorded by now; one about which the deploy's function decides is taken back."""
        run = newest(run, self.seer.runs.get(run.id))
        if not run.unattended or run.state.over:
            return run
        self.screen.trouble(f"run {run.id} was taken from the deploy's function, and this command manages it")
        return given_over(self.seer.runs, run, unattended=False)

    def _start_some(self) -> None:
        """Launch as many as there is room for and ECS lets launch in a tick."""
        now = self.aws.clock.now()
        # What a slow tick left unused is made up for, within a second: Fargate lets a hundred be launched at once.
        self._room = min(self._room + RATE * (now - self._filled), RATE)
        self._filled = now
        room = max(min(self.max_parallel - len(self.active), int(self._room)), 0)
        due = [entry for entry in sorted(self._later, key=lambda entry: entry[0]) if entry[0] <= now][:room]
        self._later = [entry for entry in self._later if entry not in due]
        batch = [run for _, run in due]
        while len(batch) < room and self._queue:
            batch.append(self._queue.popleft())
        self._room -= len(batch)
        batch = self._with_budgets(batch)
        self._go_on(self.aws.each(lambda run: self.seer.runs.outlast(lambda: self._start(run)), batch))

    def _with_budgets(self, batch: list[Run]) -> list[Run]:
        """Runs that are about to be launched, each with its part of what is left."""
        if self.limit is None or all(run.budget is not None for run in batch):
            return batch
        limits = self.seer.rules.limits
        waiting = sum(run.budget is None for run in (*batch, *self._queue))
        other_runs = (*self.active.values(), *batch, *self._queue, *(run for _, run in self._later))
        others_cost = sum(run.budget or 0.0 for run in other_runs)
        others_cost += sum(cap.cost_at_most(run, limits) for run in self.over.values())
        budgeted = []
        for run in batch:
            if run.budget is None:
                run = replace(run, budget=cap.share(self.limit, others_cost, waiting, run, limits))
                waiting, others_cost = waiting - 1, others_cost + (run.budget or 0.0)
            budgeted.append(run)
        return budgeted

    def _start(self, run: Run) -> tuple[Run, Seen]:
        """Launch it, where that is what comes next: somebody else may have seen it through meanwhile.

        May be done again, since the record says what was done.
        """
        run = self._newest(run)
        decision = self.seer.decide(run)
        seen = Seen(known_at=self.aws.clock.now())
        if isinstance(decision, step.Launch):
            try:
                run, seen = self.seer.launch(self.launch, decision)
            except Changed:  # somebody has stopped it meanwhile, or gone on with it
                run = self._newest(run)
        if run.task_arn and not run.state.over and not self.launch.place.may_hold(run.task_arn):
            raise self.launch.place.refusal(run.attempts[-1])
        return run, seen

    def _go_on(self, runs: Sequence[tuple[Run, Seen]]) -> None:
        """Do what comes next for runs that aren't active. Their ends are written at the same time: one after the other,
        three round trips each, would take longer than the launches may.
        """
        for run, seen, later in self.aws.each(self._written, runs):
            if later is not None:
                self._later.append((later, run))
            elif run.state.over:
                self.over[run.id] = run
            else:
                self.active[run.id], self._seen[run.id] = run, seen
            self.screen.changed(run)

    def _written(self, run_and_seen: tuple[Run, Seen]) -> tuple[Run, Seen, float | None]:
        """A run whose end, or pause, is written down; and when it goes on, None where it is over or under way."""
        run, seen = run_and_seen
        decision = self.seer.decide(run, seen)
        if isinstance(decision, step.End | step.Retry):
            try:
                run = self.seer.written(run, decision)
            except Changed:  # somebody else goes on with it: of an end its record says whether it was written
                known = run if isinstance(decision, step.End) else decision.run
                return self.seer.runs.outlast(lambda: self._newest(known)), seen, 0.0
            return run, seen, decision.at if isinstance(decision, step.Retry) else None
        return run, seen, 0.0 if isinstance(decision, step.Launch) else None

    def _look(self) -> None:
        """Look at all tasks under way, and take those that have stopped."""
        tasks = {task["taskArn"]: (task, described.at) for described in self._describe() for task in described.tasks}
        ends = []
        for run in list(self.active.values()):
            (task, at), seen = tasks.get(run.task_arn, (None, None)), replace(self._seen[run.id], task=None)
            if task is not None:
                self.launch.place.check(task, run.attempts[-1])
                program = program_of(task, run.container or self.launch.container)
                seen = Seen(task, self.aws.clock.now(), (program,))
            self._seen[run.id], decision = seen, self.seer.decide(run, seen, at)
            if isinstance(decision, step.Stop):
                request = {"task": task_id(run.task_arn), "reason": decision.reason}
                with contextlib.suppress(Unreachable):  # the next look says it
                    self.aws.find("ecs", "StopTask", cluster=self.launch.cluster, **request)
            elif not isinstance(decision, step.Wait):
                del self._seen[run.id]  # with all that ECS said of its task
                ends.append((self.active.pop(run.id), seen))
        if (deadline := self.launch.deadline) is not None:
            remove = partial(deadline.remove, self.aws)
            self.aws.each(lambda pair: self.seer.runs.outlast(lambda: remove(pair[0].attempts[-1])), ends)
        self._go_on(ends)

    def _describe(self) -> list[Described]:
        arns = [run.task_arn for run in self.active.values()]
        batches = [arns[first : first + AT_ONCE] for first in range(0, len(arns), AT_ONCE)]
        messages: list[str] = []

        def trouble(text: str) -> None:
            if not messages:  # which each of them would say
                messages.append(text)
                self.screen.trouble(text)

        return self.aws.each(lambda batch: describe(self.aws, self.launch.cluster, batch, trouble), batches)

    def last_lines(self, run: Run, watcher: Watcher, explains: Callable[[Sequence[str]], bool]) -> list[str]:
        """The last lines of a run that failed, once they are there. Each wait ends at a time that is counted from the
        end of its own task, so that many at once, or one after the other, take no longer than the last one.

        explains: whether lines say why. Raises AwsError; NotOurs where nobody knows where they are.
        """
        place = log_place(self.aws, self.launch.place, run)
        log = TaskLog(self.aws, place.log_group, place.log_prefix, run.task_arn)
        log.follow([place.container])
        LastLines(log, watcher, TaskEnd.of(run.attempts[-1]), explains).read()
        return list(log.recent)

    def stop(self, function: Function) -> int:
        """Stop every task that is under way. Returns how many were. function: the deploy's. Raises AwsError."""
        place, why, deploy = self.launch.place, "interrupted by the user", self.launch.deploy

        def stop(run: Run) -> bool:
            return stop_run(self.aws, self.seer.runs, place, function, run, why, deploy=deploy)[1] == "is-being-stopped"

        return sum(self.aws.each(stop, list(self.active.values())))
