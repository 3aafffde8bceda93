"""What `apply --like RUN` runs: one task, which is what that run was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.cli.past_runs import Past
from reconciler.cli.work import SingleWork
from reconciler.core.errors import UserError
from reconciler.core.spec import Address
from reconciler.engine.apply import Attributes
from reconciler.engine.deployment import Deployment
from reconciler.run.job import Decision, latest, launch_of
from reconciler.run.launch import new_run
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.like import Earlier, launch_like, overrides_of_new, prepare, read_earlier
from reconciler.run.state import State

OTHERS = (
    "skip_run", "adopt", "prune", "delete_data", "target", "confirm", "cpu", "memory", "count",
)  # options that say something else  # fmt: skip


def check_alone(options: Any, *, saved: bool) -> None:
    """Raises UserError for what can't be said beside --like. options: those of `apply`; saved: a plan is applied."""
    if saved:
        raise UserError("--like repeats an earlier run and can't be combined with a saved plan", hint="leave one out")
    for name in OTHERS:
        if getattr(options, name) not in (None, False, "", ()):
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--like repeats an earlier run and can't be combined with {flag}", hint="leave one out")


def around(deployment: Deployment) -> frozenset[Address]:
    """Where a task runs: what has to be there, and is put right."""
    deploy = deployment.deploy
    group, cluster = str(deploy.network.security_group.name), str(deploy.cluster.name)
    return frozenset({Address("security-group", group), Address("cluster", cluster)})


@dataclass
class LikeWork(SingleWork):
    """One task that is what an earlier run was. like: the earlier run's id or a part of it."""

    like: str
    earlier: Earlier | None = field(default=None, init=False)

    def decide(self) -> None:
        """Read what it was, once, and whether a run that is like it is under way. Raises UserError, AwsError."""
        if self.earlier is None:
            past = Past(self.target, self.deployment.aws, self.runs, self.deployment.names)
            self.earlier = read_earlier(self.deployment, self.runs, past.find(self.like), past.find, self.overrides)
        was = self.earlier
        last = latest(self.runs, was.fingerprint, was.overrides, was.inputs, give_up=False)
        if last is not None and not last.state.over and last.state is not State.STOPPING:
            why = f"run {last.id}, which is like it, is under way"
            self.decision = Decision("resume", why, was.fingerprint, was.inputs, last)
        else:
            self.decision = Decision("launch", f"as run {was.run.id} was", was.fingerprint, was.inputs, last or was.run)

    def settings(self, attributes: Attributes) -> LaunchSettings:
        """As of any other run, but that nobody looks at the deploy's definition, or at the commit: it has its own."""
        family = str(self.deployment.deploy.task.family)
        arn = self.deployment.names.arn("ecs", f"task-definition/{family}:0")
        return launch_of(self.deployment, {Address("task-definition", family): {"arn": arn}, **attributes}, "")

    def start_with(self, launch: LaunchSettings, check: Callable[[], None]) -> None:
        """Launch it, or come back to it. Raises what `check` raises, UserError and AwsError."""
        decision, was = self.decision, self.earlier
        assert decision is not None
        assert was is not None
        last = decision.run
        if last is not None and last.state is State.STOPPING:
            self.terminal.say(f"Waiting for the end of run {last.id}, which was stopped")
            self.see_off(launch_like(launch, last), last)
        overrides = overrides_of_new(was)
        if decision.action == "resume" and last is not None:
            self.terminal.say(f"Following run {last.id}")
            run = replace(last, overrides=overrides if last.like else was.overrides)
        else:
            check()
            before, now = last.id if last else "", self.deployment.aws.clock.now()
            run = new_run(self.runs, launch, was.fingerprint, was.inputs, now, overrides, previous=before)
            self.terminal.say(f"Run {run.id}: {decision.why}")
            for line in (f"image {was.spec.containers[0].image}", *(old.text for old in was.data), *was.notes):
                self.terminal.say(self.terminal.fold("  ", line))
            run = replace(prepare(self.deployment, self.runs, was, run), code_version=was.run.code_version)
        launch = launch_like(replace(launch, task_definition=was.run.task_definition), run)
        self.begin(launch, run, new=decision.action != "resume")
