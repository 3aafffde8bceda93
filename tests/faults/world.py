"""A small deploy in the lab, planned and executed in this process through the same functions as the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.aws.calls import Aws, Waiting
from reconciler.config import load
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Action, Options, Plan, Step
from reconciler.core.spec import Address
from reconciler.engine.apply import apply
from reconciler.engine.deployment import Deployment
from reconciler.engine.destroy import destroy
from reconciler.engine.execute import Outcome
from reconciler.engine.lock import Lock
from reconciler.engine.prepare import prepare
from reconciler.image.kind import ImageKind
from tests.lab_client import LabHandle, SkippingClock

DEPLOY = """\
name: demo
data: prices.csv
image: app
task: {command: ["true"]}
ci: {github: {repository: owner/demo}, user: {name: demo-ci-user, access_keys: 1}}
"""


class Quiet:
    """A listener that says nothing."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def done(self, step: Step, seconds: float) -> None:
        """A step is done."""

    def failed(self, step: Step, error: ReconcilerError, seconds: float) -> None:
        """A step failed."""

    def skipped(self, step: Step, because: str) -> None:
        """A step wasn't tried."""

    def waiting(self, *, stopping: bool) -> None:
        """Steps are under way."""

    def planned(self, plan: Plan) -> None:
        """A plan is about to be done."""

    def warned(self, text: str) -> None:
        """What may go wrong."""

    def executing(self) -> None:
        """The first step is about to begin."""

    def launching(self) -> None:
        """The run is about to be started."""


class World:
    """The deploy, and what it takes to plan, apply and destroy it without the command line."""

    def __init__(self, lab: LabHandle, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.clock = SkippingClock()
        self.waits: list[Waiting] = []
        self._aws: Aws | None = None
        (folder / "app").mkdir()
        (folder / "app" / "Dockerfile").write_text("FROM scratch\n")
        (folder / "prices.csv").write_text("time,close\n1,2\n")
        (folder / "deploy.yaml").write_text(DEPLOY)
        self.deploy = load(folder / "deploy.yaml", environ={})

    def aws(self) -> Aws:
        """A way to the lab, as a new process would have. The one before is closed."""
        if self._aws is not None:
            self._aws.close()
        self._aws = self.lab.aws(clock=self.clock, on_wait=self.waits.append)
        return self._aws

    def here(self, command: str = "plan") -> Deployment:
        """The deploy, read anew."""
        return prepare(self.deploy, self.aws(), self.folder, [ImageKind(None, print)], skip_image=True, command=command)

    def plan(self, kinds: Iterable[str] = ()) -> Plan:
        """The plan for these kinds, or all."""
        here = self.here()
        options = Options(targets=targets(here, kinds))
        return here.plan(here.observe(options), options)

    def apply(self, kinds: Iterable[str] = ()) -> Outcome:
        """Apply as the command line does it."""
        here = self.here()
        return apply(here, Options(targets=targets(here, kinds)), Quiet(), lock=self.lock()).outcome

    def destroy(self) -> Outcome:
        """Take everything away."""
        here = self.here()
        return destroy(here, Options(delete_data=True), Quiet(), lock=self.lock()).outcome

    def lock(self) -> Lock:
        """The lock of the deploy, with a way to the lab of its own."""
        return Lock(self.lab.aws(clock=self.clock, on_wait=self.waits.append), "demo", "test")

    def waited(self) -> float:
        """Seconds that were skipped."""
        return self.clock.skipped


def targets(here: Deployment, kinds: Iterable[str]) -> frozenset[Address] | None:
    """The addresses of the deploy of these kinds, or with these names; None for all."""
    wanted = set(kinds)
    if not wanted:
        return None
    addresses = [a for a in here.graph.nodes if a.kind in wanted or a.name in wanted]
    assert addresses, f"no {wanted} in the deploy"
    return frozenset(addresses)


def differs(plan: Plan) -> list[str]:
    """What a plan would do."""
    return [f"{step.action} {step.address}" for step in plan.steps if step.action is not Action.NONE]
