"""A task as it is watched: its states, its log lines, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.aws import Aws
from reconciler.cli.common import Target
from reconciler.cli.loglines import readable
from reconciler.cli.terminal import Terminal, seconds
from reconciler.deployment import Deployment
from reconciler.errors import Interrupted, ReconcilerError
from reconciler.run.job import finish
from reconciler.run.record import Run, Runs, State
from reconciler.run.results import fetch
from reconciler.run.watch import Watch

TAIL = 20  # log lines shown again when a task failed quietly


class _Screen:
    def __init__(self, terminal: Terminal, aws: Aws) -> None:
        self.terminal, self.aws = terminal, aws
        self.started = aws.clock.now()
        self.tail: list[str] = []
        self.several = False

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """Say the new state."""
        self.several = len(task.get("containers", ())) > 1
        after = seconds(self.aws.clock.now() - self.started)
        self.terminal.say(self.terminal.style(f"  {state:<14} {after}", "dim"))

    def line(self, container: str, text: str, timestamp: float) -> None:
        """Show a log line."""
        # For a person at a terminal a structured line is made readable; a pipe gets what the program wrote.
        text = readable(text) if self.terminal.live else text
        shown = f"{container} | {text}" if self.several else f"| {text}"
        self.tail = [*self.tail[-TAIL + 1 :], shown]
        self.terminal.say(f"  {shown}")


def watch(terminal: Terminal, where: Target, aws: Aws, here: Deployment, runs: Runs, run: Run) -> tuple[Run, int]:
    """Watch a run to its end, record it, copy its results. Returns the run and the exit code to end with."""
    terminal.say(f"  task {run.task_arn}")
    screen = _Screen(terminal, aws)
    try:
        verdict = Watch(aws, run, here.deploy.logs.stream_prefix, screen).follow()
    except Interrupted:
        raise Interrupted(
            f"stopped watching; run {run.id} goes on",
            hint=f"come back to it with the same `apply`; end it with: aws ecs stop-task --cluster {run.cluster} "
            f"--task {run.task_arn}",
        ) from None
    run = finish(runs, run, verdict)
    if run.state is not State.SUCCEEDED and terminal.quiet:
        for line in screen.tail:
            terminal.print(f"  {line}")
    folder = here.deploy.run.results
    if folder and run.state is State.SUCCEEDED:
        try:
            fetch(aws, runs, run, where.base / folder)
        except (OSError, ReconcilerError) as error:
            terminal.note(f"the results stay in {run.output}; copying them failed: {error}")
    report(terminal, where, here, run)
    return run, _exit_code(run)


def _exit_code(run: Run) -> int:
    """The task's own exit code; 1 where it has none, or was stopped while it said 0."""
    if run.state is State.SUCCEEDED:
        return 0
    return run.exit_code or 1


def report(terminal: Terminal, where: Target, here: Deployment, run: Run) -> None:
    """How a run ended and where its results are."""
    took = f" after {seconds(run.seconds)}" if run.seconds is not None else ""
    code = "no exit code" if run.exit_code is None else f"exit code {run.exit_code}"
    colour = "green" if run.state is State.SUCCEEDED else "red"
    terminal.print(terminal.style(f"Run {run.id} {run.state.value}{took}, {code}.", colour, "bold"))
    if run.reason and run.state is not State.SUCCEEDED:
        terminal.print(f"  reason   {run.reason}")
    for name, value in sorted(run.metrics.items())[:12]:
        terminal.say(f"  {name:<32} {value:.6g}")
    if run.state is State.SUCCEEDED:
        terminal.print(f"  results  {run.output}")
        if here.deploy.run.results:
            local = where.base / here.deploy.run.results / run.id
            if local.is_dir():
                terminal.print(f"  copied   {_relative(local)}")
                pages = sorted(local.glob("*.html"))
                if pages:
                    terminal.print(f"  report   {_relative(pages[0])}")
    else:
        terminal.print(f"  log      {run.log_group}")


def _relative(path: Any) -> str:
    from pathlib import Path

    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
