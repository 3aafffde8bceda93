"""Until when a run's newest task may last: by `run.max_duration`, and by what is left of `run.max_cost`. Pure.

A limit in dollars becomes a moment: the newest attempt may last as long as what the attempts before it have left of the
limit pays for, by the table of list prices. That errs on the cheap side: an attempt counts from its launch, Spot at the
on-demand price, and the task is told to stop early enough to be gone when the money is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.core.function_settings import Cap
from reconciler.core.prices import LEAST, hourly
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.verdict import OVERDUE, TOO_DEAR
from reconciler.run.workers import size_of as workers_of

SLACK = 60.0  # seconds for the start on Fargate: max_duration counts from when the program runs
STARTING = 1800.0  # the same where an instance may have to be launched first, which pulls the whole image
LONGEST = 365 * 86_400.0  # seconds that an attempt may last at most, whatever its limit in dollars pays for
TOO_LITTLE = "what is left of the limit doesn't pay for another task"


@dataclass(frozen=True)
class Limits:
    """What a deploy says of how long its tasks may last. max_duration: seconds; region: whose prices count."""

    max_duration: int | None
    cap: Cap | None
    region: str


def limit_of(run: Run, limits: Limits) -> float | None:
    """The run's limit in US dollars: the file's, or its part of that of its sweep, if that is less."""
    amounts = [amount for amount in (limits.cap.dollars if limits.cap else None, run.budget) if amount is not None]
    return min(amounts, default=None)


def seconds_left(run: Run, limits: Limits) -> float | None:
    """How long after its launch the newest attempt is to be told to stop for its cost; None for no limit.

    At most a year: Scheduler takes no moment in thousands of years. Where no price is known that is at once: a limit
    that can't be kept is none.
    """
    limit = limit_of(run, limits)
    if limits.cap is None or limit is None:
        return None
    *before, last = [price_of(run, attempt, limits) for attempt in run.attempts]
    if last is None or None in before:
        return 0.0
    times = [paid(attempt, following.launched) for attempt, following in pairwise(run.attempts)]
    spent = sum((price or 0.0) * time / 3600 for price, time in zip(before, times, strict=True))
    return max(0.0, min((limit - spent) / last * 3600 - limits.cap.margin, LONGEST))


def share(limit: float, others_cost: float, waiting: int, run: Run, limits: Limits) -> float:
    """What a run of a sweep may cost, in US dollars: its part of what is left, or what the shortest task costs, so that
    a small limit has some of them run rather than none.

    others_cost: by other runs; waiting: so many aren't launched yet, this one too.
    """
    remainder = max(limit - others_cost, 0.0)
    price = price_of(run, Attempt(1, "", "", 0.0), limits) or 0.0
    shortest = price * (LEAST + (limits.cap.margin if limits.cap else 0)) / 3600
    return max(remainder / waiting, min(remainder, shortest))


def cost_at_most(run: Run, limits: Limits) -> float:
    """What a run that is over has cost at most, in US dollars; its budget where that isn't known."""
    prices = [(attempt, price_of(run, attempt, limits)) for attempt in run.attempts if attempt.task_arn]
    if any(price is None or attempt.stopped is None for attempt, price in prices):
        return run.budget or 0.0
    return sum((price or 0.0) * paid(attempt, attempt.stopped or 0.0) / 3600 for attempt, price in prices)


def paid(attempt: Attempt, over: float) -> float:
    """Seconds for which an attempt is paid for at most. over: when it was over at the latest."""
    if not attempt.task_arn and attempt.event is not Event.LOST:
        return 0.0  # nothing was launched
    until = over if attempt.stopped is None else min(attempt.stopped, over)
    return max(until - attempt.launched, LEAST)


def price_of(run: Run, attempt: Attempt, limits: Limits) -> float | None:
    """US dollars an hour of an attempt's task, and of its workers; None where no price is known.

    On a managed instance that of all of it, beside its workers, which are on Fargate.
    """
    managed = limits.cap.managed if limits.cap and attempt.provider not in FARGATE else None
    size, architecture = run.size_of(attempt), str(run.inputs.get("architecture", "X86_64"))
    if size is None and managed is None:
        return None
    public_ip, workers = limits.cap.public_ip if limits.cap else True, workers_of(run)
    sizes = [size] if size and managed is None else []
    sizes += [(workers.cpu, workers.memory)] * workers.count if workers else []
    storage = run.inputs.get("ephemeral_storage")
    prices = [hourly(limits.region, architecture, cpu, mib, storage, public_ip=public_ip) for cpu, mib in sizes]
    return None if None in prices else sum((price or 0.0 for price in prices), managed or 0.0)


def allowance(provider: str) -> float:
    """Seconds from a task's launch until its program runs, which nobody may see: for so long it isn't overdue."""
    return SLACK if provider in FARGATE else STARTING


def pays(run: Run, limits: Limits) -> bool:
    """Whether what is left pays for the newest attempt at all."""
    seconds = seconds_left(run, limits)
    return seconds is None or seconds >= LEAST


def deadline(run: Run, limits: Limits, started: float | None = None) -> tuple[float, str] | None:
    """When Scheduler is to stop the newest attempt's task, in seconds since the epoch, and why; None for never.

    started: when its program began, in seconds since the epoch; None where that isn't known.
    """
    launched, seconds = run.attempts[-1].launched, seconds_left(run, limits)
    ends = [] if seconds is None else [(launched + seconds, TOO_DEAR)]
    if limits.max_duration is not None:
        began = launched + allowance(run.attempts[-1].provider) if started is None else started + SLACK
        ends.append((began + limits.max_duration, OVERDUE))
    return min(ends, default=None)


def too_long(run: Run, limits: Limits, task: Mapping[str, Any], now: float) -> str:
    """Why the newest attempt's task, as ECS describes it, has lasted too long; empty where it hasn't."""
    created, seconds = task.get("createdAt"), seconds_left(run, limits)
    began = created.timestamp() if created else run.attempts[-1].launched
    if seconds is not None and now - began > seconds:
        return TOO_DEAR
    started = task.get("startedAt")
    late = limits.max_duration is not None and started is not None and now - started.timestamp() > limits.max_duration
    return OVERDUE if late else ""


def limit_text(run: Run, limits: Limits, now: float) -> str:
    """That a run was stopped at its limit of cost or time, for people."""
    limit, first, last = limit_of(run, limits), run.attempts[0].launched, run.attempts[-1]
    duration = span(max((last.stopped or now) - first, 0.0))
    return f"stopped at your limit{'' if limit is None else f' of {dollars(limit)}'} after {duration}"


def dollars(amount: float) -> str:
    """`$2.00`, with more digits where these tell something."""
    return f"${amount:.2f}" if round(amount, 2) == round(amount, 6) else f"${amount:.6f}".rstrip("0")


def span(seconds: float) -> str:
    """`3 h 12 min`, `4 min`, or `20 s`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
