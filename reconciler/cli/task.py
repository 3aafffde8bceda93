"""A task as it is watched: its states, its log lines, what Ctrl-C does to it, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from reconciler.aws.calls import Aws
from reconciler.cli import github
from reconciler.cli.diagnose import SHOWN, diagnose, diagnosis_of, show
from reconciler.cli.interrupt import choose, come_back, command, way_on
from reconciler.cli.log_lines import readable
from reconciler.cli.log_position import Shown
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal, seconds
from reconciler.cli.verdict import RESERVED_BY_US, RunFailed, exit_code
from reconciler.core.errors import Gone, Interrupted, ReconcilerError
from reconciler.engine.deployment import Deployment
from reconciler.run.console_links import console, log_link, task_link
from reconciler.run.diagnosis import Diagnosis, cut
from reconciler.run.follow import Follower
from reconciler.run.job import follower, function_of, left_to_function, place_of, supervisor
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.logs import TaskLog
from reconciler.run.notify import Notifier, of_run
from reconciler.run.results import NOTE, Copied, fetch, is_whole, shown
from reconciler.run.retry import Again, Attempt
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import End as IsOver
from reconciler.run.step import newest
from reconciler.run.stopping import stop_run
from reconciler.run.stored import Changed
from reconciler.run.supervise import Supervisor

TAIL = 20  # log lines shown again when a quiet run failed
METRICS = 12  # shown at the end
CTRL_C = "; Ctrl-C shows the end at once"
MISSED = 10  # results that aren't copied and are said


def pull_text(task: Mapping[str, Any]) -> str:
    """How long the images were pulled before a task could start, to go on a line; empty where that was no time."""
    began, over = task.get("pullStartedAt"), task.get("pullStoppedAt")
    took = (over - began).total_seconds() if began and over else 0.0
    return f", of which {seconds(took)} for the pull of its image" if took >= 1 else ""


class TaskScreen:
    """Shows a run as it goes."""

    def __init__(
        self, terminal: Terminal, target: Target, aws: Aws, seer: Supervisor, from_start: bool = False
    ) -> None:
        self.terminal, self.target, self.aws, self.seer = terminal, target, aws, seer
        self.tail: list[str] = []
        self.several = False
        self._began = aws.clock.now()
        self._state = ""
        self.run: Run | None = None
        self._logs: dict[str, TaskLog] = {}  # by the task's id
        self.from_start = from_start

    def launched(self, run: Run, attempt: Attempt) -> None:
        """Say which task, with links into the console where there is one."""
        self._began, self.run = attempt.launched, run
        github.launched(self.terminal, run)
        self.terminal.say(f"  task {attempt.task_arn} on {attempt.provider}")
        if attempt.checkpoint:
            self.terminal.say(f"  attempt {attempt.number} {attempt.checkpoint.text}")
        if self.target.endpoint is None and console(self.aws.region):
            cluster = str(self.target.deploy.cluster.name)
            self.terminal.say(f"  {task_link(self.aws.region, cluster, attempt.task_arn)}")

    def reads(self, log: TaskLog) -> None:
        """Say where it is, where there is a console, and go on after the lines that were shown before."""
        previous = self._logs.get(log.task_id)
        self._logs[log.task_id] = log
        if previous is not None:
            log.resume(previous.position)  # somebody else decides about its run now, and it is read on here
            return
        if self.target.endpoint is None and console(self.aws.region):
            stream = next(iter(log.streams.values()))
            self.terminal.say(f"  {log_link(self.aws.region, log.group, stream.name)}")
        if self.run is not None and not self.from_start:
            say_shown(self.terminal, self.target, self.run, Shown(self.target.base, self.run.id).resume(log))

    def keep(self) -> None:
        """Remember what was shown, for whoever comes back."""
        if self.run is None or self.terminal.quiet:
            return
        for log in self._logs.values():
            Shown(self.target.base, self.run.id).keep(log)

    def retry(self, following: Again) -> None:
        """Say why another follows."""
        pause = f" in {seconds(following.pause)}" if following.pause else ""
        size = f" with {following.size[1]:,} MiB" if following.size else ""
        self.terminal.say(f"  {following.why}: launching again on {following.provider}{size}{pause}")

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """Print the run's new state."""
        self.several = len(task.get("containers", ())) > 1
        self._state = state
        self.tick()
        pull = pull_text(task) if state == "RUNNING" else ""
        self.terminal.say(self.terminal.style(f"  {state:<14} {self._elapsed()}{pull}", "dim"))

    def line(self, container: str, text: str, timestamp: float) -> None:
        """Show a log line; for a person at a terminal a structured one is made readable. Raises Interrupted."""
        if self.target.stop.is_set():
            raise Interrupted("interrupted")  # not after a page of ten thousand lines
        text = self.terminal.program(readable(text) if self.terminal.live else text)
        # Never broken between words: a traceback's carets stand under what they mean.
        output_line = f"{container} | {text}" if self.several else f"| {text}"
        self.tail = [*self.tail[-TAIL + 1 :], output_line]
        self.terminal.say(f"  {output_line}")

    def trouble(self, text: str) -> None:
        """Say what can't be seen."""
        self.terminal.note(f"  {text}")

    def waiting(self, seconds: float) -> None:
        """Say that the last lines are waited for."""
        self.terminal.say(self.terminal.style(f"  waiting for the last lines, {seconds:.0f} s at most{CTRL_C}", "dim"))

    def enough(self) -> None:
        """After Ctrl-C in that wait the end is shown; the next one leaves."""
        self.target.stop.clear()

    def tick(self) -> None:
        """Keep the live line alive."""
        if not self.terminal.live:
            return
        cost = self.seer.spent(self.run) if self.run and self.target.endpoint is None else None
        money = f", at most ${cost:.4f} so far" if cost is not None else ""
        self.terminal.status(f"  {self._state}  {self._elapsed()}{money}")

    def _elapsed(self) -> str:
        return seconds(self.aws.clock.now() - self._began)


