"""`logs`: the log lines of a run, from the beginning or on from now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

from reconciler.cli.diagnose import diagnosis_of
from reconciler.cli.log_lines import readable
from reconciler.cli.options import OfRun
from reconciler.cli.past_runs import Past, past_of
from reconciler.cli.signals import on_interrupt
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.core.durations import seconds_of
from reconciler.core.errors import Denied, Interrupted, UserError
from reconciler.core.workers import SCHEDULER, WORKER, group_of, number_of
from reconciler.run.crew import workers_of
from reconciler.run.logs import TaskLog
from reconciler.run.run import Run
from reconciler.run.state import State, state_after
from reconciler.run.watch import LastLines, watch_of
from reconciler.run.workers import size_of


@dataclass(frozen=True)
class Line:
    """One object for each line, on a line of its own (JSON Lines), as it comes."""

    container: str
    text: str
    timestamp: Annotated[float, "seconds since the epoch"]


ANSWERS = (Line,)


class _Lines:
    """Prints the lines that a watch sees."""

    def __init__(self, terminal: Terminal, as_json: bool) -> None:
        self.terminal, self.as_json, self.several = terminal, as_json, False

    def line(self, container: str, text: str, timestamp: float) -> None:
        """A line, with its container's name where there are several."""
        if self.as_json:
            self.terminal.json_line(Line(container, text, timestamp))
        else:
            visible = self.terminal.program(readable(text) if self.terminal.live else text)
            self.terminal.print(f"{container} | {visible}" if self.several else visible)

    def state(self, task: Mapping[str, Any], state: str) -> None:
        """Only whether there are several."""
        self.several = len(task.get("containers", ())) > 1

    def tick(self) -> None:
        """Nothing is shown of time."""

    def trouble(self, text: str) -> None:
        """Say what can't be seen."""
        self.terminal.note(text)

    def waiting(self, seconds: float) -> None:
        """Say that the last lines are waited for."""
        self.terminal.note(f"waiting for the last lines, {seconds:.0f} s at most")

    def enough(self) -> None:
        """An interruption ends the command."""
        raise Interrupted("interrupted")


@dataclass(frozen=True)
class Arguments(OfRun):
    """What `logs` is asked. since: a span such as 10m; empty for all. attempt: its number; 0 for the newest."""

    follow: bool
    since: str
    attempt: int


def run(options: Arguments, terminal: Terminal) -> int:
    """Print a run's log; with --follow until the task has stopped and its last lines have come."""
    past = past_of(target_of(options), terminal)
    since = _since(options.since, past.aws.clock.now())
    run = past.find(options.run)
    log, lines = past.log(run, options.attempt), _Lines(terminal, options.json)
    log.since = since
    if options.follow:
        on_interrupt(past.target.stop.set)
        attempt = next(
            attempt for attempt in reversed(run.attempts) if attempt.task_arn and options.attempt in (0, attempt.number)
        )
        watch = watch_of(past.aws, past.place, replace(run, attempts=(attempt,)), log, lines)
        end = watch.follow()
        over = replace(run.with_attempt(end.ends(attempt)), state=state_after(end.event), exit_code=end.exit_code)
        explains = partial(explained, past, over) if over.state is not State.SUCCEEDED else None
        LastLines(log, lines, end, explains, watch.stopped_at, watch.alive).read()
        return 0
    workers = size_of(run) is not None
    if workers:
        lines.several = True
        log.follow([SCHEDULER])
    count = log.read_all(lines.line) + (_of_workers(past, run, log, lines) if workers else 0)
    if not count:
        terminal.note(f"run {run.id} has no log lines{' since then' if since else ' yet'}")
    return 0


def _of_workers(past: Past, run: Run, log: TaskLog, lines: _Lines) -> int:
    """Print the lines of an attempt's workers: ECS knows them an hour. log: its log. Returns how many lines."""
    token = next(attempt.token for attempt in run.attempts if attempt.task_arn.rpartition("/")[2] == log.task_id)
    count, tasks = 0, list[Mapping[str, Any]]()
    try:
        tasks = workers_of(past.aws, past.place.cluster, token)
    except Denied as error:
        lines.trouble(f"the workers' lines can't be shown: {error}")
    for task in tasks:
        name = group_of(number_of(str(task.get("group", ""))))

        def line(_: str, text: str, timestamp: float, name: str = name) -> None:
            lines.line(name, text, timestamp)

        worker_log = TaskLog(past.aws, log.group, log.prefix, str(task["taskArn"]))
        worker_log.since = log.since
        worker_log.follow([WORKER])
        count += worker_log.read_all(line)
    return count


def explained(past: Past, run: Run, lines: Sequence[str]) -> bool:
    """Whether these last lines of its log say why a run failed."""
    return diagnosis_of(past.target.deploy, run, past.target.base, lines, past.target.local).known


def _since(text: str, now: float) -> float | None:
    if not text:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise UserError(f"--since {text}: not a span of time", hint="write for instance 10m, 2h or 1d")
    return max(now - seconds, 0.0)
