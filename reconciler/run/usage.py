"""What the tasks of a run used, as Container Insights measured it, what size is enough, and what that saves. Pure.

ECS writes an event for each task and minute into the cluster's log group. Whoever may write there could have written
it: of an event only its numbers are taken, and only those that a task can have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.core import plain_json
from reconciler.core.fargate import SIZES
from reconciler.core.prices import dollars, task_cost

LATE = 600.0  # seconds after a task's end until which its last measurement has come
ROOM = 1.2  # a size is enough that has a fifth more than was used
SHORT = 120.0  # seconds: a task that ran for less may have none of a minute's measurements
AT_ONCE = 16  # tasks that one pattern names: it has 1,024 characters
EVENT_MOST = 262_144  # bytes of an event
LARGEST_MEMORY, LARGEST_CPU = 2**25, 2**20  # MiB and CPU units: more than any machine of EC2 has
SETTING = "cluster: {container_insights: true}"


@dataclass(frozen=True)
class Usage:
    """What a task used at most. measurements: one a minute; where there is none, the rest is 0."""

    memory: Annotated[int, "MiB"]
    cpu: Annotated[int, "CPU units"]
    measurements: Annotated[int, "one a minute; with 0 nothing was measured"]


@dataclass(frozen=True)
class Enough:
    """The smallest size of Fargate with a fifth more than a run used."""

    cpu: Annotated[int, "CPU units"]
    memory: Annotated[int, "MiB"]
    saves: Annotated[float | None, "US dollars a run, less than 0 where it costs more; null when a price isn't known"]
    saves_a_month: Annotated[float | None, "the same with the schedule's runs; null without a schedule"]


@dataclass(frozen=True)
class Took:
    """What a run's cost follows from. seconds: of all its tasks; architecture, storage: as `core/prices.py` has them;
    runs: a month, by the schedule, None without one.
    """

    region: str
    architecture: str
    seconds: float
    storage: int | None
    runs: float | None


def pattern(task_ids: Iterable[str]) -> str:
    """The filter pattern of CloudWatch Logs for the events of these tasks, at most `AT_ONCE`."""
    tasks = " || ".join(f"($.TaskId = {json.dumps(task_id)})" for task_id in task_ids)
    return f'{{ ($.Type = "Task") && ({tasks}) }}'


def used(messages: Iterable[str], task_ids: Collection[str]) -> dict[str, Usage]:
    """What each of these tasks used at most, by its id. messages: events of the log group, of whoever wrote them."""
    measured: dict[str, list[tuple[int, int]]] = {task_id: [] for task_id in task_ids}
    for message in messages:
        try:
            event = plain_json.read(message, EVENT_MOST)
        except plain_json.NotJson:
            continue
        if not isinstance(event, dict) or event.get("Type") != "Task" or not isinstance(event.get("TaskId"), str):
            continue
        memory, cpu = (
            _whole_number(event.get("MemoryUtilized"), LARGEST_MEMORY),
            _whole_number(event.get("CpuUtilized"), LARGEST_CPU),
        )
        if event["TaskId"] in measured and memory is not None and cpu is not None:
            measured[event["TaskId"]].append((memory, cpu))
    return {
        task_id: Usage(
            max(memory for memory, _ in measurements), max(cpu for _, cpu in measurements), len(measurements)
        )
        if measurements
        else NOTHING
        for task_id, measurements in measured.items()
    }


NOTHING = Usage(0, 0, 0)


def _whole_number(value: object, most: int) -> int | None:
    """A number from 0 to so much, rounded up; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return math.ceil(value)


def enough(usages: Sequence[Usage], size: tuple[int, int], took: Took) -> Enough | None:
    """The smallest size that holds what a run's tasks used; None where nothing is known, or nothing is large enough.

    size: CPU units and MiB of the last. A program may use all the processor that it has, and needs no more for that:
    of that it is never more than it had.
    """
    measured = [usage for usage in usages if usage.measurements]
    if not measured:
        return None
    cpu = min(ROOM * max(usage.cpu for usage in measured), size[0])
    memory = ROOM * max(usage.memory for usage in measured)
    fitting = ((units, mib) for units in sorted(SIZES) for mib in SIZES[units] if units >= cpu and mib >= memory)
    if (best := next(fitting, None)) is None:
        return None
    costs = [
        task_cost(took.region, took.architecture, *candidate, took.seconds, took.storage) for candidate in (size, best)
    ]
    saves = None if costs[0] is None or costs[1] is None else costs[0] - costs[1]
    month = None if saves is None or took.runs is None else saves * took.runs
    return Enough(*best, saves, month)


def usage_text(usage: Usage | None, size: tuple[int, int] | None, ran: float | None, *, late: bool) -> str:
    """What an attempt used, for people. size: CPU units and MiB of it; ran: seconds; late: more may come."""
    if usage is None or not usage.measurements:
        if late:
            return "nothing is measured yet: Container Insights tells of each minute a few minutes later"
        if usage is None:
            return "what it used can't be read now"
        if ran is not None and ran < SHORT:
            return "nothing was measured: it was over too soon for Container Insights, which measures each minute"
        return "nothing was measured, or it is gone by now: its log group keeps it for a day, unless you say otherwise"
    cpu, memory = (f" of {size[0]:,}", f" of {size[1]:,}") if size else ("", "")
    times = f"{usage.measurements:,} measurement{'s'[: usage.measurements != 1]}"
    suffix = "; more may come" if late else ""
    return f"used at most {usage.memory:,}{memory} MiB and {usage.cpu:,}{cpu} CPU units ({times}{suffix})"


def size_text(smallest: Enough, size: tuple[int, int], *, whole: bool) -> str:
    """What size is enough, for people. size: CPU units and MiB that it had; whole: whether the program succeeded."""
    best = smallest.cpu, smallest.memory
    name = f"{smallest.cpu:,} CPU units and {smallest.memory:,} MiB"
    so_far = "" if whole else " as far as it got"
    if best == size:
        return f"{name} is the smallest size with a fifth more than it used{so_far}"
    verdict = "would be enough" if smallest.memory <= size[1] else "would leave room"
    return f"{name} {verdict}{so_far} (a fifth more than it used): {_saved(smallest)}"


def _saved(smallest: Enough) -> str:
    if smallest.saves is None:
        return "its price isn't known here"
    month = smallest.saves_a_month
    amount, period = (smallest.saves, "a run") if month is None else (month, "a month by the schedule")
    verb, suffix = ("costs", " more") if smallest.saves < 0 else ("saves", "")
    return f"{verb} {dollars(abs(amount))}{suffix} {period}"