@dataclass
class End:
    """The end of a run: tells of it. base: the folder of the file; reported_run: the one that was told of; why: it
    failed. local: the folder of the embedded AWS, where it is that.
    """

    terminal: Terminal
    deployment: Deployment
    base: Path
    reported_run: Run | None = None
    why: Diagnosis | None = None
    local: Path | None = None

    def tell(self, run: Run) -> Run:
        """Find out why it failed, and tell those who want to hear of it. Returns it with the cause."""
        self.terminal.status("")
        if run.state is not State.SUCCEEDED:
            self.why = diagnose(self.deployment.aws, self.deployment.deploy, run, self.base, self.local)
            run = replace(run, why=self.why.cause if self.why.known else "")
        self.reported_run = run
        if left_to_function(self.deployment.deploy, run):
            return run  # which tells of it
        notifier(self.terminal, self.deployment).tell(
            of_run(self.deployment.deploy.name, run, self.why, paid=self.local is None)
        )
        return run

    def explains(self, run: Run, lines: Sequence[str]) -> bool:
        """Whether these last lines of its log say why it failed."""
        return diagnosis_of(self.deployment.deploy, run, self.base, lines, self.local).known


def watch(
    terminal: Terminal,
    target: Target,
    deployment: Deployment,
    runs: Runs,
    launch: LaunchSettings,
    run: Run,
    on_interrupt: str = "",
    *,
    from_start: bool = False,
    again: bool = True,
    overrides: Overrides | None = None,
) -> tuple[Run, int]:
    """See a started run through, or look at one that is left to the function, copy its results, and report. Returns the
    run and the exit code to end with.

    from_start: show the log from its beginning, what was shown before included. again: see Supervisor. overrides: what
    is different for an unattended run, where that is known.
    """
    end = End(terminal, deployment, target.base, local=target.local)
    seer = replace(supervisor(deployment, runs), before_end=end.tell, explains=end.explains, again=again)
    screen = TaskScreen(terminal, target, deployment.aws, seer, from_start)
    looks = replace(follower(deployment, runs, overrides), explains=end.explains)
    try:
        run = _finished(screen, deployment, looks, launch, run)
    except Interrupted:
        screen.keep()
        terminal.status("")
        _interrupted(terminal, target, deployment, runs, run, on_interrupt)
    except BrokenPipeError:
        terminal.note(f"nobody reads the output any more; run {run.id} continues")
        for hint in come_back(target, run).split("\n"):
            terminal.note(hint)
        raise
    except ReconcilerError as error:
        screen.keep()
        terminal.status("")
        raise RunFailed(f"lost sight of run {run.id}: {error}", hint=way_on(error, target, run)) from None
    terminal.status("")
    Shown(target.base, run.id).forget()
    if end.reported_run is None:
        end.tell(run)  # somebody else has ended it
    why, copied = end.why, None
    if run.state is not State.SUCCEEDED and terminal.quiet:
        for line in screen.tail:
            terminal.print(f"  {line}")
    if run.state is State.SUCCEEDED:
        copied = copy_results(terminal, target, deployment, runs, run)
    report(terminal, target, deployment, run, why, copied)
    return run, exit_code(run)


