"""The worker tasks of a run: which are missing, what they are launched with, how they ended. Pure.

A run's program has their scheduler beside it, as a second container of its task, so that the two begin and end
together, and a worker whose scheduler is gone ends by itself: nobody has to be there for that. Whoever sees the run
through launches the workers once the program's task runs and its address is known, replaces those that are lost, and
stops them at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reconciler.core.fargate import SHORTEST_STOP, SIZES
from reconciler.core.workers import SCHEDULER, WAIT, WORKER, group_of, mark_of, number_of, port_of
from reconciler.run.retry import LOST_SCHEDULER, Attempt, lacked_memory
from reconciler.run.run import Overrides, Run
from reconciler.run.run_task import has_stopped, run_task, task_overrides

MOST = 100  # workers of a run
LAUNCHES = 4  # of a worker at most: it is replaced three times
GRACE = 5.0  # seconds since a worker's end in which that may be its program's, which ECS shows later
UNSEEN = 60.0  # seconds for which ECS may not show a task that was launched
TOLD = 3  # ends of workers that are told, the newest
ENDED = (0, 143)  # exit codes of a worker or scheduler that was told to end: of its own, and by SIGTERM
KILLED = 128  # from which on an exit code is that of a signal
TO_BEGIN = 60.0  # seconds in which a scheduler fails that can't work at all


@dataclass(frozen=True)
class Size:
    """How many workers a run has, and how large each is: CPU units, MiB."""

    count: int
    cpu: int
    memory: int


def size_of(run: Run) -> Size | None:
    """What a run's record says of its workers; None where it has none, or says what can't be."""
    recorded = run.inputs.get("workers")
    if not isinstance(recorded, dict):
        return None
    size = Size(*(number if type(number) is int else 0 for number in map(recorded.get, ("count", "cpu", "memory"))))
    return size if 0 < size.count <= MOST and size.memory in SIZES.get(size.cpu, ()) else None


@dataclass(frozen=True)
class KnownWorker:
    """What is known of one worker. launches: of it, so far; task: the newest as ECS shows it, None where it doesn't;
    launched: when that was launched, in seconds since the epoch.
    """

    launches: int = 0
    task: Mapping[str, Any] | None = None
    launched: float = 0.0


def missing(count: int, workers: Mapping[int, KnownWorker], now: float) -> list[int]:
    """The numbers of the workers of which a task is to be launched. workers: by number."""
    return [number for number in range(1, count + 1) if _is_missing(workers.get(number, KnownWorker()), now)]


def _is_missing(worker: KnownWorker, now: float) -> bool:
    if worker.launches >= LAUNCHES:
        return False
    if worker.task is None:
        return now - worker.launched > UNSEEN
    return has_stopped(worker.task) and not just_ended(worker.task, now)


def just_ended(task: Mapping[str, Any], now: float) -> bool:
    """Whether a task has stopped so lately that what it belonged to may have ended, too."""
    stopped = task.get("stoppedAt")
    return stopped is not None and now - stopped.timestamp() < GRACE


def address_of(task: Mapping[str, Any]) -> str:
    """Where workers reach the scheduler of a task that runs; empty while that isn't known, and where it has ended."""
    scheduler = _scheduler_of(task) or {}
    if task.get("lastStatus") != "RUNNING" or "STOPPED" in (task.get("desiredStatus"), scheduler.get("lastStatus")):
        return ""
    interfaces = (interface for c in task.get("containers") or () for interface in c.get("networkInterfaces") or ())
    return next(
        (str(interface["privateIpv4Address"]) for interface in interfaces if interface.get("privateIpv4Address")), ""
    )


