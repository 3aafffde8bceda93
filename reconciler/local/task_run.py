"""One task from PROVISIONING to STOPPED: the part of the ECS agent that has a thread of its own for each task."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.local.behaviour import Quirks
from reconciler.local.insights import Meter
from reconciler.local.interruption import Interruption
from reconciler.local.managed_instances import find_instance, instance_of, release, without_room
from reconciler.local.network import check_way_out
from reconciler.local.preparation import Prepared, Preparer
from reconciler.local.runner import Exit, Inside, Running, StartError, TaskSpec
from reconciler.local.task import ContainerState, Task
from reconciler.local.task_log import LogWriter
from reconciler.local.task_spec import task_spec

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
SPOT = "Your Spot Task was interrupted."


class Stopped(Exception):
    """The task was told to stop before it ran."""


def may_start(container: ContainerState, containers: Sequence[ContainerState]) -> bool:
    """Whether `dependsOn` is met. Raises StartError when it never will be."""
    states = {other.name: other for other in containers}
    for dependency in container.definition.get("dependsOn") or []:
        other, condition = states[dependency["containerName"]], dependency["condition"]
        if condition == "SUCCESS" and other.exit_code not in (None, 0):
            raise StartError("", f"dependency container {other.name} exited with exit code {other.exit_code}")
        if condition in ("COMPLETE", "SUCCESS") and other.last_status != "STOPPED":
            return False
        if condition in ("START", "HEALTHY") and other.last_status == "PENDING":
            return False
    return True


class TaskRun:
    """Runs one task. `release` is called once, when its containers are gone and before it reads STOPPED.

    `changed` is called after each change of its status, perhaps with the task's lock held: it must not wait.
    """

    def __init__(
        self,
        task: Task,
        quirks: Quirks,
        preparer: Preparer,
        folder: Path,
        endpoint_url: str,
        release: Callable[[Task], None],
        changed: Callable[[Task], None],
    ) -> None:
        self.task, self.quirks = task, quirks
        self._preparer, self._release, self._changed = preparer, release, changed
        self._spec: TaskSpec = task_spec(task, folder, endpoint_url, quirks)
        self._events: queue.SimpleQueue[tuple[ContainerState, Exit] | None] = queue.SimpleQueue()
        self._prepared: dict[str, Prepared] = {}
        self._running: dict[str, Running] = {}
        self._stop = threading.Event()
        self._kill_now = threading.Event()
        self._meter = Meter(task, self._spec, lambda: dict(self._running))
        self._interruption = Interruption(quirks, "spot-interruption", lambda: self.stop("SpotInterruption", SPOT))
        self._loss = Interruption(quirks, "instance-loss", self._lose)
        self._lost = False
        self.thread = threading.Thread(target=self._run, name=f"task {task.id}", daemon=True)

    def stop(self, code: str, reason: str) -> None:
        """Have the task stopped (SIGTERM, after the stop timeout SIGKILL); does nothing when it already stops."""
        if self._mark_stopping(code, reason):
            self._stop.set()
            self._events.put(None)

    def inside(self, container: str, words: Sequence[str], *, terminal: bool) -> Inside | None:
        """How a command is run in one of its containers; None where that doesn't run."""
        running = self._running.get(container)
        return running.inside(words, terminal=terminal) if running else None

    def kill(self) -> None:
        """End the task at once."""
        self._kill_now.set()
        self.stop("UserInitiated", "The embedded AWS was stopped or reset.")
        self._events.put(None)

    def _lose(self) -> None:
        """The instance is gone, and with it all that ran there: nobody knows how it ended."""
        self._lost = True
        self.stop("TerminationNotice", f"Host EC2 (instance {instance_of(self.task)}) terminated.")
        for running in list(self._running.values()):
            running.kill()

    def _mark_stopping(self, code: str, reason: str) -> bool:
        with self.task.changing():
            if self.task.desired_status == "STOPPED":
                return False
            self.task.desired_status = "STOPPED"
            self.task.stop_code, self.task.stopped_reason = code, reason
            self.task.stamp("stoppingAt")
            return True

    def _move(self, status: str, *stamps: str) -> None:
        self.task.move_to(status, *stamps)
        self._changed(self.task)

    def _run(self) -> None:
        try:
            self._pause("PROVISIONING")
            if (rule := self.quirks.first("no-capacity")) is not None:
                raise StartError("", without_room(self.task, rule.get("reason")) or NO_CAPACITY)
            find_instance(self.task, self._stop)
            if self._stop.is_set():
                raise Stopped
            self._move("PENDING", "connectivityAt")
            self._pause("PENDING")
            self._prepare()
            self._supervise()
        except Stopped:
            pass
        except StartError as error:
            self._fail(error, None)
        except Exception as error:  # an error of ours mustn't leave a task that never ends
            self._fail(StartError("InternalError", f"{type(error).__name__}: {error}"), None)
            raise
        finally:
            self._finish()

    def _pause(self, state: str) -> None:
        seconds = self.quirks.state_delay(state)
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise Stopped

    def _prepare(self) -> None:
        """Secrets, log streams and images of all containers."""
        task = self.task
        check_way_out(task)
        task.stamp("pullStartedAt")
        environment = self._preparer.environment(task, self._spec.endpoint_url)
        for container in task.containers:
            try:
                prepared = self._preparer.prepare(task, self._spec, container, environment, self.quirks)
            except StartError as error:
                self._fail(error, container)
                raise Stopped from None
            self._prepared[container.name] = prepared
            with task.changing():
                container.image_digest = prepared.image_digest
            if self._stop.is_set():
                raise Stopped
        task.stamp("pullStoppedAt")

    def _supervise(self) -> None:
        """Start the containers, each when what it depends on allows, and see them to their end."""
        waiting = list(self.task.containers)
        deadlines: dict[str, float] = {}
        while True:
            before = None
            while waiting and len(waiting) != before:  # what waited for the start of one that has just started, too
                before, waiting = len(waiting), self._start_ready(waiting)
            self._note_running(waiting)
            if self._stop.is_set():
                waiting = []
                for name in self._running.keys() - deadlines.keys():
                    deadlines[name] = time.monotonic() + self._prepared[name].spec.stop_timeout
                    self._running[name].terminate()
            if not self._running and not waiting:
                return
            self._kill_late(deadlines)
            self._next_event(deadlines)

    def _start_ready(self, waiting: list[ContainerState]) -> list[ContainerState]:
        """Start the containers that may; returns those that still wait."""
        for container in list(waiting):
            if self._stop.is_set():
                return []
            try:
                if not may_start(container, self.task.containers):
                    continue
                prepared = self._prepared[container.name]
                output = self._loss.counting(self._interruption.counting(prepared.log.write))
                running = self._preparer.runner.start(self._spec, prepared.spec, output)
            except StartError as error:
                self._fail(error, container)
                return []
            waiting.remove(container)
            self._running[container.name] = running
            with self.task.changing():
                container.last_status, container.runtime_id = "RUNNING", f"{self.task.id}-{uuid.uuid4().int % 10**10}"
            watcher = threading.Thread(
                target=self._watch,
                args=(container, running, prepared.log),
                name=f"container {self.task.id}",
                daemon=True,
            )
            watcher.start()
        if waiting and not self._running:
            self._fail(StartError("", "Task failed to start"), None)
            return []
        return waiting

    def _note_running(self, waiting: list[ContainerState]) -> None:
        task = self.task
        if "startedAt" in task.times or not self._running or any(container.essential for container in waiting):
            return
        if self._stop.is_set():
            return
        self._meter.start()
        self._move("RUNNING", "startedAt")
        self._interruption.running()
        self._loss.running()

    def _watch(self, container: ContainerState, running: Running, log: LogWriter) -> None:
        result = running.wait()
        self._meter.ended(running)
        log.close()  # the last line is delivered before anyone can see the exit code
        self._events.put((container, result))

    def _kill_late(self, deadlines: dict[str, float]) -> None:
        now = time.monotonic()
        for name, running in self._running.items():
            if self._kill_now.is_set() or deadlines.get(name, now + 1) <= now:
                running.kill()
                deadlines[name] = now + 60

    def _next_event(self, deadlines: dict[str, float]) -> None:
        due = [deadlines[name] for name in self._running if name in deadlines]
        try:
            event = self._events.get(timeout=max(0.0, min(due) - time.monotonic()) if due else None)
        except queue.Empty:
            return
        if event is not None:
            self._note_exit(*event)

    def _note_exit(self, container: ContainerState, result: Exit) -> None:
        task = self.task
        with task.changing():
            del self._running[container.name]
            container.last_status = "STOPPED"
            container.exit_code = None if self._lost or self.quirks.first("no-exit-code") else result.code
            container.reason = OUT_OF_MEMORY if result.out_of_memory else container.reason
            others_run = any(c.last_status != "STOPPED" for c in task.containers)
            if container.essential or not others_run:
                self._mark_stopping("EssentialContainerExited", "Essential container in task exited")
                self._stop.set()
            if self._stop.is_set():
                self._move("STOPPING" if self._running else "DEPROVISIONING")

    def _fail(self, error: StartError, container: ContainerState | None) -> None:
        """Have the task end as one that could not be started."""
        text = str(error) if error.code else str(error).removeprefix(": ")
        started_late = error.code == "CannotStartContainerError"
        with self.task.changing():
            self._mark_stopping("TaskFailedToStart", "Task failed to start" if started_late else text)
            if container is not None:
                container.reason = text
        self._stop.set()

    def _finish(self) -> None:
        task = self.task
        self._interruption.cancel()
        self._loss.cancel()
        for running in self._running.values():  # only after an error of ours
            running.kill()
        with task.changing():
            for container in task.containers:
                container.last_status = "STOPPED"
            self._move("DEPROVISIONING", "executionStoppedAt")
        if not self._kill_now.is_set():
            self._kill_now.wait(self.quirks.state_delay("DEPROVISIONING"))
        for prepared in self._prepared.values():
            prepared.log.close()
        self._meter.close()
        self._preparer.clean_up(task, self._spec)
        self._release(task)
        release(task, lost=self._lost)
        self._move("STOPPED", "stoppedAt")
        for prepared in self._prepared.values():
            prepared.log.stopped()
        task.finished.set()
