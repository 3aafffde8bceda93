"""`apply FILE` with a plan that `plan --out FILE` saved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from reconciler.cli.options import Planning
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import PlanDrift, UserError
from reconciler.core.plan import Plan
from reconciler.engine import plan_file as planfile
from reconciler.engine.deployment import Deployment
from reconciler.engine.plan_moved import moved

Asked = TypeVar("Asked", bound=Planning)


@dataclass(frozen=True)
class SavedPlan:
    """A plan file and where it was read from."""

    path: Path
    plan: planfile.PlanFile

    @classmethod
    def of(cls, options: Planning) -> SavedPlan | None:
        """The plan in the file that the command names; None for a deploy.yaml. Raises UserError."""
        path = options.file
        plan = planfile.read(path)
        if plan is None:
            return None
        plan_options = {
            "--adopt": options.adopt,
            "--prune": options.prune,
            "--delete-data": options.delete_data,
            "--skip-image": options.skip_image,
            "--target": options.target,
            "--confirm": options.confirm,
        }
        if option := next((name for name, value in plan_options.items() if value), ""):
            raise UserError(f"{option} belongs to the plan: {path} was made with what it says", hint=planfile.AGAIN)
        if options.local != plan.local:
            place = "with --local" if plan.local else "without --local"
            raise UserError(f"{path} was made {place}, and is to be applied so too")
        if options.environment not in ("", plan.environment):
            origin = f"for the environment {plan.environment}" if plan.environment else "without an environment"
            raise UserError(f"{path} was made {origin}, and this is --env {options.environment}", hint="leave it out")
        if not (path.parent / plan.file).is_file():
            raise UserError(f"{path} belongs to {plan.file}, which isn't there from where the plan file is")
        return cls(path, plan)

    def options(self, command_options: Asked) -> Asked:
        """What was asked, with the file, the environment and the options that the plan was made with."""
        file, allowed = self.path.parent / self.plan.file, self.plan.options.model_dump()
        return replace(command_options, file=file, environment=self.plan.environment, **allowed)

    def check_place(self, deployment: Deployment) -> None:
        """Raises UserError when it was made for another account or region."""
        planfile.check_place(
            self.path, self.plan, account=deployment.names.facts.account, region=deployment.deploy.region
        )

    def check(self, terminal: Terminal, plan: Plan, deployment: Deployment) -> None:
        """Raises PlanDrift when `plan`, made now, does more than was saved."""
        lines = moved(self.plan, plan, deployment.deploy, deployment.graph)
        if not lines:
            return
        for line in lines:
            terminal.print(f"moved: {line}")
        count = "1 thing" if len(lines) == 1 else f"{len(lines)} things"
        raise PlanDrift(f"{count} moved since {self.path} was made; nothing was done", hint=planfile.AGAIN)
