"""The tries at a run, and whether another follows, where and when: rules by what ended the last. Pure.

No room, or a Spot interruption: the same capacity provider again as often as the rule allows, then the next one.
The program's own failure: again where it was, as often as `error` says. Everything else ends the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.function_settings import Retry
from reconciler.core.prices import dollars
from reconciler.run.checkpoint import Checkpoint
from reconciler.run.usage import Usage

LONGEST = 300.0  # seconds of a pause
LOST_SCHEDULER = "the scheduler of its workers ended before it"


class Event(StrEnum):
    """What ended an attempt."""

    SUCCESS = "success"
    ERROR = "error"  # the program failed
    NO_CAPACITY = "no-capacity"
    INTERRUPTION = "interruption"  # Spot took the capacity, the instance is gone, or its workers' scheduler ended
    NOT_STARTED = "not-started"  # the image, a secret, the network
    STOPPED = "stopped"  # somebody stopped it
    TIMEOUT = "timeout"  # `max_duration`
    MAX_COST = "max-cost"  # `max_cost`
    LOST = "lost"  # ECS doesn't know how it ended


@dataclass(frozen=True)
class Attempt:
    """One task of a run. token: its clientToken and startedBy. Times are seconds since the epoch.

    checkpoint: what it went on from; None for a first one, and without `run.checkpoint`. cpu, memory: its own size in
    CPU units and MiB, None for the run's. image: the digest of its image, as ECS tells it at the end. usage: what it
    used at most, None where nobody has read that yet.
    """

    number: int
    provider: str
    token: str
    launched: float
    task_arn: str = ""
    event: Event | None = None
    exit_code: int | None = None
    reason: str = ""
    started: float | None = None
    stopped: float | None = None
    checkpoint: Checkpoint | None = None
    cpu: int | None = None
    memory: int | None = None
    image: str = ""
    usage: Usage | None = None


@dataclass(frozen=True)
class Again:
    """Launch on `provider` after `pause` seconds. size: CPU units and MiB, None for those that it had."""

    provider: str
    pause: float
    why: str
    size: tuple[int, int] | None = None


def again(
    rules: Retry,
    providers: Sequence[str],
    attempts: Sequence[Attempt],
    *,
    cost: float | None,
    now: float,
    size: tuple[int, int] | None = None,
) -> Again | str:
    """What follows the last attempt: another, or why there is none.

    cost: of all attempts, in US dollars; None when unknown. size: of the last, CPU units and MiB; None when unknown.
    """
    last, larger = attempts[-1], None
    if last.event is Event.NO_CAPACITY or last.event is Event.INTERRUPTION:
        limit = rules.no_capacity if last.event is Event.NO_CAPACITY else rules.interruption
        tries = sum(1 for a in attempts if a.provider == last.provider and a.event is last.event)
        reason = "no capacity" if last.event is Event.NO_CAPACITY else interruption(last.reason)
        provider = last.provider if tries <= limit else _next(providers, last.provider)
        if provider is None:
            places = " and ".join(dict.fromkeys(a.provider for a in attempts))
            return f"{reason} on {places}" + (f", {len(attempts)} tries" if len(attempts) > 1 else "")
    elif rules.out_of_memory and out_of_memory(last):
        reason, provider = f"out of memory{f' with {size[1]:,} MiB' if size else ''}", last.provider
        larger = rules.larger(last.provider, *size) if size else None
        tries = sum(map(out_of_memory, attempts))
        if tries > rules.out_of_memory:
            return f"out of memory {tries} times"
        if larger is None:
            return f"{reason}, and there is no larger size{' up to run.max_memory' if rules.max_memory else ''}"
    elif last.event is Event.ERROR:
        reason, provider = f"exit code {last.exit_code}", last.provider
        tries = sum(1 for a in attempts if a.event is Event.ERROR and not (rules.out_of_memory and out_of_memory(a)))
        if rules.exit_codes and last.exit_code not in rules.exit_codes:
            return f"exit code {last.exit_code} isn't one that is retried"
        if tries > rules.error:
            return "" if rules.error == 0 else f"the program failed {tries} times"
    else:
        return ""
    pause = 0.0 if larger else min(rules.backoff * 2.0 ** (len(attempts) - 1), LONGEST)
    if rules.within is not None and now + pause - attempts[0].launched > rules.within:
        return f"{reason}, and `run.retry.within` is over"
    if rules.max_cost is not None and cost is not None and cost >= rules.max_cost:
        return f"{reason}, and the run has cost {dollars(cost)}, `run.retry.max_cost` is {dollars(rules.max_cost)}"
    if provider != last.provider:
        # Elsewhere there may be room at once.
        return Again(provider, 0.0, f"{reason} on {last.provider}")
    return Again(provider, pause, reason, larger)


def interruption(reason: str) -> str:
    """What has interrupted an attempt: Spot, the end of its instance or of its workers' scheduler."""
    if reason.startswith(LOST_HOST):
        return "instance lost"
    return LOST_SCHEDULER if LOST_SCHEDULER in reason else "Spot interruption"


