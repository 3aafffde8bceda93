"""See a run through at a terminal: do what `reconciler/run/step.py` says until the run is over, and show it.

Every change is written to the record first, so that whoever comes next goes on from there: a launch before it is made,
an end before its last lines are waited for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, Denied, ReconcilerError, Unreachable
from reconciler.core.fargate import FARGATE
from reconciler.run import step
from reconciler.run.crew import Crew
from reconciler.run.launch import start
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.log_place import log_place
from reconciler.run.logs import TaskLog, WorkerLogs
from reconciler.run.outage import OUTAGE
from reconciler.run.place import NotOurs
from reconciler.run.retry import Again, Attempt
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Seen, newest
from reconciler.run.stored import Changed, Unreadable
from reconciler.run.verdict import TaskEnd
from reconciler.run.watch import LastLines, Silent, Watcher, watch_of
from reconciler.run.workers import size_of as workers_of

LOOK = 2.0  # seconds of a pause between two looks at the record


class Screen(Watcher, Protocol):
    """A watcher that is told of attempts, too."""

    def launched(self, run: Run, attempt: Attempt) -> None:
        """A task was launched, or found again."""

    def reads(self, log: TaskLog) -> None:
        """This log is about to be read."""

    def retry(self, following: Again) -> None:
        """An attempt has ended and another follows."""


def log_of(aws: Aws, launch: LaunchSettings, run: Run, screen: Screen | None) -> TaskLog:
    """The log of a run's newest attempt, which is shown to be launched; closed, and not said to be anywhere, where
    nobody knows where it is.
    """
    place, unknown = launch.place, None
    try:
        place = log_place(aws, place, run)
    except (NotOurs, Denied, Unreachable) as error:
        unknown = error
    log = TaskLog(aws, place.log_group, place.log_prefix, run.task_arn)
    log.follow([place.container])
    if screen:
        screen.launched(run, run.attempts[-1])
        if unknown:
            screen.trouble(f"the log can't be shown: {unknown}")
        else:
            screen.reads(log)
    log.closed = screen is None or unknown is not None
    return log


@dataclass(frozen=True)
class Supervisor:
    """Sees runs of one deploy through.

    before_end: told of a run that is over before that is recorded, and gives it with what it has found out: whoever
    comes after a stop between the two comes back to the run, and tells of it too. explains: whether these lines of its
    log say why a run that is over failed. again: whether another task may be launched for what is retried; not where
    nothing but the record says with which command, size and variables. end_workers: has nothing of a run's workers
    left, once it is over.
    """

    aws: Aws
    runs: Runs
    rules: step.Rules
    before_end: Callable[[Run], Run] = lambda run: run
    explains: Callable[[Run, Sequence[str]], bool] = lambda run, lines: True
    again: bool = True
    end_workers: Callable[[Run], None] = lambda run: None

    def decide(self, run: Run, seen: Seen | None = None, at: float | None = None) -> step.Decision:
        """What is next. seen: None where ECS wasn't asked; at: AWS's time, where it described the task. Raises Changed
        where the deploy's function decides that.
        """
        if run.unattended and not run.state.over:
            raise Changed(run.id)
        now = self.aws.clock.now() if at is None else at
        return step.step(run, self.rules, seen or Seen(known_at=now), now)

    def start(self, launch: LaunchSettings, run: Run) -> Run:
        """Launch the run's newest task, or find it, where that is what comes next. Waits for nothing."""
        decision = self.decide(run)
        if not isinstance(decision, step.Launch):
            return run
        run, seen = self.launch(launch, decision)
        if seen.end is None:
            return run
        decision = self.decide(run, seen)
        if isinstance(decision, step.Retry):
            return self.written(run, decision)
        return run.with_attempt(seen.end.ends(run.attempts[-1]))  # `finish` tells of its end, and records it

    def finish(self, launch: LaunchSettings, run: Run, screen: Screen | None = None) -> Run:
        """See a started run to its end, with every retry. Raises AwsError; Changed once the deploy's function decides
        about it; Interrupted from the clock.

        screen: shows it; None where nobody is to see it.
        """
        shown = announced = 0  # of which attempt the log was shown, and of which it was said that another follows
        seen: Seen | None = None
        while True:
            last = run.attempts[-1]
            if screen and last.event and last.task_arn and last.number != shown:
                shown = last.number  # somebody else has seen its end
                self._read_rest(run, LastLines(log_of(self.aws, launch, run, screen), screen, TaskEnd.of(last)))
            decision = self.decide(run, seen)
            if isinstance(decision, step.Wait | step.Stop):
                seen, shown = self._watch(launch, run, screen), last.number
                continue
            if isinstance(decision, step.End | step.Retry) and (current := self._gone_on(run, decision)):
                run, seen = current, None
                continue
            if isinstance(decision, step.End):
                return self.written(run, decision)
            if isinstance(decision, step.Retry):
                self.written(run, decision)
            if screen and decision.following and announced != last.number:
                announced = last.number
                screen.retry(decision.following)
            if isinstance(decision, step.Launch):
                run, seen = self._launched(launch, decision)
            else:
                run, seen = self._waited(decision), None

    def _gone_on(self, run: Run, decision: step.End | step.Retry) -> Run | None:
        """The run as it is recorded, where somebody else has gone on with it or decides about it by now: what follows
        from what was known before is neither told nor written down. None where nobody has.
        """
        if run.state.over:
            return None  # as it is recorded
        expected = replace(decision.run, state=run.state)
        current = newest(expected, self.runs.outlast(lambda: self.runs.get(run.id)))
        return None if current == expected else current

    def _waited(self, decision: step.Retry) -> Run:
        """The run as it is known after its pause, or as soon as somebody has stopped it or gone on with it. A look that
        fails is no reason to leave it; Unreachable is raised long after the pause.
        """
        run, clock = decision.run, self.aws.clock
        due = max(decision.at, clock.now())
        while True:
            remaining = max(due - clock.now(), 0.0)
            clock.sleep(min(remaining, LOOK))
            try:
                current = newest(run, self.runs.get(run.id))
            except Unreachable:
                if clock.now() - due > OUTAGE:
                    raise
                clock.sleep(LOOK)
                continue
            if remaining <= LOOK or current != run:
                return current

    def _launched(self, launch: LaunchSettings, decision: step.Launch) -> tuple[Run, Seen | None]:
        """What `launch` gives, also after an outage. seen: None where nothing was launched."""
        try:
            return self.launch(launch, decision)
        except Unreachable:
            return self.runs.outlast(lambda: self._launched_again(launch, decision))

    def _launched_again(self, launch: LaunchSettings, decision: step.Launch) -> tuple[Run, Seen | None]:
        """The same where nobody knows how much of it was done: the record says."""
        record = self.runs.get(decision.run.id)
        if record is None or (len(record.attempts) < len(decision.run.attempts) and not record.state.over):
            return self.launch(launch, decision)  # an attempt is recorded before it is launched
        run = decision.run.after(record)
        following = self.decide(run)
        return self.launch(launch, following) if isinstance(following, step.Launch) else (run, None)

    def launch(self, launch: LaunchSettings, decision: step.Launch) -> tuple[Run, Seen]:
        """Launch what is to be launched. Raises AwsError, ReconcilerError."""
        if decision.following and not self.again:
            raise ReconcilerError(
                f"run {decision.run.id} has to be launched again, but its options are only in its record, which isn't "
                "trusted: run `apply` with the same options to continue it"
            )
        return start(self.aws, self.runs, launch, decision.run, recorded=decision.recorded)

    def written(self, run: Run, decision: step.Retry | step.End) -> Run:
        """Write down that an attempt or the run has ended, unless that was done; with the metrics of a good end."""
        if decision.run is run:
            return run
        run = decision.run
        if isinstance(decision, step.End):
            if run.state is State.SUCCEEDED:
                run = replace(run, metrics=self.runs.outlast(lambda: self.runs.metrics(decision.run)))
            run = self.before_end(run)
            # Before the end is written down, so that whoever comes after a stop between the two does it.
            self.runs.end_checkpoint(run)
            self.end_workers(run)
            if self.rules.retry.out_of_memory:
                self.runs.outlast(lambda: self.runs.keep_size(decision.run))
        self._put(run)
        return run

    def _put(self, run: Run) -> None:
        """Write it down. Where the bucket was deleted meanwhile, what is known of the end is still to be shown."""
        try:
            self.runs.outlast(lambda: self.runs.put(run))
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise
            self.runs.say(f"run {run.id} can't be recorded: there is no bucket {self.runs.bucket} any more")

    def spent(self, run: Run) -> float | None:
        """What the run's tasks have cost so far, in US dollars; None where that isn't known."""
        return step.spent(run, self.rules.limits.region, self.aws.clock.now())

    def _watch(self, launch: LaunchSettings, run: Run, screen: Screen | None) -> Seen:
        """Watch the newest attempt to its end, and take its deadline away."""
        attempt, log = run.attempts[-1], log_of(self.aws, launch, run, screen)
        watcher = screen or Silent()
        crew = self._crew(launch, run, watcher, log) if workers_of(run) else None
        aim = self._aim(launch, run)

        def tend(task: Mapping[str, Any]) -> None:
            aim(task)
            if crew:
                crew.tend(task)

        watch = replace(
            watch_of(self.aws, launch.place, run, log, watcher),
            to_stop=lambda task, now: step.to_stop(run, self.rules.limits, task, now),
            on_end=lambda end: self._keep(run, crew.ended(end) if crew else end),
            tend=tend,
        )
        end = watch.follow()
        end = crew.with_why(end) if crew else end
        if (deadline := launch.deadline) is not None:
            self.runs.outlast(lambda: deadline.remove(self.aws, attempt))
        self._read_rest(run, LastLines(log, watcher, end, stopped_at=watch.stopped_at, alive=watch.alive))
        return Seen(end=end)

    def _aim(self, launch: LaunchSettings, run: Run) -> Callable[[Mapping[str, Any]], None]:
        """What makes the deadline of a task that waited for its instance an earlier one, once its program runs."""
        deadline, late = launch.deadline, run.attempts[-1].provider not in FARGATE

        def aim(task: Mapping[str, Any]) -> None:
            nonlocal late
            if late and deadline is not None and deadline.limits.max_duration and (began := task.get("startedAt")):
                late = False
                with contextlib.suppress(ReconcilerError):  # the later one stays
                    deadline.aim(self.aws, run, str(task["taskArn"]), began.timestamp())

        return aim

    def _crew(self, launch: LaunchSettings, run: Run, watcher: Watcher, log: TaskLog) -> Crew:
        logs = WorkerLogs(self.aws, log.group, log.prefix, watcher.line)
        now = self.aws.clock.now
        return Crew(self.aws, launch.of_workers, run, launch.given(run), now, watcher.trouble, logs.read)

    def _keep(self, run: Run, end: TaskEnd) -> None:
        """Write down how its newest attempt ended, before anything is waited for: ECS forgets it."""
        attempt = end.ends(run.attempts[-1])
        run = replace(run.with_attempt(attempt), exit_code=end.exit_code, reason=end.reason)
        try:
            current = newest(run, self.runs.outlast(lambda: self.runs.get(run.id)))
        except Unreadable:
            return  # what follows the end says so
        if current.attempts == run.attempts and not current.state.over and not current.unattended:
            self._put(current)

    def _read_rest(self, run: Run, lines: LastLines) -> None:
        """Read the rest of the newest attempt's log; where it failed and nothing follows, until that is explained."""
        decision = self.decide(run, Seen(end=lines.end))
        if isinstance(decision, step.End) and decision.run.state is not State.SUCCEEDED:
            lines = replace(lines, explains=partial(self.explains, decision.run))
        lines.read()
