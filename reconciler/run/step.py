"""What is to be done next about a run: the one place that decides it, for `apply`, a sweep and the schedule's function.

    step(run, rules, seen, now) -> Launch | Stop | Retry | End | Wait

Who drives a run reads its record and what ECS says of its newest task, asks `step`, and does that: writes, launches,
stops, waits. What it answers follows from the record, so that whoever goes on with a run does the same. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.core.function_settings import Cap
from reconciler.core.function_settings import Retry as RetryRules
from reconciler.core.prices import LEAST
from reconciler.core.run_paths import token
from reconciler.run.cap import TOO_LITTLE, Limits, limit_text, pays, price_of, too_long
from reconciler.run.retry import Again, Attempt, Event, again
from reconciler.run.run import Run
from reconciler.run.run_task import has_stopped
from reconciler.run.state import State, state_after
from reconciler.run.verdict import TaskEnd, judge

MISSING = 60.0  # seconds for which a task may be unknown to ECS before it counts as forgotten
FORGOTTEN = "ECS doesn't know this task any more: it ended over an hour ago or, with --local, with the embedded AWS"
LAUNCHED_BEFORE = "it was launched, and ECS doesn't know it any more: it ended over an hour ago"
TOO_LATE = "launched after the run had gone on without it"
BY_USER = "stopped by the user"


@dataclass(frozen=True)
class Rules:
    """What a deploy says of its runs. checkpoint: whether the attempts of a run hand one on."""

    capacity: tuple[str, ...]
    retry: RetryRules
    limits: Limits
    checkpoint: bool = False


@dataclass(frozen=True)
class Seen:
    """What ECS said last of a run's newest attempt.

    task: as DescribeTasks shows it, None: ECS doesn't know it; known_at: when ECS knew it last, in seconds since the
    epoch; essential: the names of the containers that end it, see `judge`; end: how it ended, where that is known
    otherwise, such as a launch that was refused.
    """

    task: Mapping[str, Any] | None = None
    known_at: float = 0.0
    essential: Collection[str] = ()
    end: TaskEnd | None = None


@dataclass(frozen=True)
class Launch:
    """Write the run down and launch its newest attempt. recorded: it was written down before, so that it may have been
    launched. following: why there is another attempt, None for the first.
    """

    run: Run
    recorded: bool
    following: Again | None = None


@dataclass(frozen=True)
class Stop:
    """Have ECS stop the task, for this reason."""

    reason: str


@dataclass(frozen=True)
class Retry:
    """Write the run down, wait until `at`, in seconds since the epoch, read its record, and ask again."""

    run: Run
    at: float
    following: Again


@dataclass(frozen=True)
class End:
    """The run is over. Write it down, with the metrics of one that succeeded, unless that was done: then it is the same
    object that was asked about.
    """

    run: Run


@dataclass(frozen=True)
class Wait:
    """Look again later."""


Decision = Launch | Stop | Retry | End | Wait


def step(run: Run, rules: Rules, seen: Seen, now: float) -> Decision:
    """What is to be done next. now: seconds since the epoch."""
    if run.state.over:
        return End(run)
    if not run.attempts:
        first = _with_next(run, rules.capacity[0], now)
        return Launch(first, recorded=False) if pays(first, rules.limits) else _too_dear(first, rules, now)
    attempt = run.attempts[-1]
    if attempt.event is not None:
        return _following(run, rules, now, recorded=True)
    if seen.end is None and not attempt.task_arn:
        # What a record says may be anything: where a task may run is in the file, and its deadline counts from now.
        provider = attempt.provider if attempt.provider in rules.capacity else rules.capacity[0]
        attempt = replace(attempt, provider=provider, launched=min(attempt.launched, now))
        return Launch(run.with_attempt(_sized(attempt, rules.retry)), recorded=True)
    end = seen.end or end_of(attempt, seen, now)
    if end is not None:
        return _following(run.with_attempt(end.ends(attempt)), rules, now, recorded=False)
    reason = to_stop(run, rules.limits, seen.task, now)
    return Stop(reason) if reason else Wait()


def end_of(attempt: Attempt, seen: Seen, now: float) -> TaskEnd | None:
    """How an attempt's task ended; None while it hasn't, as far as anybody knows."""
    if seen.task is not None:
        return judge(seen.task, seen.essential) if has_stopped(seen.task) else None
    # It may have been launched a moment ago.
    unknown = now - max(attempt.launched, seen.known_at)
    return None if unknown < MISSING else TaskEnd(Event.LOST, None, FORGOTTEN)


def to_stop(run: Run, limits: Limits, task: Mapping[str, Any] | None, now: float) -> str:
    """Why a task that hasn't ended is to be stopped; empty where it isn't, or where ECS was told so."""
    if task is None or task.get("desiredStatus") == "STOPPED":
        return ""
    if run.state is State.STOPPING:
        return BY_USER  # who said so may have been stopped before saying it to ECS
    return too_long(run, limits, task, now)


def given_up(run: Run, task_arn: str, now: float) -> Run:
    """A run whose newest attempt's token has launched a task that nobody saw and that ECS has forgotten.

    That attempt is lost, and another is to be launched, whatever the rules for retries say. task_arn: that task's, or
    empty.
    """
    last = run.attempts[-1]
    attempt = replace(last, task_arn=task_arn, event=Event.LOST, reason=LAUNCHED_BEFORE)
    return _with_next(run.with_attempt(attempt), last.provider, now)


def newest(run: Run, record: Run | None) -> Run:
    """Of what is known of a run and its record, what has got further: others may see it through as well."""
    if record is None:
        return run
    if _progress(record) > _progress(run):
        return run.after(record)
    if record.unattended != run.unattended:  # who decides about it is what the record says
        run = replace(run, unattended=record.unattended)
    return replace(run, state=State.STOPPING) if record.state is State.STOPPING and not run.state.over else run


def accounts_for(record: Run, number: int, task_arn: str) -> bool:
    """Whether a run's record knows this task of the attempt with this number, or whoever goes on will find it by its
    token. If not it was launched by somebody who had fallen behind, and is to be stopped.
    """
    for attempt in record.attempts:
        if attempt.number == number and (attempt.task_arn or attempt.event):
            return attempt.task_arn == task_arn
    return not record.state.over


def why_unaccounted(record: Run) -> str:
    """Why a task is stopped that no record accounts for."""
    return BY_USER if record.state is State.STOPPED else TOO_LATE


def spent(run: Run, region: str, now: float) -> float | None:
    """What a run's tasks have cost so far, in US dollars; None where that isn't known."""
    if any(attempt.provider not in FARGATE for attempt in run.attempts):
        return None  # instances of the user's own, whose price isn't Fargate's
    launched = [attempt for attempt in run.attempts if attempt.task_arn]
    if any(attempt.event is Event.LOST and attempt.stopped is None for attempt in launched):
        return None  # nobody knows when it ended
    # List prices alone. Workers are there for as long as the program, at most.
    plain = Limits(None, Cap(None, public_ip=False, margin=0), region)
    prices = [price_of(run, attempt, plain) for attempt in launched]
    times = [max((attempt.stopped or now) - (attempt.started or attempt.launched), LEAST) for attempt in launched]
    costs = ((price or 0.0) * seconds / 3600 for price, seconds in zip(prices, times, strict=True))
    return None if None in prices else sum(costs)


def _following(run: Run, rules: Rules, now: float, *, recorded: bool) -> Launch | Retry | End:
    """After the end of an attempt. recorded: it is written down that it ended."""
    attempt = run.attempts[-1]
    # By the record, so that whoever goes on waits for the same moment.
    end_time = attempt.launched if attempt.stopped is None else attempt.stopped
    if end_time > now:
        end_time = 0.0 if recorded else now  # by a clock that is ahead, or by a record that may say anything
    cost = spent(run, rules.limits.region, now)
    following = again(rules.retry, rules.capacity, run.attempts, cost=cost, now=end_time, size=run.size_of(attempt))
    if isinstance(following, str):
        following = limit_text(run, rules.limits, now) if attempt.event is Event.MAX_COST else following
        return End(_over(run, state_after(run.event), following, cost))
    if run.state is State.STOPPING:
        return End(_over(run, State.STOPPED, BY_USER, cost))
    next_one = _with_next(run, following.provider, now, following.size)
    next_one = next_one.with_attempt(_sized(next_one.attempts[-1], rules.retry))
    if not pays(next_one, rules.limits):
        return _too_dear(next_one, rules, now)
    at = end_time + following.pause
    if recorded and now >= at:
        return Launch(next_one, recorded=False, following=following)
    return Retry(run, at, following)


def _sized(attempt: Attempt, rules: RetryRules) -> Attempt:
    """An attempt without a size of its own that the file doesn't let it have, whatever its record says."""
    cpu, memory = attempt.cpu or 0, attempt.memory or 0
    fits = rules.out_of_memory and rules.fits(attempt.provider, cpu, memory)
    return attempt if fits else replace(attempt, cpu=None, memory=None)


