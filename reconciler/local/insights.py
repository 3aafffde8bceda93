"""Container Insights: what a task uses, written each minute into the log group that ECS has for that.

Only where the task's cluster has it on. Beside the events of whole minutes there is one for the rest at a task's end,
so that a short task is measured too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.core.aws_names import USAGE_GROUP
from reconciler.local.runner import Running, TaskSpec
from reconciler.local.task import Task

FIRST, SAMPLE, MINUTE = 2.0, 20.0, 60.0  # seconds until the first look, between two, and between two events
KEPT = 1  # days, as CloudWatch keeps what Container Insights writes
MIB = 2**20


def is_on(task: Task) -> bool:
    """Whether a task is measured: its cluster says that, when the task begins."""
    from moto.ecs.models import ecs_backends

    cluster = ecs_backends[task.launch.account_id][task.launch.region].clusters.get(task.launch.cluster_name)
    settings = {setting["name"]: setting["value"] for setting in (cluster.settings if cluster else None) or ()}
    return settings.get("containerInsights") in ("enabled", "enhanced")


class Meter:
    """Measures one task, if it is to be measured. running: its containers that run, by name."""

    def __init__(self, task: Task, spec: TaskSpec, running: Callable[[], Mapping[str, Running]]) -> None:
        self._task, self._spec, self._running = task, spec, running
        self._on = is_on(task)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._written_at = time.monotonic()
        self._memory, self._busy = 0, 0.0  # since the last event: bytes at most, seconds of a processor

    def start(self) -> None:
        """Measure from now on: the task's programs begin to run."""
        self._written_at = time.monotonic()
        if self._on:
            threading.Thread(target=self._measure, name=f"measures task {self._task.id}", daemon=True).start()

    def ended(self, container: Running) -> None:
        """Take what a container used until its end."""
        if self._on:
            self._look({"": container})

    def close(self) -> None:
        """The task has ended: write the rest."""
        self._done.set()
        if self._on and "startedAt" in self._task.times:
            self._write()

    def _measure(self) -> None:
        pause = FIRST
        while not self._done.wait(pause):
            pause = SAMPLE
            self._look(self._running())
            if time.monotonic() - self._written_at >= MINUTE:
                self._write()

    def _look(self, running: Mapping[str, Running]) -> None:
        measured = [used for used in (program.used() for program in running.values()) if used is not None]
        with self._lock:
            self._memory = max(self._memory, sum(used.memory for used in measured))
            self._busy += sum(used.cpu for used in measured)

    def _write(self) -> None:
        with self._lock:
            now = time.monotonic()
            memory, cpu = self._memory, self._busy / max(now - self._written_at, 0.001)
            self._memory, self._busy, self._written_at = 0, 0.0, now
        put(self._task, self._event(memory, cpu))

    def _event(self, memory: int, cpu: float) -> dict[str, Any]:
        """memory: bytes; cpu: processors. A task on Fargate never has more than its size: a process here may."""
        launch, spec, times = self._task.launch, self._spec, self._task.times
        units, mib = 1024 * cpu, -(-memory // MIB)
        return {
            "Version": "0",
            "Type": "Task",
            "TaskId": self._task.id,
            "TaskDefinitionFamily": launch.definition.family,
            "TaskDefinitionRevision": str(launch.definition.revision),
            "ClusterName": launch.cluster_name,
            "KnownStatus": "RUNNING",
            "CreatedAt": _milliseconds(times["createdAt"].timestamp()),
            "StartedAt": _milliseconds(times["startedAt"].timestamp()),
            "Timestamp": _milliseconds(time.time()),
            "CpuUtilized": min(units, spec.cpu_units or units),
            "CpuReserved": spec.cpu_units or 0,
            "MemoryUtilized": min(mib, spec.memory_mib or mib),
            "MemoryReserved": spec.memory_mib or 0,
        }


def put(task: Task, event: Mapping[str, Any]) -> None:
    """Write an event into the group of the task's cluster, which is made with the first."""
    from moto.logs.models import logs_backends

    backend = logs_backends[task.launch.account_id][task.launch.region]
    group = USAGE_GROUP.format(cluster=task.launch.cluster_name)
    stream = f"FargateTelemetry-{int(task.id[:4], 16)}"
    with GROUPS:
        if group not in backend.groups:
            backend.create_log_group(group, {})
            backend.put_retention_policy(group, KEPT)  # type: ignore[arg-type]  # as the answer has it
        backend.ensure_log_stream(group, stream)
        log_stream = backend.groups[group].streams[stream]
        log_stream.put_log_events([{"timestamp": _milliseconds(time.time()), "message": json.dumps(event)}])


GROUPS = threading.Lock()


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