def _finished(screen: TaskScreen, deployment: Deployment, looks: Follower, launch: LaunchSettings, run: Run) -> Run:
    """A run that is over, whoever decided about it, which may change. Raises what `finish` does but Changed."""
    name = looks.function.name
    while True:
        try:
            looks_on = left_to_function(deployment.deploy, run)
            return looks.finish(launch, run, screen) if looks_on else screen.seer.finish(launch, run, screen)
        except Changed:
            was = run.unattended
            run = newest(run, looks.runs.outlast(partial(looks.runs.get, run.id)))
        if run.unattended is was:
            continue  # somebody has stopped it meanwhile
        how = f"given to the function {name}, which" if run.unattended else f"taken from {name}, and this command"
        screen.terminal.note(f"run {run.id} was {how} manages it")


def say_shown(terminal: Terminal, target: Target, run: Run, count: int) -> None:
    """That lines were shown before, and where they are."""
    if count:
        lines = "1 line was" if count == 1 else f"{count:,} lines were"
        terminal.say(terminal.style(f"  ({lines} shown before: {command(target, 'logs', run.id)})", "dim"))


def notifier(terminal: Terminal, deployment: Deployment) -> Notifier:
    """What tells those who want to hear how runs end."""
    return Notifier(deployment.aws, deployment.names, terminal.note)


