"""What `apply` runs once the resources are there: one task, or one for each combination of a sweep; or nothing."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Annotated

from reconciler.cli.answer import ABSENT
from reconciler.cli.failure import Verdict
from reconciler.cli.interrupt import come_back
from reconciler.cli.program_name import program
from reconciler.cli.target import Target
from reconciler.cli.task import report, watch
from reconciler.cli.terminal import Terminal
from reconciler.cli.under_way import say_others
from reconciler.cli.verdict import verdict
from reconciler.core.errors import AwsError, UserError
from reconciler.engine.apply import Attributes, Work
from reconciler.engine.deployment import Deployment
from reconciler.image.scan import check as check_scan
from reconciler.run.hand_over import check_no_secret, given_over
from reconciler.run.job import Decision, decide, follower, function_of, launch_of, place_of, rules_of, supervisor
from reconciler.run.launch import new_run, prepared
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.left_certificates import delete_left
from reconciler.run.like import launch_like
from reconciler.run.overrides import check_length
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import newest
from reconciler.run.stored import Changed
from reconciler.version import commit_or_none


@dataclass(frozen=True)
class ThisRun:
    """What is different for this run alone. env: NAME=VALUE; on_interrupt: `stop`, `detach`, or empty for what the file
    says; command: None where it isn't given, as count; like: the run that it is to repeat, empty for none; detach:
    leave it once it is started.
    """

    env: tuple[str, ...]
    cpu: str
    memory: str
    command: tuple[str, ...] | None
    count: int | None
    on_interrupt: str
    like: str
    detach: bool


@dataclass(frozen=True)
class OneOf:
    """A run of a sweep, with its own verdict besides."""

    verdict: Verdict
    run: Run = field(metadata={"inline": True})


@dataclass(frozen=True)
class Swept:
    """All runs of a sweep or of `--count`."""

    id: str
    counts: Annotated[dict[str, int], "runs by state"]
    runs: Annotated[Sequence[OneOf], "each also has its own `verdict`"]


@dataclass(frozen=True)
class Ended:
    """How what `apply` ran ended."""

    verdict: Verdict
    run: Run | None = ABSENT
    sweep: Swept = ABSENT


@dataclass
class RunWork(Work, ABC):
    """The engine's work as the command line does it. overrides: what is different for all its tasks."""

    target: Target
    deployment: Deployment
    runs: Runs
    terminal: Terminal
    on_interrupt: str
    overrides: Overrides

    def start(self, attributes: Attributes) -> None:
        """Launch it, or come back to it. Raises UserError, ReconcilerError, AwsError."""
        launch = self.settings(attributes)
        self._say_what_is_not_done(attributes)
        self.start_with(launch, lambda: self._check_scan(attributes))

    def settings(self, attributes: Attributes) -> LaunchSettings:
        """What its tasks are launched with."""
        return launch_of(self.deployment, attributes, commit_or_none(self.target.base))

    @abstractmethod
    def start_with(self, launch: LaunchSettings, check: Callable[[], None]) -> None:
        """Launch it, or write down that it is to be launched. check: raises before something new is launched."""

    @abstractmethod
    def finish(self) -> int:
        """See it through, or say why there is nothing to do. Returns the exit code."""

    @abstractmethod
    def ended(self, code: int) -> Ended:
        """How the work ended, for --json. code: what the command ends with."""

    def _say_what_is_not_done(self, attributes: Attributes) -> None:
        """What this machine doesn't do of the file and the Dockerfile, before the program runs without it."""
        image, home = self.deployment.image, self.target.local
        if home is not None and (task_gpus := self.deployment.deploy.task.gpu):
            from reconciler.local.gpus import present

            if (machine_gpus := len(present())) < task_gpus:
                without = f"has {machine_gpus} of the {task_gpus} NVIDIA GPUs" if machine_gpus else "has no NVIDIA GPU"
                self.terminal.say(f"this machine {without} that the task asks for; it runs without")
                self.terminal.say()
        if home is None or image is None or not (digest := attributes.get(image.address, {}).get("digest")):
            return
        from reconciler.local.process_engine import left_undone, made_for

        image_engine, chosen_engine = made_for(home / "images", digest), self.target.engine_choice
        file = shlex.quote(str(self.target.file))
        if image_engine and chosen_engine in ("docker", "process") and image_engine != chosen_engine:
            raise UserError(
                f"--engine {chosen_engine}: this image was made for {image_engine} by an earlier apply, and stays so "
                "until what goes into it changes",
                hint=f"to have it made anew, forget everything: {program()} local reset {file}",
            )
        if lines := left_undone(home / "images", digest):
            self.terminal.say(
                "without Docker, these lines of the Dockerfile weren't followed (with Docker they would be):"
            )
            for line in lines:
                self.terminal.say(self.terminal.fold("  ", self.terminal.program(line)))
            self.terminal.say()

    def _check_scan(self, attributes: Attributes) -> None:
        image = self.deployment.image
        if image is not None and (digest := attributes.get(image.address, {}).get("digest")):
            check_scan(self.deployment.aws, image.name, digest, self.deployment.deploy.image.fail_on, self.terminal.say)


