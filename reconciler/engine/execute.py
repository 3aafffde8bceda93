"""Execute a plan: each step as soon as what it needs is done, several at once. `reconciler.engine.act` does one step.

A failed step holds back only the steps that need it. When it is interrupted, the steps under way end, and no further
one starts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.aws.calls import Aws
from reconciler.core.errors import Interrupted, ReconcilerError, refused_here
from reconciler.core.graph import references, resolve
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import Address, Observed, Ref
from reconciler.engine.act import Actor
from reconciler.kinds.base import AnyKind

WORKERS = 16


class Listener(Protocol):
    """Told what happens, from several threads."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def done(self, step: Step, seconds: float) -> None:
        """A step is done and shows in AWS."""

    def failed(self, step: Step, error: ReconcilerError, seconds: float) -> None:
        """A step failed."""

    def skipped(self, step: Step, because: str) -> None:
        """A step wasn't tried."""

    def waiting(self, *, stopping: bool) -> None:
        """Steps are under way: said about twice a second. stopping: no further one starts."""


@dataclass
class Outcome:
    """How each step ended. attributes: what is known of resources now, for the run."""

    done: list[Step] = field(default_factory=list)
    failed: list[tuple[Step, ReconcilerError]] = field(default_factory=list)
    skipped: list[tuple[Step, str]] = field(default_factory=list)
    attributes: dict[Address, Mapping[str, str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return not self.failed and not self.skipped


def execute(
    plan: Plan,
    aws: Aws,
    kinds: Mapping[str, AnyKind],
    listener: Listener,
    *,
    recorded: frozenset[Address] = frozenset(),
    stop: threading.Event | None = None,
) -> Outcome:
    """Do what the plan says. `stop` set: steps under way finish, no further one starts."""
    run = _Execution(plan, aws, kinds, listener, recorded, stop or threading.Event())
    return run.all()


class _Execution:
    def __init__(
        self,
        plan: Plan,
        aws: Aws,
        kinds: Mapping[str, AnyKind],
        listener: Listener,
        recorded: frozenset[Address],
        stop: threading.Event,
    ) -> None:
        self.plan, self.aws, self.listener, self.stop = plan, aws, listener, stop
        self.actor = Actor(aws, kinds, plan.deploy, recorded, stop)
        self.outcome = Outcome()
        self.values: dict[Ref, str] = {}

    def all(self) -> Outcome:
        waiting: dict[Address, Step] = {}
        for step in self.plan.steps:
            if step.seen is not None:
                self._learn(step.seen)
            if step.held:
                if step.action is not Action.DELETE:  # a deletion that wasn't asked for is no failure
                    self._skip(step, step.held)
            elif step.does:
                waiting[step.address] = step
        running: dict[Future[Observed[Any] | None], tuple[Step, float]] = {}
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="step")
        try:
            while waiting or running:
                for step in self._ready(waiting, {step.address for step, _ in running.values()}):
                    del waiting[step.address]
                    self.listener.started(step)
                    running[pool.submit(self._act, step)] = (step, self.aws.clock.now())
                if not running:
                    break
                # A bounded wait, so that signals are handled on every platform.
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                if not finished:
                    self.listener.waiting(stopping=self.stop.is_set())
                for future in finished:
                    self._ended(future, *running.pop(future))
        finally:
            pool.shutdown(wait=True)
        return self.outcome

    def _ready(self, waiting: dict[Address, Step], running: Collection[Address]) -> list[Step]:
        """Steps that can start now; those that never can are skipped."""
        ready: list[Step] = []
        blocked = {s.address for s, _ in self.outcome.failed} | {s.address for s, _ in self.outcome.skipped}
        for step in list(waiting.values()):
            if self.stop.is_set():
                del waiting[step.address]
                self._skip(step, "interrupted")
            elif blockers := [need for need in step.needs if need in blocked]:
                del waiting[step.address]
                blocked.add(step.address)
                deletes = step.action is Action.DELETE
                self._skip(step, f"{blockers[0]} is still there, which uses it" if deletes else f"needs {blockers[0]}")
            elif not any(address in waiting or address in running for address in (*step.needs, *step.after)):
                ready.append(step)
        return ready

    def _skip(self, step: Step, because: str) -> None:
        self.outcome.skipped.append((step, because))
        self.listener.skipped(step, because)

    def _ended(self, future: Future[Observed[Any] | None], step: Step, started: float) -> None:
        seconds = self.aws.clock.now() - started
        error = future.exception()
        if error is None:
            observed = future.result()
            if observed is not None:
                self._learn(observed)
            self.outcome.done.append(step)
            self.listener.done(step, seconds)
        elif isinstance(error, Interrupted):
            self._skip(step, "interrupted before it ended; the next apply finishes it")
        elif isinstance(error, ReconcilerError):
            self.outcome.failed.append((step, error))
            self.listener.failed(step, error, seconds)
        elif isinstance(error, OSError) and error.strerror:  # a file that is gone, a full disk
            failure = refused_here(error)
            self.outcome.failed.append((step, failure))
            self.listener.failed(step, failure, seconds)
        elif isinstance(error, Exception) and not os.environ.get("RECONCILER_DEBUG"):
            # A mistake of ours in one kind must not hide what became of the other steps.
            bug = ReconcilerError(
                f"unexpected {type(error).__name__}: {error}", hint="a bug of ours; RECONCILER_DEBUG=1 shows where"
            )
            self.outcome.failed.append((step, bug))
            self.listener.failed(step, bug, seconds)
        else:
            raise error

    def _learn(self, observed: Observed[Any]) -> None:
        address = observed.spec.address
        self.outcome.attributes[address] = observed.attributes
        self.values |= {Ref(address, name): value for name, value in observed.attributes.items()}

    def _act(self, step: Step) -> Observed[Any] | None:
        if step.action is Action.DELETE:
            assert step.seen is not None
            self.actor.delete(step.seen)
            return None
        assert step.want is not None
        want = resolve(step.want, self.values)
        if unknown := list(references(want)):
            raise ReconcilerError(
                f"{step.address} needs {unknown[0].address}'s {unknown[0].attribute}, which isn't known"
            )
        if step.action is Action.REPLACE:
            assert step.seen is not None
            self.actor.delete(step.seen)
        return self.actor.make(want, None if step.action in (Action.CREATE, Action.REPLACE) else step.seen)