def copy_results(terminal: Terminal, target: Target, deployment: Deployment, runs: Runs, run: Run) -> Copied | None:
    """Copy what the run wrote to `run.results`, and say what isn't copied. That this fails doesn't fail the run."""
    if not deployment.deploy.run.results:
        return None
    try:
        copied = fetch(deployment.aws, runs, run, target.base / deployment.deploy.run.results)
    except Interrupted:
        raise
    except Gone as error:
        terminal.note(f"the results are gone: {error.reason}")
        return Copied(target.base / deployment.deploy.run.results / run.id, gone=True)
    except (OSError, ReconcilerError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        terminal.note(f"the results stay in {run.output}; copying them failed: {why}")
        return Copied(target.base / deployment.deploy.run.results / run.id, missed=[("", why)])
    for key, why in copied.missed[:MISSED]:
        terminal.note(f"not copied: {shown(key)}: {why}")
    if len(copied.missed) > MISSED:
        terminal.note(f"and {len(copied.missed) - MISSED} more that aren't copied: {NOTE} there names them")
    return copied


def _interrupted(
    terminal: Terminal, target: Target, deployment: Deployment, runs: Runs, run: Run, option: str
) -> NoReturn:
    """Stop the task or leave it. Raises Interrupted; RunFailed where nobody knows whether it is stopped."""
    if choose(target, deployment, terminal, option) == "detach":
        raise Interrupted(f"detached; run {run.id} continues", hint=come_back(target, run))
    try:
        _stop(target, deployment, runs, run.id)
    except Interrupted:
        raise
    except ReconcilerError as error:
        message = f"run {run.id} isn't known to be stopped: {error}"
        raise RunFailed(message, hint=way_on(error, target, run)) from None


def _stop(target: Target, deployment: Deployment, runs: Runs, run_id: str) -> NoReturn:
    """Stop a run as its record says. Raises Interrupted, which says how that went; AwsError."""
    run = runs.get(run_id)
    if run is None:
        raise Interrupted(f"detached; run {run_id} continues")
    why, deploy = "interrupted by the user", deployment.deploy
    if not left_to_function(deploy, run) and isinstance(supervisor(deployment, runs).decide(run), IsOver):
        raise Interrupted(f"run {run_id} has ended", hint=f"see how: {command(target, 'watch', run_id)}")
    try:
        _, result = stop_run(
            deployment.aws, runs, place_of(deploy), function_of(deployment), run, why, deploy=deploy.name
        )
    except Changed:
        raise Interrupted(f"run {run_id} has just gone on, and isn't stopped", hint=come_back(target, run)) from None
    if result == "stopped":
        raise Interrupted(f"run {run_id} is stopped; it had no task under way")
    says = {"is-over": f"run {run_id} has ended", "is-being-stopped": f"run {run_id} is being stopped"}
    raise Interrupted(says[result], hint=f"see how it ended: {command(target, 'watch', run_id)}")


def report(
    terminal: Terminal,
    target: Target,
    deployment: Deployment,
    run: Run,
    why: Diagnosis | None = None,
    copied: Copied | None = None,
) -> None:
    """How a run ended and where its results are. why: it failed, if that is known already. copied: just now."""
    took = f" after {seconds(run.seconds)}" if run.seconds is not None else ""
    code = "no exit code" if run.exit_code is None else f"exit code {run.exit_code}"
    if run.exit_code not in (None, 0) and run.state is State.FAILED and exit_code(run) == RESERVED_BY_US:
        code += f" (reserved: this command ends with {RESERVED_BY_US})"
    cost = f", at most ${run.cost:.4f}" if run.cost is not None and target.endpoint is None else ""
    good = run.state is State.SUCCEEDED
    terminal.print(
        terminal.style(f"Run {run.id} {run.state.value}{took}, {code}{cost}.", "green" if good else "red", "bold")
    )
    if not good:
        if run.reason:
            terminal.print(terminal.fold("  reason   ", cut(run.reason, SHOWN)))
        diagnosis = why or diagnose(deployment.aws, deployment.deploy, run, target.base, target.local)
        show(terminal, diagnosis, command(target, "logs", run.id))
        return
    last = run.attempts[-1]
    if last.memory is not None:
        terminal.print(terminal.fold("  size     ", f"it needed {last.memory:,} MiB; in deploy.yaml:"))
        terminal.print(f"      task: {{cpu: {last.cpu}, memory: {last.memory}}}")
    metrics = sorted(run.metrics.items())
    width = max([40, *(len(name) for name, _ in metrics[:METRICS])])
    for name, value in metrics[:METRICS]:
        terminal.say(f"  {name:<{width}} {value:.6g}")
    if len(metrics) > METRICS:
        terminal.say(f"  and {len(metrics) - METRICS} more in metrics.json")
    if copied is not None and copied.gone:
        return
    terminal.print(f"  results  {run.output}")
    if deployment.deploy.run.results:
        local = target.base / deployment.deploy.run.results / run.id
        whole = is_whole(local)
        if copied is not None and copied.missed:
            if copied.count > len(copied.missed):
                terminal.print(f"  copied   {len(copied.files)} of {copied.count} to {_relative(local)}")
        elif whole is not None:
            remark = "" if whole else f", not all of it: {NOTE} there says more"
            terminal.print(f"  copied   {_relative(local)}{remark}")
        for page in sorted(local.glob("*.html"))[:1] if whole is not None else ():
            terminal.print(f"  report   {_relative(page)}")


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