def scheduler_command(run_id: str) -> tuple[str, ...]:
    """What a scheduler is started with. It shows no pages."""
    port = str(port_of(run_id))
    return ("scheduler", "--protocol", "tls", "--port", port, "--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def worker_command(run_id: str, address: str, number: int, launches: int, cpu: int, memory: int) -> tuple[str, ...]:
    """What a worker is started with. launches: of this worker before. A name is given once, as the scheduler may not
    know yet that the one before is lost.
    """
    name = group_of(number) + (f"-{launches + 1}" if launches else "")
    return (
        "worker",
        f"tls://{address}:{port_of(run_id)}",
        "--name",
        name,
        "--no-nanny",
        "--nworkers",
        "1",
        "--nthreads",
        str(max(cpu // 1024, 1)),
        "--memory-limit",
        f"{memory}MiB",
        "--death-timeout",
        str(WAIT),
        "--no-dashboard",
        "--dashboard-address",
        "127.0.0.1:0",
    )


def launches_of(task: Mapping[str, Any]) -> int:
    """Which launch of its worker a task is, from 1, by the name in its command."""
    for container in (task.get("overrides") or {}).get("containerOverrides") or ():
        command = list(container.get("command") or ())
        for word, name in pairwise(command):
            if word == "--name" and (match := re.fullmatch(rf"{WORKER}-\d{{1,9}}-(\d{{1,9}})", str(name))):
                return int(match[1])
    return 1


def run_worker(
    run: Run,
    number: int,
    launches: int,
    address: str,
    provider: str,
    size: Size,
    overrides: Overrides,
    *,
    cluster: str,
    task_definition: str,
    subnets: Sequence[str],
    security_group: str,
    public_ip: bool,
) -> dict[str, Any]:
    """The parameters of RunTask for a worker of a run's newest attempt. overrides: what is different for the run."""
    token = run.attempts[-1].token
    command = worker_command(run.id, address, number, launches, size.cpu, size.memory)
    attempt = Attempt(number, provider, mark_of(token), 0.0)
    settings = task_overrides(
        run, attempt, Overrides(overrides.environment, command=command), WORKER, with_checkpoint=False
    )
    request = run_task(
        attempt,
        run.id,
        group_of(number),
        settings,
        cluster=cluster,
        task_definition=task_definition,
        subnets=subnets,
        security_group=security_group,
        public_ip=public_ip,
    )
    return request | {"clientToken": f"{token}-w{number}-{launches}{'s' if provider.endswith('SPOT') else ''}"}


def is_lost(task: Mapping[str, Any], *, over: bool) -> bool:
    """Whether a worker's task has ended before its time. over: the scheduler is gone, and a worker ends well then."""
    codes = {container.get("exitCode") for container in task.get("containers") or ()}
    return has_stopped(task) and not (over and codes <= {None, *ENDED})


def how_ended(task: Mapping[str, Any]) -> str:
    """Why a worker's task has stopped, as ECS tells it: `worker 3 was out of memory`."""
    container: Mapping[str, Any] = next(iter(task.get("containers") or ()), {})
    reasons = "; ".join(filter(None, (str(task.get("stoppedReason") or ""), str(container.get("reason") or ""))))
    worker = f"worker {number_of(str(task.get('group', '')))}"
    if lacked_memory(reasons):
        return f"{worker} was out of memory ({task.get('memory')} MiB)"
    if task.get("stopCode") == "SpotInterruption":
        return f"{worker} was interrupted by Spot"
    code = container.get("exitCode")
    return f"{worker} ended: {reasons}" + ("" if code is None else f", exit code {code}")


def how_they_are(tasks: Sequence[Mapping[str, Any]], count: int) -> str:
    """Of a run that is under way: `3 of 4 run; worker 3 was out of memory (16384 MiB)`. tasks: of its newest attempt's
    workers, the oldest first.
    """
    running = {task.get("group") for task in tasks if task.get("lastStatus") == "RUNNING"}
    ends = [how_ended(task) for task in tasks if has_stopped(task)]
    return "; ".join(dict.fromkeys((f"{len(running)} of {count} run", *ends[-TOLD:])))


def lost_scheduler(task: Mapping[str, Any]) -> str:
    """That a stopped task's scheduler failed or was killed before its program ended, empty where it wasn't.

    One that the program has shut down is none, nor one that fails within a minute: Dask isn't in the image. Nor is one
    that ECS has stopped since the program had ended: while it starts it doesn't hear of SIGTERM, and is killed after a
    while.
    """
    scheduler = _scheduler_of(task)
    code = (scheduler or {}).get("exitCode")
    if scheduler is None or code is None or code in ENDED:
        return ""
    if code < KILLED and not _worked(task):
        return ""
    if code == 137 and not (lacked_memory(str(scheduler.get("reason") or "")) or _ended_at_once(task)):
        return ""
    why = f"{scheduler['reason']}, " if scheduler.get("reason") else ""
    return f"{LOST_SCHEDULER} ({why}exit code {code})"


def _worked(task: Mapping[str, Any]) -> bool:
    """Whether a task ran for so long that its scheduler had begun to work."""
    began, over = task.get("startedAt"), task.get("executionStoppedAt") or task.get("stoppedAt")
    return bool(began and over and (over - began).total_seconds() >= TO_BEGIN)


def _ended_at_once(task: Mapping[str, Any]) -> bool:
    """Whether nothing of a task was left to be stopped once its program had ended."""
    began, over = task.get("stoppingAt"), task.get("executionStoppedAt")
    return bool(began and over and (over - began).total_seconds() < SHORTEST_STOP)


def _scheduler_of(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((c for c in task.get("containers") or () if c.get("name") == SCHEDULER), None)
