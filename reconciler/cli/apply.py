"""`apply`: plan, execute that plan, launch the task, watch it, and exit with its exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.cli import github
from reconciler.cli.failure import NOT_LAUNCHED
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.run_work import Work, work_of
from reconciler.cli.saved_plan import SavedPlan
from reconciler.cli.signals import on_interrupt
from reconciler.cli.step_output import Steps, outcome_json, show_outcome
from reconciler.cli.target import Target, command_line, deployment, plan_options, target, where_line
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import verdict
from reconciler.core.errors import Interrupted, PlanDrift
from reconciler.core.plan import Action, Options, Plan, Step
from reconciler.core.spec import Address, touches
from reconciler.engine.deployment import Deployment, Seen, all_that_is_missing
from reconciler.engine.execute import Outcome, execute
from reconciler.engine.lock import Lock
from reconciler.engine.ownership_record import write_record
from reconciler.image.kind import ImageKind, ImageSpec
from reconciler.image.scan import check
from reconciler.permissions import preflight
from reconciler.run.job import launch_of
from reconciler.version import commit_or_none


def run(options: Namespace, terminal: Terminal) -> int:
    """Apply. Returns the task's exit code, or 0 when none was to run; 120 when a step failed or was held back."""
    saved = SavedPlan.of(options)
    where = target(options)
    on_interrupt(where.stop.set)
    aws = where.aws(terminal)
    here = deployment(where, aws, terminal, options)
    if saved:
        saved.check_place(here)
    apply = _Apply(where, aws, here, options, terminal, saved)
    return apply.run()


@dataclass
class _Apply:
    where: Target
    aws: Aws
    here: Deployment
    options: Namespace
    terminal: Terminal
    saved: SavedPlan | None = None

    def run(self) -> int:
        """All of it."""
        here, terminal = self.here, self.terminal
        allowed = plan_options(self.options, list(here.graph.nodes))
        wanted = not self.options.skip_run and allowed.targets is None
        work = work_of(self.where, here, self.options, terminal) if wanted else None
        reads: list[Any] = [lambda: here.observe(allowed)]
        if work is not None:
            reads.append(work.decide)
        with all_that_is_missing(self.aws, here.deploy, here.command):
            seen = self.aws.together(*reads)[0]
        plan = here.plan(seen, allowed)
        terminal.say(terminal.fold("", where_line(here, self.where)))
        if here.dirty:
            terminal.say(f"the image holds changes that aren't committed: {', '.join(here.dirty[:5])}")
        show_plan(terminal, plan, verbose=self.options.verbose)
        if self.saved:
            self.saved.check(terminal, plan, here)
        if self.where.stop.is_set():
            raise Interrupted("interrupted before anything was changed")
        preflight.check(self.aws, plan, here.names if work is not None and work.launches else None)
        outcome = self._act(plan, seen, allowed, work)
        show_outcome(terminal, outcome, command_line())
        if self.where.stop.is_set():
            raise Interrupted("interrupted", hint=f"what was done stays; to go on: {command_line()}")
        code = 0 if outcome.ok else NOT_LAUNCHED
        if work is not None and outcome.ok:
            code = work.finish()
        found = _summary(plan, outcome, work, code)
        github.applied(terminal, here, self.where, outcome, found)
        if self.options.json:
            terminal.json(found)
        return code

    def _act(self, plan: Plan, seen: Seen, allowed: Options, work: Work | None) -> Outcome:
        """Under the lock: execute the plan, then launch."""
        works = any(step.does for step in plan.steps)
        if not works and not (work is not None and work.launches):
            return self._nothing(plan, seen)
        lock = Lock(
            self.where.aws(self.terminal),
            self.here.deploy.name,
            command_line(),
            wait=self.options.wait_for_lock,
            on_wait=lambda holder: self.terminal.note(f"waiting for the lock, held by {holder}"),
        )
        with lock:
            self.aws.before_write = lock.check
            if work is not None and work.launches:
                work.decide()  # another apply may have launched it while this one waited
            try:
                outcome = self._execute(plan, allowed) if works else self._nothing(plan, seen)
                if work is not None and work.launches and outcome.ok:
                    self._launch(work, outcome)
            finally:
                self.aws.before_write = lambda: None
        return outcome

    def _nothing(self, plan: Plan, seen: Seen) -> Outcome:
        """What there is, when nothing has to be done or may be."""
        outcome = Outcome(attributes={address: one.attributes for address, one in seen.resources.items()})
        outcome.skipped = [(step, step.held) for step in plan.held if step.action is not Action.DELETE]
        return outcome

    def _execute(self, shown: Plan, allowed: Options) -> Outcome:
        """Execute what was shown. What another apply did meanwhile makes it smaller; anything else stops it."""
        seen = self.here.observe(allowed)
        plan = self.here.plan(seen, allowed)
        _no_larger(plan, shown)
        if any(_builds(step) for step in plan.steps):
            # Only now, so that an apply that builds nothing needs no engine.
            image = self.here.kinds["image"]
            assert isinstance(image, ImageKind)
            image.use(self.where.engine(self.aws))
        made = {s.address for s in plan.steps if s.does and s.action is not Action.DELETE}
        kept = set(seen.kept | (seen.recorded & made))
        if made - seen.recorded:
            write_record(self.aws, self.here.deploy.name, kept | made)
        self.terminal.say()
        outcome = execute(
            plan, self.aws, self.here.kinds, Steps(self.terminal), recorded=frozenset(kept | made), stop=self.where.stop
        )
        gone = {step.address for step in outcome.done if step.action is Action.DELETE}
        if gone:
            write_record(self.aws, self.here.deploy.name, (kept | made) - gone)
        return outcome

    def _launch(self, work: Work, outcome: Outcome) -> None:
        """A new task, or the one that is under way."""
        if self.where.stop.is_set():
            raise Interrupted("interrupted before the launch", hint=f"to go on: {command_line()}")
        self.terminal.say()
        attributes: dict[Address, Mapping[str, str]] = dict(outcome.attributes)
        launch = launch_of(self.here, attributes, commit_or_none(self.where.base))
        work.start(launch, lambda: self._check_scan(attributes))

    def _check_scan(self, attributes: Mapping[Address, Mapping[str, str]]) -> None:
        """Say what the scanner found in an image of ours. Raises ReconcilerError if that forbids the launch."""
        image = self.here.image
        if image is not None and (digest := attributes.get(image.address, {}).get("digest")):
            check(self.aws, image.name, digest, self.here.deploy.image.fail_on, self.terminal.say)


def _builds(step: Step) -> bool:
    """Whether a step makes an image; tagging one that is there takes no engine."""
    made = step.action in (Action.CREATE, Action.REPLACE) or touches(step.changes, "inputs")
    return step.does and made and step.address.kind == ImageSpec.kind


def _no_larger(plan: Plan, shown: Plan) -> None:
    """Raises PlanDrift when a step would do more than was shown."""
    before = {step.address: step for step in shown.steps}
    for step in plan.steps:
        known = before.get(step.address)
        if not step.does or known == step:
            continue
        shown_changes = known.changes if known and known.does else ()
        same = known is not None and step.action in (known.action, Action.UPDATE)
        if not same or not all(change in shown_changes for change in step.changes):
            raise PlanDrift(f"{step.address} changed since the plan was shown", hint="run the command again")


def _summary(plan: Plan, outcome: Outcome, work: Work | None, code: int) -> dict[str, Any]:
    return {
        "version": 1,
        "plan": plan_json(plan),
        **outcome_json(outcome),
        **(work.json(code) if work is not None else {"verdict": verdict(None, code), "run": None}),
    }