def out_of_memory(attempt: Attempt) -> bool:
    """Whether ECS ended an attempt for want of memory. A program that says so itself is one that failed."""
    return attempt.event is Event.ERROR and lacked_memory(attempt.reason)


def lacked_memory(reason: str) -> bool:
    """Whether ECS says so of a container, or of the task that ended with it."""
    return "outofmemory" in reason.lower()


def _next(providers: Sequence[str], last: str) -> str | None:
    later = list(providers)[list(providers).index(last) + 1 :] if last in providers else []
    return later[0] if later else None


def ran_for(attempts: Sequence[Attempt]) -> float | None:
    """Seconds for which their programs ran, all together; None where none did."""
    spans = [a.stopped - a.started for a in attempts if a.started is not None and a.stopped is not None]
    return sum(spans) if spans else None


# RESOURCE:MEMORY and the like; "on resource: arn:…" is a refusal. EC2's own words are of managed instances. Fargate's
# quotas, of which on-demand and Spot have one each, are told as a failure of RunTask.
FARGATE_QUOTA = r"limit on the number of \w+ you can run concurrently"
NO_ROOM = re.compile(
    r"(?i:capacity is unavailable|capacity not available|do not have sufficient)|RESOURCE:"
    rf"|InsufficientInstanceCapacity|VcpuLimitExceeded|MaxSpotInstanceCountExceeded|{FARGATE_QUOTA}"
)
NOT_BEGUN = "its program hadn't begun"  # beside the reason of a task that was stopped for its max_duration
LOST_HOST = "Host EC2 (instance "  # how ECS begins the reason of a task whose instance is gone


def event_of(task: Mapping[str, Any], exit_code: int | None, *, overdue: bool = False, too_dear: bool = False) -> Event:
    """What ended a stopped task. overdue: it was past its `max_duration`; too_dear: past what `max_cost` pays for.

    One that had got no place by its `max_duration` lacked room: it was still to pull its image.
    """
    stop_code, reason = task.get("stopCode", ""), str(task.get("stoppedReason", ""))
    if stop_code in ("SpotInterruption", "TerminationNotice", "InfrastructureHealth") or reason.startswith(LOST_HOST):
        return Event.INTERRUPTION
    if stop_code == "UserInitiated":
        placed = exit_code is not None or task.get("pullStartedAt") or task.get("startedAt")
        late = Event.TIMEOUT if placed else Event.NO_CAPACITY
        return Event.MAX_COST if too_dear else late if overdue else Event.STOPPED
    if stop_code == "TaskFailedToStart":
        return Event.NO_CAPACITY if NO_ROOM.search(reason) else Event.NOT_STARTED
    if exit_code is None:
        return Event.LOST
    return Event.SUCCESS if exit_code == 0 else Event.ERROR
