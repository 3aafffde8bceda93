"""`apply`: plan, execute that plan, launch the task, watch it, and exit with its exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from reconciler.cli import github, like
from reconciler.cli.answer import ABSENT
from reconciler.cli.build_output import BuildOutput
from reconciler.cli.failure import NOT_LAUNCHED, Verdict
from reconciler.cli.live_line import LiveLine
from reconciler.cli.locking import lock_of
from reconciler.cli.options import Planning
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.saved_plan import SavedPlan
from reconciler.cli.signals import on_interrupt
from reconciler.cli.step_output import Changed, Steps, outcome_json, show_outcome
from reconciler.cli.target import (
    Target,
    command_line,
    data_lines,
    deployment_of,
    plan_options,
    target_of,
    warn,
    where_line,
)
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import verdict
from reconciler.cli.which_work import work_of
from reconciler.cli.work import Ended, RunWork, Swept, ThisRun
from reconciler.core.errors import Interrupted
from reconciler.core.plain_json import plain
from reconciler.core.plan import Options, Plan
from reconciler.engine import apply as engine
from reconciler.engine.deployment import Deployment
from reconciler.run.run import Run


@dataclass(frozen=True)
class Arguments(Planning, ThisRun):
    """What `apply` is asked. wait_for_lock: seconds. engine: of --local, or empty."""

    skip_run: bool
    skip_permission_check: bool
    wait_for_lock: float
    engine: str


@dataclass(frozen=True)
class Applied(Changed):
    """What was done, and how the run ended."""

    verdict: Verdict
    run: Annotated[Run | None, "the run, if there is one; not with a sweep"] = ABSENT
    sweep: Annotated[Swept, "with a sweep"] = ABSENT


ANSWERS = (Applied,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Apply. Returns the task's exit code, or 0 when none was to run; 120 when a step failed or was held back."""
    saved = SavedPlan.of(options)
    if options.like:
        like.check_alone(options, saved=saved is not None)
    if saved is not None:
        options = saved.options(options)
    target = target_of(options, engine=options.engine)
    on_interrupt(target.stop.set)
    live = LiveLine(terminal)
    build = BuildOutput(terminal, live, verbose=options.verbose)
    deployment = deployment_of(
        target,
        target.aws(terminal),
        terminal,
        "apply",
        skip_image=options.skip_image or bool(options.like),
        rehash=options.rehash,
        plan_file=saved.path if saved else None,
        live=live,
        build=build,
    )
    if saved:
        saved.check_place(deployment)
    warn(terminal, deployment)
    allowed, work = _asked(options, target, deployment, terminal)
    lock = lock_of(
        target,
        deployment.aws,
        "apply",
        options.wait_for_lock,
        lambda holder: terminal.note(f"waiting for the lock, held by {holder}"),
    )
    try:
        applied = engine.apply(
            deployment,
            allowed,
            _Shown(terminal, live, build, target, deployment, saved, verbose=options.verbose),
            lock=lock,
            work=work,
            engine=lambda: target.engine(deployment.aws, deployment.image, command=options.command or ()),
            stop=target.stop,
            ask_iam=not options.skip_permission_check,
        )
    except Interrupted as error:
        error.hint = error.hint or f"to continue: {command_line()}"
        raise
    show_outcome(terminal, applied.outcome, command_line())
    if target.stop.is_set():
        raise Interrupted("interrupted", hint=f"what was done is kept; to continue: {command_line()}")
    code = 0 if applied.outcome.ok else NOT_LAUNCHED
    if work is not None and applied.outcome.ok:
        code = work.finish()
    answer = _summary(deployment, applied, work, code)
    github.applied(terminal, deployment, target, applied.outcome, plain(answer))
    if options.json:
        terminal.json(answer)
    return code


def _asked(
    options: Arguments, target: Target, deployment: Deployment, terminal: Terminal
) -> tuple[Options, RunWork | None]:
    """What the command line allows, and what is to be run then."""
    allowed = plan_options(options, list(deployment.graph.nodes))
    if options.skip_run or (allowed.targets is not None and not options.like):
        return allowed, None
    if options.like:
        allowed = replace(allowed, targets=like.around(deployment))
    return allowed, work_of(target, deployment, options, terminal)


class _Shown(Steps):
    """An apply at the terminal: its plan, then each step."""

    def __init__(
        self,
        terminal: Terminal,
        live: LiveLine,
        build: BuildOutput,
        target: Target,
        deployment: Deployment,
        saved: SavedPlan | None,
        *,
        verbose: bool,
    ) -> None:
        super().__init__(terminal, live, build)
        self.target, self.deployment, self.saved, self.verbose = target, deployment, saved, verbose

    def planned(self, plan: Plan) -> None:
        """Show the plan. Raises PlanDrift when it does more than the one that was saved."""
        for line in (where_line(self.deployment, self.target), *data_lines(self.deployment)):
            self.terminal.say(self.terminal.fold("", line))
        if self.deployment.dirty:
            self.terminal.say(f"the image holds changes that aren't committed: {', '.join(self.deployment.dirty[:5])}")
        show_plan(self.terminal, plan, verbose=self.verbose)
        if self.saved:
            self.saved.check(self.terminal, plan, self.deployment)

    def executing(self) -> None:
        """An empty line before the steps."""
        self.terminal.say()

    def launching(self) -> None:
        """An empty line before the run."""
        self.terminal.say()


def _summary(deployment: Deployment, applied: engine.Applied, work: RunWork | None, code: int) -> Applied:
    end = work.ended(code) if work is not None else Ended(verdict(None, code), run=None)
    parts = outcome_json(applied.outcome)
    plan = plan_json(applied.plan, deployment.given_data)
    return Applied(plan, *parts, verdict=end.verdict, run=end.run, sweep=end.sweep)
