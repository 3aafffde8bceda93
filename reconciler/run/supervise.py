"""See a run through: launch, watch, and launch again as the rules allow, until it has ended.

Every change is written to the record first, so that whoever comes next goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.aws.calls import Aws
from reconciler.config.schema import Run as Rules
from reconciler.core.errors import ReconcilerError
from reconciler.core.function_settings import Retry
from reconciler.run.launch import Launch, start, stop_task
from reconciler.run.logs import TaskLog
from reconciler.run.retry import Again, Attempt, Event, again, spent
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State, state_after
from reconciler.run.verdict import Verdict
from reconciler.run.watch import Silent, Watcher, watch_of


class Screen(Watcher, Protocol):
    """Told also of attempts."""

    def launched(self, run: Run, attempt: Attempt) -> None:
        """A task was launched, or found again."""

    def reads(self, log: TaskLog) -> None:
        """This log is about to be read."""

    def retry(self, attempt: Attempt, following: Again) -> None:
        """An attempt has ended and another follows."""


@dataclass
class Supervisor:
    """Sees runs of one deploy through. cost: US dollars of so many seconds of a run's task, None when unknown.

    before_end: told of a run that is over before that is recorded: whoever comes after a stop between the two comes
    back to the run, and tells of it too. again: whether another task may be launched for what is retried; not where
    nothing but the record says with which command, size and variables.
    """

    aws: Aws
    runs: Runs
    rules: Rules
    cost: Callable[[Run, float], float | None]
    before_end: Callable[[Run], None] = lambda run: None
    again: bool = True

    def start(self, launch: Launch, run: Run, provider: str = "") -> Run:
        """Launch the run's next task, or find it. provider: unless it is that of the last, or the first of the file."""
        provider = provider or (run.attempts[-1].provider if run.attempts else "")
        known = provider if provider in self.rules.capacity else self.rules.capacity[0]
        return start(self.aws, self.runs, launch, run, known)

    def finish(self, launch: Launch, run: Run, screen: Screen) -> Run:
        """Watch a started run to its end, with every retry. Raises AwsError; Interrupted from the clock."""
        shown = run.attempts[-1].number if run.attempts[-1].event else 0
        while True:
            run = self._attempt(launch, run, screen, shown)
            shown = run.attempts[-1].number
            if run.state.over:
                return run  # somebody else has ended it
            following = self.following(run)
            if isinstance(following, str):
                return self.end(run, following)
            known = self._further(run)
            if known is run:
                self.runs.put(run)
                screen.retry(run.attempts[-1], following)
                self.aws.clock.sleep(following.pause)
                known = self._further(run)
            if known.state is State.STOPPING:
                return self.end(run, "stopped by the user", State.STOPPED)
            if known is run and not self.again:
                raise ReconcilerError(
                    f"run {run.id} is to be launched again, and only its record says with which options: run `apply` "
                    "with these, which goes on with it"
                )
            run = self.start(launch, run, following.provider) if known is run else known

    def _further(self, run: Run) -> Run:
        """Of the run and its record, the one that has got further: others may see it through as well."""
        known = self.runs.get(run.id) or run
        further = known.state.over or known.state is State.STOPPING or len(known.attempts) > len(run.attempts)
        return run.after(known) if further else run

    def _attempt(self, launch: Launch, run: Run, screen: Screen, shown: int) -> Run:
        """Watch the newest attempt. One that has ended already is shown, unless its number is `shown`."""
        attempt = run.attempts[-1]
        if not attempt.task_arn or attempt.number == shown:
            return run
        screen.launched(run, attempt)
        log = TaskLog(self.aws, launch.log_group, launch.log_prefix, attempt.task_arn)
        screen.reads(log)
        log.follow([launch.container])
        if attempt.event is not None:
            log.read(screen.line)
            return run
        watch = watch_of(self.aws, launch.place, attempt, log, screen, self.rules.max_duration)
        return self.ended(launch, run, watch.follow())

    def settle(self, launch: Launch, run: Run) -> Run:
        """Wait for the end of a task that was stopped, and record it. Raises AwsError; Interrupted from the clock."""
        attempt = run.attempts[-1]
        log = TaskLog(self.aws, launch.log_group, launch.log_prefix, attempt.task_arn)
        log.closed = True  # nobody is shown it
        # Once more: who had it stopped may have been stopped before saying so to ECS.
        stop_task(self.aws, self.runs, launch.place, run, "stopped by the user")
        watch = watch_of(self.aws, launch.place, attempt, log, Silent())
        return self.end(self.ended(launch, run, watch.follow()), "")

    def ended(self, launch: Launch, run: Run, verdict: Verdict) -> Run:
        """The run with the end of its newest attempt, whose deadline is taken away."""
        attempt = run.attempts[-1]
        if launch.deadline:
            launch.deadline.remove(self.aws, attempt)
        return run.with_attempt(verdict.ends(attempt))

    def following(self, run: Run) -> Again | str:
        """What comes after an attempt that has ended: another, or why there is none."""
        if run.attempts[-1].event is Event.SUCCESS:
            return ""
        now = self.aws.clock.now()
        rules = Retry(**self.rules.retry.model_dump())
        return again(rules, self.rules.capacity, run.attempts, cost=self.spent(run), now=now)

    def spent(self, run: Run) -> float | None:
        """What the run's tasks have cost so far."""
        return spent(run.attempts, lambda seconds: self.cost(run, seconds), self.aws.clock.now())

    def end(self, run: Run, why: str, state: State | None = None) -> Run:
        """Record the end, with the metrics that the program wrote. state: unless it is what the last attempt says."""
        attempt, event = run.attempts[-1], run.event
        reason = "; ".join(filter(None, (attempt.reason, why)))
        state = state or state_after(event)
        run = replace(run, state=state, exit_code=attempt.exit_code, reason=reason, cost=self.spent(run))
        if event is Event.SUCCESS:
            run = replace(run, metrics=self.runs.metrics(run), reason="")
        self.before_end(run)
        self.runs.put(run)
        return run
