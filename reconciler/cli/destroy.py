"""`destroy`: take away what was made, in the reverse order, after showing it and asking."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.cli.interrupt import command
from reconciler.cli.locking import lock_of
from reconciler.cli.options import InAws
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.signals import on_interrupt
from reconciler.cli.step_output import Changed, Steps, outcome_json, show_outcome
from reconciler.cli.target import Target, command_line, confirmed, deployment_of, target_of, where_line
from reconciler.cli.task import copy_results
from reconciler.cli.terminal import Terminal, attended
from reconciler.core.errors import Interrupted, ReconcilerError, UserError
from reconciler.core.plan import Options, Plan
from reconciler.core.spec import Address
from reconciler.engine import destroy as engine
from reconciler.engine.deployment import Deployment
from reconciler.run.catalog import Catalog
from reconciler.run.job import place_of, rules_of, runs_of
from reconciler.run.run import Run
from reconciler.run.unwatched_ends import with_ends


@dataclass(frozen=True)
class Arguments(InAws):
    """What `destroy` is asked. confirm: KIND.NAME; wait_for_lock: seconds."""

    delete_data: bool
    confirm: tuple[str, ...]
    yes: bool
    wait_for_lock: float
    skip_permission_check: bool


@dataclass(frozen=True)
class Destroyed(Changed):
    """What was deleted."""


ANSWERS = (Destroyed,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Destroy. Returns 0, or 1 when a step failed."""
    target = target_of(options)
    on_interrupt(target.stop.set)
    deployment = deployment_of(target, target.aws(terminal), terminal, "destroy", skip_image=True, removing=True)
    same_command = command_line()
    applied = engine.destroy(
        deployment,
        Options(delete_data=options.delete_data, confirm=confirmed(options.confirm)),
        _Shown(terminal, target, deployment, ask=not options.yes, data=options.delete_data),
        lock=lock_of(target, deployment.aws, "destroy", options.wait_for_lock),
        stop=target.stop,
        ask_iam=not options.skip_permission_check,
    )
    outcome = applied.outcome
    show_outcome(terminal, outcome, same_command)
    if target.stop.is_set():
        raise Interrupted("interrupted", hint=f"what was deleted stays deleted; to continue: {same_command}")
    if options.json:
        terminal.json(Destroyed(plan_json(applied.plan), *outcome_json(outcome)))
    elif outcome.done and outcome.ok:
        terminal.say(f"Destroyed {len(outcome.done)} resources.")
    return 0 if outcome.ok else 1


class _Shown(Steps):
    """A destroy at the terminal: its plan, the question, then each step."""

    def __init__(self, terminal: Terminal, target: Target, deployment: Deployment, *, ask: bool, data: bool) -> None:
        super().__init__(terminal)
        self.target, self.deployment, self.ask = target, deployment, ask
        self.runs = runs_of(deployment.aws, deployment.names, terminal.note)
        # Read while the plan is made: only what deletes data is asked for them.
        self.early = deployment.aws.start(self._under_way) if data else None

    def planned(self, plan: Plan) -> None:
        """Show the plan and ask. Raises UserError when there is nobody to ask, ReconcilerError for a no."""
        self.terminal.say(self.terminal.fold("", where_line(self.deployment, self.target)))
        if not plan.steps:
            self.terminal.say("Nothing to destroy: nothing of this deploy exists.")
            return
        show_plan(self.terminal, plan)
        self._say_runs(plan)
        doing = sum(step.does for step in plan.steps)
        if not doing or not self.ask:
            return
        if self.terminal.as_json or not attended():
            raise UserError("destroy asks before it deletes, and there is nobody to ask", hint="pass --yes to delete")
        if not self._sure(f"Delete these {doing} resources of account {self.deployment.names.facts.account}? [y/N] "):
            raise ReconcilerError("nothing was deleted")

    def _say_runs(self, plan: Plan) -> None:
        """Which runs are under way whose results go with the bucket. What they have so far is copied, unless it is
        asked for.
        """
        deployment, early, self.early = self.deployment, self.early, None
        if not any(step.does and step.address == Address("bucket", deployment.names.bucket) for step in plan.steps):
            return
        try:
            runs = early.result() if early else self._under_way()
        except ReconcilerError as error:
            self.terminal.note(f"note: whether runs are under way can't be seen: {error}")
            return
        for run in runs:
            if not run.state.over and run.task_arn:
                end = command(self.target, "stop", run.id)
                self.terminal.note(f"note: run {run.id} is under way, and its results are deleted; end it: {end}")
                if not self.ask:
                    copy_results(self.terminal, self.target, deployment, self.runs, run)

    def _under_way(self) -> list[Run]:
        """The runs that aren't over by the record, as they are now. Raises AwsError."""
        deployment, deploy = self.deployment, self.deployment.deploy
        return with_ends(deployment.aws, place_of(deploy), rules_of(deploy), Catalog(self.runs).unfinished())[0]

    def executing(self) -> None:
        """The plan ends with an empty line already."""

    def launching(self) -> None:
        """Nothing is launched."""

    def _sure(self, question: str) -> bool:
        try:
            return self.terminal.ask(question).lower() in ("y", "yes")
        except EOFError:
            return False