def _too_dear(run: Run, rules: Rules, now: float) -> End:
    """The end of a run whose newest attempt isn't launched, since its limit doesn't pay for it."""
    last = replace(run.attempts[-1], event=Event.MAX_COST, reason=TOO_LITTLE)
    run = run.with_attempt(last)
    why = limit_text(run, rules.limits, now)
    return End(_over(run, State.FAILED, why, spent(run, rules.limits.region, now)))


def _over(run: Run, state: State, why: str, cost: float | None) -> Run:
    last = run.attempts[-1]
    reason = "" if state is State.SUCCEEDED else "; ".join(filter(None, (last.reason, why)))
    return replace(run, state=state, exit_code=last.exit_code, reason=reason, cost=cost)


def _with_next(run: Run, provider: str, now: float, size: tuple[int, int] | None = None) -> Run:
    """A run with another attempt, of this size (CPU units, MiB) or else that of the last."""
    number, last = len(run.attempts) + 1, run.attempts[-1] if run.attempts else None
    cpu, memory = size or ((last.cpu, last.memory) if last else (None, None))
    attempt = Attempt(number, provider, token(run.id, number), now, cpu=cpu, memory=memory)
    return run.with_attempt(attempt)


def _progress(run: Run) -> tuple[bool, int, bool, bool]:
    last = run.attempts[-1] if run.attempts else None
    ended, launched = (last.event is not None, bool(last.task_arn)) if last else (False, False)
    return run.state.over, len(run.attempts), ended, launched