@dataclass
class SingleWork(RunWork):
    """The work of one run: a task, or nothing where one with the same inputs succeeded.

    function_overrides: what is different for an unattended run.
    """

    _: KW_ONLY
    detach: bool
    decision: Decision | None = field(default=None, init=False)
    launch: LaunchSettings | None = field(default=None, init=False)
    run: Run | None = field(default=None, init=False)
    function_overrides: Overrides | None = field(default=None, init=False)

    def decide(self) -> None:
        """Read from the record of runs what is left to do. Raises AwsError."""
        self.decision = decide(self.deployment, self.runs, self.overrides)

    @property
    def launches(self) -> bool:
        """Whether there is something to launch, or to come back to."""
        return self.decision is not None and self.decision.action != "none"

    def start_with(self, launch: LaunchSettings, check: Callable[[], None]) -> None:
        """Launch it, or come back to it. Raises what `check` raises, and AwsError."""
        last = self.decision.run if self.decision else None
        if last is not None and last.state is State.STOPPING:
            self.terminal.say(f"Waiting for the end of run {last.id}, which was stopped")
            self.see_off(launch, last)
            self.decide()
            if not self.launches:
                return  # it had succeeded before it could be stopped
        decision = self.decision
        assert decision is not None
        if decision.action == "resume" and decision.run is not None:
            launch = launch_like(launch, decision.run)
            self.terminal.say(f"Following run {decision.run.id}")
            # Its fingerprint is that of these overrides, and the record has no secrets.
            run = replace(decision.run, overrides=self.overrides)
        else:
            check()
            before = decision.run.id if decision.run else ""
            now = self.deployment.aws.clock.now()
            run = new_run(
                self.runs, launch, decision.fingerprint, decision.inputs, now, self.overrides, previous=before
            )
            self.terminal.say(self.terminal.fold("", f"Run {run.id}: {decision.why}"))
        self.begin(launch, run, new=decision.action != "resume")

    def see_off(self, launch: LaunchSettings, run: Run) -> None:
        """Wait for the end of a run that was stopped."""
        if run.unattended and not self.deployment.deploy.run.unattended:
            run = given_over(self.runs, run, unattended=False)
        seer = follower(self.deployment, self.runs) if run.unattended else supervisor(self.deployment, self.runs)
        seer.finish(launch, run)

    def begin(self, launch: LaunchSettings, run: Run, *, new: bool) -> None:
        """Have a run launched, or go on: by the function where the file says so, or else by this command. new: nothing
        is recorded of it.
        """
        self.launch = launch
        unattended = self.deployment.deploy.run.unattended
        self.run = self._handed_over(launch, run, new=new) if unattended else self._started(launch, run)
        if new:
            say_others(self.terminal, self.target, self.deployment, self.runs, {run.id})

    def _started(self, launch: LaunchSettings, run: Run) -> Run:
        """Launched by this command, which takes back what a function has seen to so far."""
        if run.unattended:
            name = function_of(self.deployment).name
            self.terminal.note(f"run {run.id} is taken from the function {name}: this command manages it")
            run = given_over(self.runs, run, unattended=False)
        try:
            return run if run.state.over else supervisor(self.deployment, self.runs).start(launch, run)
        except Changed:  # somebody has stopped it meanwhile, or a function sees it through
            return newest(run, self.runs.get(run.id))

    def _handed_over(self, launch: LaunchSettings, run: Run, *, new: bool) -> Run:
        """Recorded as the function's, which is then called: it does what is next, whoever looks."""
        overrides = launch.given(run)
        check_no_secret(overrides, self.runs.bucket)
        check_length(launch.overrides(run))
        if new:
            run = replace(run, unattended=True)
            self.runs.put(run)
        else:
            run = given_over(self.runs, run, unattended=True)
        run = prepared(self.deployment.aws, self.runs, launch, run)
        function = function_of(self.deployment)
        function.go_on(self.deployment.aws, run, overrides)
        self.terminal.say(f"  {function.name} manages it, whoever watches")
        self.function_overrides = overrides
        return run

    def finish(self) -> int:
        """See it through, or say why there is nothing to do. Returns the exit code."""
        if self.deployment.deploy.run.workers:
            self._delete_certificates()
        if self.run is not None and self.detach:
            self._say_detached(self.run)
            return 0
        if self.run is not None and self.launch is not None:
            self.run, code = watch(
                self.terminal,
                self.target,
                self.deployment,
                self.runs,
                self.launch,
                self.run,
                self.on_interrupt,
                overrides=self.function_overrides,
            )
            return code
        if self.decision is not None:
            self.terminal.say(self.terminal.fold("", f"Nothing to run: {self.decision.why}."))
            if self.decision.run is not None and self.detach:
                self.terminal.print(self.decision.run.id)  # what whoever asked for a run goes on with
            elif self.decision.run is not None:
                report(self.terminal, self.target, self.deployment, self.decision.run)
        return 0

    def _delete_certificates(self) -> None:
        """Delete the certificates of other runs whose end nobody saw."""
        deploy, run_id = self.deployment.deploy, self.run.id if self.run else ""
        try:
            delete_left(self.deployment.aws, self.runs, place_of(deploy), rules_of(deploy), deploy.name, run_id)
        except AwsError as error:
            self.terminal.note(f"note: whether earlier runs left certificates can't be seen: {error}")

    def _say_detached(self, run: Run) -> None:
        """That it goes on, and how to come back to it."""
        for line in come_back(self.target, run).split("\n"):
            self.terminal.say(f"  {line}")
        self.terminal.print(run.id)

    def ended(self, code: int) -> Ended:
        """How it ended, for --json."""
        if self.run is not None and self.detach:
            return Ended(Verdict("detached", code, None), run=self.run)
        last = self.run or (self.decision.run if self.decision else None)
        # What ran before doesn't say how this command ended.
        return Ended(verdict(self.run, code), run=last)
