"""`exec`: open a shell, or run a command, in a task that runs.

What is printed is the command's own and goes to the terminal as it comes, as with ssh: nothing of it is ours to judge.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from reconciler.aws.regions import partition_of
from reconciler.cli.answer import Answer
from reconciler.cli.options import OfRun
from reconciler.cli.past_runs import Past, past_of, whole_runs
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import ReconcilerError, UserError
from reconciler.core.job_token import without_tokens
from reconciler.core.run_paths import is_sweep_id, task_id
from reconciler.run.catalog import Catalog
from reconciler.run.launch import known_task
from reconciler.run.run import Run
from reconciler.run.run_task import STOPPED, program_of

SHELL = ("/bin/sh",)
PLUGIN = "session-manager-plugin"
SESSION = "AWS_SSM_START_SESSION_RESPONSE"  # from which it takes the session, whose token isn't to be in a process list
OLDEST = (1, 2, 497)  # version of the plugin that does so
WHERE = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
ENDING = ("DEACTIVATING", "STOPPING", "DEPROVISIONING", *STOPPED)
LOOK = 1.0  # seconds between two looks whether the task still runs
UNKNOWN = "the exit code of the command isn't known: Systems Manager doesn't tell it"


@dataclass(frozen=True)
class Arguments(OfRun):
    """What `exec` is asked. command: its words; none for a shell."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class Entered(Answer):
    """What was run where."""

    run: Annotated[str, "the run's id"]
    task_arn: str
    exit_code: Annotated[int | None, "the command's exit code; null in AWS, where Systems Manager doesn't report it"]


