"""Execute a plan: each step as soon as what it needs is done, several at once, each until AWS shows it as wanted.

A step acts, then settles: it observes until no difference is left. What is there after a lost answer or a crash is
finished, never made a second time. If the world moved, so that a step would have to do more than the plan showed, it
stops with PlanDrift. A failed step holds back only the steps that need it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.aws import AlreadyThere, Aws
from reconciler.diff import diff
from reconciler.errors import Interrupted, NotSettled, PlanDrift, ReconcilerError, Unreachable
from reconciler.graph import references, resolve
from reconciler.kinds.base import AnyKind
from reconciler.plan import Action, Plan, Step, ours
from reconciler.spec import Address, Observed, Ref, Spec

WORKERS = 16
SETTLE = 120.0  # seconds until what was done must show
UNSURE = 3  # tries of a call whose answer was lost


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
        self.plan, self.aws, self.kinds, self.listener = plan, aws, kinds, listener
        self.recorded, self.stop = recorded, stop
        self.outcome = Outcome()
        self.known: dict[Ref, str] = {}

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
                for step in self._ready(waiting, [step for step, _ in running.values()]):
                    del waiting[step.address]
                    self.listener.started(step)
                    running[pool.submit(self._act, step)] = (step, self.aws.clock.now())
                if not running:
                    break
                # A bounded wait, so that signals are handled on every platform.
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._ended(future, *running.pop(future))
        finally:
            pool.shutdown(wait=True)
        return self.outcome

    def _ready(self, waiting: dict[Address, Step], running: list[Step]) -> list[Step]:
        """Steps that can start now; those that never can are skipped."""
        ready: list[Step] = []
        for step in list(waiting.values()):
            blocked = {s.address for s, _ in self.outcome.failed} | {s.address for s, _ in self.outcome.skipped}
            under_way = waiting.keys() | {one.address for one in running}
            if self.stop.is_set():
                del waiting[step.address]
                self._skip(step, "interrupted")
            elif missing := [need for need in step.needs if need in blocked]:
                del waiting[step.address]
                self._skip(step, f"needs {missing[0]}")
            elif not any(need in under_way for need in step.needs):
                ready.append(step)
        return ready

    def _skip(self, step: Step, because: str) -> None:
        self.outcome.skipped.append((step, because))
        self.listener.skipped(step, because)

    def _ended(self, future: Future[Observed[Any] | None], step: Step, started: float) -> None:
        seconds = self.aws.clock.now() - started
        error = future.exception()
        if error is None:
            after = future.result()
            if after is not None:
                self._learn(after)
            self.outcome.done.append(step)
            self.listener.done(step, seconds)
        elif isinstance(error, Interrupted):
            self._skip(step, "interrupted")
        elif isinstance(error, ReconcilerError):
            self.outcome.failed.append((step, error))
            self.listener.failed(step, error, seconds)
        else:
            raise error

    def _learn(self, observed: Observed[Any]) -> None:
        address = observed.spec.address
        self.outcome.attributes[address] = observed.attributes
        self.known |= {Ref(address, name): value for name, value in observed.attributes.items()}

    def _act(self, step: Step) -> Observed[Any] | None:
        kind = self.kinds[step.address.kind]
        if step.action is Action.DELETE:
            assert step.seen is not None
            return self._delete(kind, step.seen)
        assert step.want is not None
        want = resolve(step.want, self.known)
        if left := list(references(want)):
            raise ReconcilerError(f"{step.address} needs {left[0].address}'s {left[0].attribute}, which isn't known")
        if step.action is Action.REPLACE:
            assert step.seen is not None
            self._delete(kind, step.seen)
        if step.action in (Action.CREATE, Action.REPLACE):
            return self._create(kind, step, want)
        assert step.seen is not None
        return self._update(kind, step, want, step.seen)

    def _create(self, kind: AnyKind, step: Step, want: Spec) -> Observed[Any]:
        for attempt in range(1, UNSURE + 1):
            try:
                kind.create(self.aws, want)
            except (AlreadyThere, Unreachable) as error:
                # Made by an earlier call of ours whose answer was lost, half made, or by somebody else: look.
                there = self._look(kind, want)
                if there is not None:
                    return self._finish(kind, step, want, there)
                if attempt == UNSURE:
                    raise
                if isinstance(error, AlreadyThere):
                    self._pause(attempt)
                continue
            return self._settle(kind, step, want)
        raise AssertionError("unreachable")

    def _finish(self, kind: AnyKind, step: Step, want: Spec, there: Observed[Any]) -> Observed[Any]:
        """Complete what is there, if it is ours and needs no more than the plan showed."""
        changes = diff(want, there.spec)
        if not ours(self.plan.deploy, there, self.recorded):
            if not [change for change in changes if not change.path.startswith("tags")]:
                return there
            raise PlanDrift(f"{step.address} appeared meanwhile, made by someone else", hint="run `plan` again")
        if fixed := [change.path for change in changes if change.replaces]:
            raise PlanDrift(f"{step.address} appeared meanwhile with another {fixed[0]}", hint="run `plan` again")
        return self._update(kind, step, want, there)

    def _update(self, kind: AnyKind, step: Step, want: Spec, seen: Observed[Any]) -> Observed[Any]:
        changes = diff(want, seen.spec)
        for attempt in range(1, UNSURE + 1):
            if not changes:
                return seen
            try:
                kind.update(self.aws, want, seen, changes)
                break
            except Unreachable:
                there = self._look(kind, want)
                if attempt == UNSURE or there is None:
                    raise
                seen, changes = there, diff(want, there.spec)
        return self._settle(kind, step, want)

    def _settle(self, kind: AnyKind, step: Step, want: Spec) -> Observed[Any]:
        """Observe until it is as wanted. What doesn't become so is put once more, then given up."""
        started, attempt, again = self.aws.clock.now(), 0, False
        while True:
            there = self._look(kind, want)
            changes = diff(want, there.spec) if there is not None else ()
            if there is not None and not changes:
                return there
            waited = self.aws.clock.now() - started
            if waited >= SETTLE:
                what = f"still has another {changes[0].path}" if changes else "doesn't show"
                raise NotSettled(f"{step.address} {what} {waited:.0f} s after it was written", hint="run it again")
            if there is not None and waited >= SETTLE / 12 and not again:
                again = True
                kind.update(self.aws, want, there, changes)
            attempt += 1
            self._pause(attempt)

    def _delete(self, kind: AnyKind, seen: Observed[Any]) -> None:
        for attempt in range(1, UNSURE + 1):
            try:
                kind.delete(self.aws, seen)
                break
            except Unreachable:
                if attempt == UNSURE:
                    raise
        started, tries = self.aws.clock.now(), 0
        while self._look(kind, seen.spec) is not None:
            if self.aws.clock.now() - started >= SETTLE:
                raise NotSettled(f"{seen.spec.address} is still there after its deletion", hint="run it again")
            tries += 1
            self._pause(tries)

    def _look(self, kind: AnyKind, want: Spec) -> Observed[Any] | None:
        return kind.observe(self.aws, [want]).get(want.name)

    def _pause(self, attempt: int) -> None:
        if self.stop.is_set():
            raise Interrupted("interrupted while waiting for AWS")
        self.aws.clock.sleep(min(0.05 * 2**attempt, 5.0))
