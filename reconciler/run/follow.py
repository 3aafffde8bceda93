"""Look at an unattended or a scheduled run until its end: the deploy's function decides about it, and nothing is
decided here.

Only where the function hasn't done for a while what is next is it called again, which it may be at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied, Gone, ReconcilerError
from reconciler.core.function_settings import EXACT
from reconciler.run.hand_over import Function, given_over
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.retry import Again
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Launch, Retry, Rules, Seen, newest, step
from reconciler.run.stored import Changed
from reconciler.run.supervise import Screen, log_of
from reconciler.run.verdict import TaskEnd
from reconciler.run.watch import LastLines, Silent, watch_of

POLL, SLOW = 0.2, 2.0  # seconds between looks at the record, growing to
LATE = 30.0  # seconds for which the function may have done nothing before it is called again
LONGEST_CALL = 900.0  # seconds: what Lambda allows


def _is_launched(run: Run) -> bool:
    """Whether a task of its tells how another is launched."""
    return bool(run.attempts and (run.attempts[-1].event is not None or run.task_arn))


@dataclass(frozen=True)
class Follower:
    """Shows runs of one deploy. overrides: what is different for the run, None where only its record says that;
    takes_back: a run whose function can't be called, or does nothing when it is, since the file says nothing of one;
    explains: whether these lines of its log say why a run that is over failed.
    """

    aws: Aws
    runs: Runs
    rules: Rules
    function: Function
    overrides: Overrides | None = None
    takes_back: bool = False
    explains: Callable[[Run, Sequence[str]], bool] = lambda run, lines: True

    def finish(self, launch: LaunchSettings, run: Run, screen: Screen | None = None) -> Run:
        """Look until the run is over. Returns it as it is recorded. Raises AwsError; ReconcilerError for a run
        whose record is gone; Changed once a client decides about it; Interrupted from the clock.
        """
        if run.state is State.STOPPING:
            self._call(run)  # whoever had it stopped may not have told ECS
        shown = announced = 0  # of which attempt the log was shown, and of which it was said that another follows
        last_lines: LastLines | None = None
        while True:
            for number in range(1, len(run.attempts) + 1):  # more than one may have ended since the last look
                until = replace(run, attempts=run.attempts[:number])
                last = until.attempts[-1]
                if number > shown and last.task_arn:
                    shown, last_lines = number, self._shown(launch, until, screen)
                over = run.state.over or run.state is State.STOPPING
                following = None if over and number == len(run.attempts) else self._following(until)
                if number > announced and following is not None:
                    announced = number
                    self._read(until, last_lines)
                    last_lines = None
                    if screen:
                        screen.retry(following)
            if run.state.over:
                self._read(run, last_lines)
                return run
            run = self._gone_on(run, screen)

    def _following(self, run: Run) -> Again | None:
        """Why another attempt follows the newest, where that has ended and one does."""
        if run.attempts[-1].event is None:
            return None
        now = self.aws.clock.now()
        decision = step(replace(run, state=State.RUNNING), self.rules, Seen(known_at=now), now)
        return decision.following if isinstance(decision, Launch | Retry) else None

    def _shown(self, launch: LaunchSettings, run: Run, screen: Screen | None) -> LastLines:
        """Show the newest attempt's task to its end. Returns the rest of its log."""
        attempt, log, watcher = run.attempts[-1], log_of(self.aws, launch, run, screen), screen or Silent()
        watch = watch_of(self.aws, launch.place, run, log, watcher)
        if attempt.event is not None:
            return LastLines(log, watcher, TaskEnd.of(attempt))
        end = watch.follow()
        return LastLines(log, watcher, end, stopped_at=watch.stopped_at, alive=watch.alive)

    def _read(self, run: Run, last_lines: LastLines | None) -> None:
        """Read the rest of a log; of a run that failed until that is explained."""
        if last_lines is None:
            return
        if run.state.over and run.state is not State.SUCCEEDED:
            last_lines = replace(last_lines, explains=partial(self.explains, run))
        last_lines.read()

    def _call(self, run: Run) -> None:
        """Have the function go on with a run. Raises Changed for one that was taken back since that can't be done;
        AwsError.
        """
        try:
            self.runs.outlast(lambda: self.function.go_on(self.aws, run, self.overrides))
        except (Gone, Denied) as error:
            why = f"the function {self.function.name} can't be called: {error}"
            if run.schedule and isinstance(error, Denied):
                self.runs.say(f"{why}; EventBridge Scheduler calls it every 20 minutes")
                return
            if not self.takes_back or run.schedule or not _is_launched(run):
                raise
            self._take_back(run, why)

    def _take_back(self, run: Run, why: str) -> NoReturn:
        """Take a run back from the function: its client decides about it from now on. why: is said. Raises Changed."""
        self.runs.say(why)
        self.runs.outlast(lambda: given_over(self.runs, run, unattended=False))
        raise Changed(run.id) from None

    def _unanswered(self, run: Run, since: float) -> None:
        """The function was called, for the first time then, and has done nothing. Where the file says nothing of one it
        may not know such runs any more: one that has begun is taken back, which raises Changed. Raises ReconcilerError
        for one that nobody here knows how to launch, once the call must be over.
        """
        if not self.takes_back or run.schedule:
            return
        why = f"the function {self.function.name} was called and hasn't gone on with it"
        if _is_launched(run):
            self._take_back(run, f"run {run.id}: {why}")
        if self.aws.clock.now() - since > LONGEST_CALL:
            hint = "run `apply` as for this run: it launches it"
            raise ReconcilerError(f"run {run.id} isn't launched: {why}", hint=hint)

    def _late(self, run: Run) -> str:
        """For people: that the function is late, and what to do about it."""
        name = self.function.name
        late = f"{name} hasn't gone on with it for {LATE:.0f} s: it is called again; its log: /aws/lambda/{name}"
        if self.overrides is None and run.overrides != Overrides() and not run.task_arn:
            late += "; should it stay there, `apply` with the options that it was given launches it"
        return late

    def _gone_on(self, run: Run, screen: Screen | None) -> Run:
        """The run once the function has gone on with it."""
        clock, pause = self.aws.clock, POLL
        due, called_at = clock.now() + LATE, 0.0
        while True:
            current = self.runs.outlast(lambda: self.runs.get(run.id))
            if current is not None and not (current.unattended or current.schedule or current.state.over):
                raise Changed(run.id)  # a client has taken it back
            if current is not None and newest(run, current) != run:
                return current
            decision = step(run, self.rules, Seen(known_at=clock.now()), clock.now())
            if isinstance(decision, Retry):
                due = max(due, decision.at + EXACT + LATE)
            if clock.now() > due:
                if current is None:
                    raise ReconcilerError(f"the record of run {run.id} doesn't exist any more")
                if called_at:
                    self._unanswered(current, called_at)
                if screen:
                    screen.trouble(self._late(current))
                self._call(current)
                called_at = called_at or clock.now()
                due = clock.now() + LATE
            if screen:
                screen.tick()
            clock.sleep(pause)
            pause = min(pause * 1.3, SLOW)
