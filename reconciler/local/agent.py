"""The ECS agent: the tasks of every region and account of the embedded AWS, each run for real."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.local.behaviour import Quirks
from reconciler.local.identities import Identities
from reconciler.local.keys import Keys
from reconciler.local.network import detach_interface
from reconciler.local.preparation import Preparer
from reconciler.local.runner import Inside, Runner
from reconciler.local.secret_values import SecretReader
from reconciler.local.task import Task
from reconciler.local.task_run import TaskRun

EXPIRE_SECONDS = 3600.0
KILL_SECONDS = 10.0


class Agent:
    """Launches, stops and shows tasks. `tasks_folder` is emptied at the start and filled with one folder per task."""

    def __init__(
        self,
        tasks_folder: Path,
        endpoint_url: str,
        runner: Runner,
        identities: Identities,
        changed: Callable[[Task], None],
        keys: Keys,
    ) -> None:
        self.runner = runner
        self._changed = changed
        self._folder = tasks_folder
        self._endpoint_url = endpoint_url
        self._preparer = Preparer(runner, SecretReader(endpoint_url, keys), identities)
        self._runs: dict[str, TaskRun] = {}
        self._quirks: dict[str, Quirks] = {}
        self._looks: dict[str, int] = {}
        self._lock = threading.Lock()
        shutil.rmtree(tasks_folder, ignore_errors=True)

    def launch(self, task: Task, quirks: Quirks) -> None:
        """Run a task; returns at once."""
        run = TaskRun(
            task,
            quirks,
            self._preparer,
            self._folder / task.id,
            self._endpoint_url,
            self._release,
            self._changed,
        )
        with self._lock:
            self._runs[task.id] = run
            self._quirks[task.id] = quirks
            self._looks[task.id] = int(quirks.number("missing", "looks", 0))
        run.thread.start()

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Have a task stopped; nothing happens to one that stops already."""
        with self._lock:
            run = self._runs.get(task.id)
        if run is not None:
            run.stop(code, reason)

    def inside(self, task_id: str, container: str, words: Sequence[str], *, terminal: bool) -> Inside | None:
        """How a command is run in a task's container; None where that doesn't run."""
        with self._lock:
            run = self._runs.get(task_id)
        return run.inside(container, words, terminal=terminal) if run else None

    def visible(self, task: Task) -> bool:
        """Whether DescribeTasks knows the task: not when it stopped an hour ago, nor when a rule hides it."""
        with self._lock:
            if self._looks.get(task.id, 0) > 0:
                self._looks[task.id] -= 1
                return False
        return not self.expired(task)

    def expired(self, task: Task) -> bool:
        """Whether ECS has forgotten the task, as it does an hour after its end."""
        stopped = task.times.get("stoppedAt")
        if stopped is None:
            return False
        with self._lock:
            quirks = self._quirks.get(task.id)
        seconds = quirks.number("expire", "seconds", EXPIRE_SECONDS) if quirks else EXPIRE_SECONDS
        return (datetime.now(UTC) - stopped).total_seconds() > seconds

    def forget(self, task: Task) -> None:
        """Drop what is kept about an expired task."""
        with self._lock:
            self._quirks.pop(task.id, None)
            self._looks.pop(task.id, None)

    def running(self) -> int:
        """How many tasks have not ended."""
        with self._lock:
            return len(self._runs)

    def kill_all(self) -> None:
        """End every task at once and wait for it, at most KILL_SECONDS; forget them."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.kill()
        deadline = time.monotonic() + KILL_SECONDS
        for run in runs:
            run.thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for by_task in (self._runs, self._quirks, self._looks):
                by_task.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _release(self, task: Task) -> None:
        detach_interface(task)
        with self._lock:
            self._runs.pop(task.id, None)