ANSWERS = (Entered,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Run the command in the task. Returns its exit code; in AWS that of the session."""
    words = options.command
    if words[:1] == ("--",):
        words = words[1:]
    elif words and words[0].startswith("-"):
        raise UserError(
            f"{words[0]}: behind the run's id begins the command", hint="options of exec come before that id"
        )
    past = past_of(target_of(options), terminal, read_only=False)
    run = _under_way(past, options.run)
    task = _task_of(past, run)
    container = program_of(task, run.container or past.place.container)
    task_end = _Stopped(past, run)
    output = sys.stderr if options.json else None
    if past.target.local is not None:
        try:
            code = known_code = _run_locally(past.target.local, run, container, words or SHELL, task_end, output)
        except _NotRun as wrong:
            terminal.error(wrong)
            code = known_code = wrong.code
    else:
        code, known_code = _in_aws(past, task, container, words or SHELL, output), None
        terminal.note(UNKNOWN)
    if task_end.reached:
        terminal.note(f"the task of run {run.id} has ended, and the command with it")
    if options.json:
        terminal.json(Entered(run.id, run.task_arn, known_code))
    return code


def _under_way(past: Past, name: str) -> Run:
    """The run that is meant: with no name, or that of a sweep, the only one that is under way. Raises UserError."""
    if name and not is_sweep_id(name):
        return past.ended(name)
    runs = [
        run
        for run in whole_runs(past.ends(Catalog(past.runs).unfinished()))
        if not run.state.over and name in ("", run.sweep)
    ]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise UserError("no run is under way", hint="`runs` lists them")
    raise UserError(f"{len(runs)} runs are under way: name one of {', '.join(run.id for run in runs[:5])}")


def _task_of(past: Past, run: Run) -> Mapping[str, Any]:
    """The task that runs. Raises UserError for a run in which no shell can be opened; NotOurs, AwsError."""
    if run.state.over:
        raise UserError(f"nothing runs: run {run.id} is {run.state.value}", hint="its log: `logs`")
    if not run.task_arn:
        raise UserError(f"run {run.id} has no task yet", hint="wait until it is RUNNING")
    task = known_task(past.aws, past.place, run.attempts[-1])
    status = task["lastStatus"] if task else "unknown to ECS"
    if task is None or status in ENDING:
        raise UserError(f"nothing runs: the task of run {run.id} is {status}", hint="its log: `logs`")
    if status != "RUNNING":
        raise UserError(f"the task of run {run.id} is {status}", hint="wait until it is RUNNING")
    if not task.get("enableExecuteCommand"):
        raise UserError(
            f"the task of run {run.id} was launched without ECS Exec",
            hint="write run: {exec: true} in deploy.yaml, and launch it anew",
        )
    return task


class _NotRun(UserError):
    """A command can't be begun. code: what a shell ends with then."""

    def __init__(self, word: str, why: OSError) -> None:
        super().__init__(f"{word} can't be run there: {why.strerror}")
        self.code = 127 if why.errno in (errno.ENOENT, errno.ENOTDIR) else 126


class _Stopped:
    """Whether a run's task has ended meanwhile."""

    def __init__(self, past: Past, run: Run) -> None:
        self._past, self._attempt, self.reached = past, run.attempts[-1], False

    def look(self) -> bool:
        try:
            task = known_task(self._past.aws, self._past.place, self._attempt)
        except ReconcilerError:
            return False  # the next look says more
        self.reached = task is None or task["lastStatus"] != "RUNNING"
        return self.reached


def _run_locally(home: Path, run: Run, container: str, words: tuple[str, ...], task_end: _Stopped, output: Any) -> int:
    """In a task of the embedded AWS: a process beside the program's, or in its container."""
    from reconciler.local import status
    from reconciler.local.signing import request

    running = status(home)
    if running is None:
        raise UserError("the embedded AWS doesn't run any more")
    body = {
        "task": task_id(run.task_arn),
        "container": container,
        "words": list(words),
        "terminal": sys.stdin.isatty() and sys.stdout.isatty(),
    }
    _, inside = request(running.endpoint_url, running.keys, "POST", "/_reconciler/inside", body)
    if inside is None:
        raise UserError(f"nothing runs in the task of run {run.id} any more")
    return _child(inside["words"], inside["environment"], inside["folder"], task_end.look, output)


def _in_aws(past: Past, task: Mapping[str, Any], container: str, words: tuple[str, ...], output: Any) -> int:
    """Through Systems Manager, by AWS's plugin."""
    plugin, region = _plugin(), past.target.deploy.region
    line, variables = session(past.aws, region, past.place.cluster, container, task, words)
    return _child([plugin, *line], without_tokens(os.environ) | variables, None, None, output)


def session(
    calls: Any, region: str, cluster: str, container: str, task: Mapping[str, Any], words: tuple[str, ...]
) -> tuple[list[str], dict[str, str]]:
    """The plugin's arguments and variables for a new session in a task's container. Raises AwsError."""
    place = {"cluster": cluster, "task": task_id(task["taskArn"]), "container": container}
    answer = calls.call("ecs", "ExecuteCommand", **place, command=shlex.join(words), interactive=True)
    runtime = next(
        (entry.get("runtimeId", "") for entry in task.get("containers") or () if entry["name"] == container), ""
    )
    about = {"Target": f"ecs:{cluster}_{place['task']}_{runtime}"}
    line = [
        SESSION,
        region,
        "StartSession",
        "",
        json.dumps(about),
        f"https://ssm.{region}.{partition_of(region).domain}",
    ]
    parameters = {key[:1].upper() + key[1:]: value for key, value in answer["session"].items()}
    return line, {SESSION: json.dumps(parameters)}


def _plugin() -> str:
    """AWS's plugin. Raises UserError where there is none that is recent enough."""
    plugin = shutil.which(PLUGIN)
    if plugin is None:
        raise UserError(f"{PLUGIN} isn't installed, with which AWS opens a session", hint=f"get it: {WHERE}")
    version_command = [plugin, "--version"]
    version = subprocess.run(  # noqa: S603 - AWS's plugin
        version_command, capture_output=True, text=True, check=False, env=without_tokens(os.environ)
    ).stdout
    version = version.strip()
    parts = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if len(parts) < len(OLDEST) or parts < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UserError(f"{PLUGIN} {version} is too old: {oldest} is the first that fits", hint=f"get it: {WHERE}")
    return plugin


def _child(
    words: list[str],
    environment: Mapping[str, str],
    folder: str | None,
    has_ended: Callable[[], bool] | None,
    output: Any,
) -> int:
    """Run it with our terminal. Ctrl-C is the child's: it is in the foreground as we are. has_ended: whether the task
    is over, None where the session ends with it by itself.

    Returns its exit code, 128 and the number for a signal. Raises UserError where it can't be begun.
    """
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        try:
            child = subprocess.Popen(words, env=dict(environment), cwd=folder, stdout=output)  # noqa: S603
        except OSError as error:
            if folder is not None and error.filename == folder:
                raise UserError(f"the task's folder {folder} can't be entered: {error.strerror}") from None
            raise _NotRun(words[0], error) from None
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        over = threading.Event()
        if has_ended is not None:
            threading.Thread(target=_end_with, args=(child, has_ended, over), daemon=True).start()
        code = child.wait()
        over.set()
        return code if code >= 0 else 128 - code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with(child: subprocess.Popen[bytes], has_ended: Callable[[], bool], over: threading.Event) -> None:
    """End it when the task ends, with all that it has started: a shell heeds SIGHUP, and anything SIGKILL."""
    import psutil  # of the embedded AWS, where alone a command is ended so

    while not over.wait(LOOK):
        if not has_ended():
            continue
        for number in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(psutil.Error):
                main = psutil.Process(child.pid)
                if number == signal.SIGKILL:
                    main.suspend()  # or it may go on once what it waits for is killed, and end as if nothing had been
                for process in (*main.children(recursive=True), main):
                    with contextlib.suppress(psutil.Error):
                        process.send_signal(number)
            if over.wait(LOOK):
                return
        return
