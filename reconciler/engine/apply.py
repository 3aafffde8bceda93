"""Apply as a library call: read, plan, show, lock, plan again, record, execute, start the run.

    apply(here, allowed, events, lock=lock)

It prints nothing and asks nobody. `events` hears what happens; the command line prints it, the tests and the bench
listen to what they need.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.core.drift import Shown, larger
from reconciler.core.errors import Interrupted, PlanDrift
from reconciler.core.plan import Action, Options, Plan, Step
from reconciler.core.spec import Address, touches
from reconciler.engine.deployment import Deployment, Seen, all_that_is_missing
from reconciler.engine.execute import Listener, Outcome, execute
from reconciler.engine.lock import Lock
from reconciler.engine.ownership_record import write_record
from reconciler.image.engine import Engine
from reconciler.image.kind import ImageKind, ImageSpec
from reconciler.permissions import preflight

Attributes = Mapping[Address, Mapping[str, str]]


class Events(Listener, Protocol):
    """Told what an apply does. Whatever it raises ends the apply."""

    def planned(self, plan: Plan) -> None:
        """This is about to be done; nothing is touched yet."""

    def warned(self, text: str) -> None:
        """What may go wrong."""

    def executing(self) -> None:
        """The first step is about to begin."""

    def launching(self) -> None:
        """What is there is as it should be, and the run is about to be started."""


class Work(Protocol):
    """What is to be run once the resources are there."""

    def decide(self) -> None:
        """Read what is left to do. Called before the lock is taken and again under it. Raises AwsError."""

    @property
    def launches(self) -> bool:
        """Whether there is something to launch, or to come back to."""

    def start(self, attributes: Attributes) -> None:
        """Launch it, or come back to it. attributes: what AWS says of the resources, by address."""


@dataclass(frozen=True)
class Applied:
    """What an apply was to do and what became of it."""

    plan: Plan
    outcome: Outcome


def apply(
    deployment: Deployment,
    options: Options,
    events: Events,
    *,
    lock: Lock,
    work: Work | None = None,
    engine: Callable[[], Engine] | None = None,
    stop: threading.Event | None = None,
    ask_iam: bool = True,
) -> Applied:
    """Make what is there into what the file says, then start `work`.

    engine: makes what builds images, asked only when one is to be built. stop: when it is set, steps under way end and
    no further one starts. ask_iam: first, whether all permissions are there. Nothing is locked or written when there is
    nothing to do.
    Raises MissingPermissions before the first write; Locked, PlanDrift, Interrupted, AwsError, and what `work` raises.
    A step that fails is told in the outcome.
    """
    return _Apply(deployment, options, events, lock, work, engine, stop or threading.Event(), ask_iam).run()


@dataclass
class _Apply:
    deployment: Deployment
    options: Options
    events: Events
    lock: Lock
    work: Work | None
    engine: Callable[[], Engine] | None
    stop: threading.Event
    ask_iam: bool

    def run(self) -> Applied:
        """Read, plan, show, and do it."""
        deployment, work = self.deployment, self.work
        reads: list[Any] = [lambda: deployment.observe(self.options)]
        if work is not None:
            reads.append(work.decide)
        with all_that_is_missing(deployment.aws, deployment.deploy, deployment.command):
            seen = deployment.aws.together(*reads)[0]
        plan = deployment.plan(seen, self.options)
        self.events.planned(plan)
        if self.stop.is_set():
            raise Interrupted("interrupted before anything was changed")
        if self.ask_iam:
            launches = work is not None and work.launches
            if unsure := preflight.check(deployment.aws, plan, deployment.names, launches=launches):
                self.events.warned(unsure)
        return Applied(plan, self._do(plan, seen))

    def _do(self, plan: Plan, seen: Seen) -> Outcome:
        """Under the lock: execute the plan, then start the work."""
        works = any(step.does for step in plan.steps)
        if not works and not (self.work is not None and self.work.launches):
            return _nothing(plan, seen)
        with self.lock.guarding(self.deployment.aws):
            if self.work is not None and self.work.launches:
                self.work.decide()  # another apply may have launched it while this one waited
            outcome = self._execute(plan) if works else _nothing(plan, seen)
            if self.work is not None and self.work.launches and outcome.ok:
                if self.stop.is_set():
                    raise Interrupted("interrupted before the launch")
                self.events.launching()
                self.work.start(dict(outcome.attributes))
        return outcome

    def _execute(self, shown: Plan) -> Outcome:
        """Execute what was shown. What another apply did meanwhile makes it smaller; anything larger stops it."""
        deployment = self.deployment
        seen = deployment.observe(self.options, again=True)
        plan = deployment.plan(seen, self.options)
        no_larger(plan, shown)
        if any(_builds(step) for step in plan.steps):
            image = deployment.kinds[ImageSpec.kind]
            assert isinstance(image, ImageKind)
            assert self.engine is not None
            image.use(self.engine())
        to_make = {step.address for step in plan.steps if step.does and step.action is not Action.DELETE}
        recorded = set(seen.kept | (seen.recorded & to_make))
        if to_make - seen.recorded:
            write_record(deployment.aws, deployment.deploy.name, recorded | to_make)
        self.events.executing()
        outcome = execute(
            plan, deployment.aws, deployment.kinds, self.events, recorded=frozenset(recorded | to_make), stop=self.stop
        )
        deleted = {step.address for step in outcome.done if step.action is Action.DELETE}
        if deleted:
            write_record(deployment.aws, deployment.deploy.name, (recorded | to_make) - deleted)
        return outcome


def no_larger(plan: Plan, shown: Plan) -> None:
    """Raises PlanDrift when a step would do more than was shown."""
    shown_steps = {step.address: step for step in shown.steps}
    for step in plan.steps:
        if reason := larger(Shown(shown_steps.get(step.address)), step):
            raise PlanDrift(f"{step.address} changed since the plan was shown: {reason}", hint="run the command again")


def _nothing(plan: Plan, seen: Seen) -> Outcome:
    """What there is, when nothing has to be done or may be."""
    outcome = Outcome(attributes={address: observed.attributes for address, observed in seen.resources.items()})
    outcome.skipped = [(step, step.held) for step in plan.held if step.action is not Action.DELETE]
    return outcome


def _builds(step: Step) -> bool:
    """Whether a step makes an image; tagging one that is there takes no engine."""
    is_new = step.action in (Action.CREATE, Action.REPLACE) or touches(step.changes, "inputs")
    return step.does and is_new and step.address.kind == ImageSpec.kind
