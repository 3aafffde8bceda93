"""`diagnose`: why a run failed and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

from reconciler.aws.calls import Aws
from reconciler.cli.answer import ABSENT, Answer
from reconciler.cli.interrupt import command
from reconciler.cli.options import OfRun as Arguments
from reconciler.cli.past_runs import log_of, past_of
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.cli.used import attempt_line, enough_for, measured, run_lines
from reconciler.cli.where_files_are import in_context, of_data
from reconciler.config import Deploy
from reconciler.core.errors import ReconcilerError
from reconciler.lower.ci import given
from reconciler.run.checkpoint import Checkpoint
from reconciler.run.diagnosis import LONGEST, Case, Diagnosis, cut
from reconciler.run.explain import explain
from reconciler.run.job import place_of
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.usage import Enough, Usage

LONGEST_FILE = 2**20  # bytes of one that is searched
FILES = 10_000  # of a build context that are looked at
SHOWN = 600  # characters of a text that is shown
LINES = 200  # of the log's end that are looked at


@dataclass(frozen=True)
class Diagnosed(Answer):
    """Why a run failed."""

    run: Annotated[str, "the run's id"]
    state: State
    cause: Annotated[str | None, "one line; null if the run didn't fail"]
    evidence: Annotated[Sequence[str], "quoted from ECS or the log"] = ABSENT
    fix: Annotated[str, "what to do"] = ABSENT
    change: Annotated[str, "the change of deploy.yaml that helps, if there is one"] = ABSENT
    sure: Annotated[bool, "whether the evidence leaves no doubt"] = ABSENT
    checkpoint: Annotated[
        Checkpoint | None, "the checkpoint from which its last attempt continued; null for a first attempt"
    ] = None
    usage: Annotated[Usage | None, "what its last attempt used, by Container Insights; null if unknown"] = None
    enough: Annotated[Enough | None, "a size that is enough for what it has used so far; null if unknown"] = None


ANSWERS = (Diagnosed,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Print why a run failed, and what it needs."""
    target = target_of(options)
    past = past_of(target, terminal, read_only=not target.deploy.cluster.container_insights)
    run = past.ended(options.run)
    if run.state is State.SUCCEEDED or not run.state.over:
        if options.json:
            terminal.json(Diagnosed(run.id, run.state, None))
        else:
            terminal.print(f"run {run.id} {'succeeded' if run.state.over else 'is not over'}")
        return 0
    diagnosis = diagnose(past.aws, past.target.deploy, run, past.target.base, past.target.local)
    run = measured(past, run)
    last = run.attempts[-1] if run.attempts else None
    went_on, usage = (last.checkpoint, last.usage) if last else (None, None)
    if options.json:
        size = enough_for(target.deploy, run)
        terminal.json(Diagnosed(run.id, run.state, **asdict(diagnosis), checkpoint=went_on, usage=usage, enough=size))
    else:
        terminal.print(f"Run {run.id} {run.state.value}.")
        if went_on:
            terminal.print(f"  attempt {run.attempts[-1].number} {went_on.text}")
        for attempt in run.attempts:
            if usage_line := attempt_line(target.deploy, run, attempt, past.runs.now()):
                terminal.print(terminal.fold("  ", f"attempt {attempt.number} {usage_line}"))
        show(terminal, diagnosis, command(past.target, "logs", run.id))
        terminal.print(f"  then     {command(past.target, 'apply', '')}")
        for line in run_lines(target.deploy, run):
            terminal.print(terminal.fold("  size     ", line))
    return 0


def diagnose(aws: Aws, deploy: Deploy, run: Run, base: Path, local: Path | None) -> Diagnosis:
    """Why a run's last attempt failed, from what ECS said, the end of its log, and the build context. base: the folder
    of deploy.yaml. local: that of the embedded AWS, where it ran in that.
    """
    last = run.attempts[-1] if run.attempts else None
    lines: list[str] = []
    if last is not None and last.task_arn:
        try:
            lines = log_of(aws, place_of(deploy), run, last.task_arn).tail(LINES)
        except ReconcilerError:
            lines = []  # what ECS says is still worth explaining
    return diagnosis_of(deploy, run, base, lines, local)


def diagnosis_of(deploy: Deploy, run: Run, base: Path, lines: Sequence[str], local: Path | None) -> Diagnosis:
    """Why a run failed, from the last lines of its log."""
    task, last = deploy.task, run.attempts[-1] if run.attempts else None
    was_stopped = run.state is State.STOPPED  # which may have been between two attempts
    inputs = run.inputs.get("containers", {}).get(run.container or task.container, {})
    case = Case(
        event=Event.STOPPED if was_stopped else run.event,
        exit_code=run.exit_code,
        reason=last.reason if last and not was_stopped else run.reason,
        log=lines,
        managed=last is not None and last.provider in deploy.managed_providers,
        cpu=int((last and last.cpu) or run.inputs.get("cpu", task.cpu)),
        memory=int((last and last.memory) or run.inputs.get("memory", task.memory)),
        architecture=str(run.inputs.get("architecture", task.platform)),
        image=image_name(deploy, str(inputs.get("image", ""))),
        task_role=str(task.role.name),
        execution_role=str(task.execution_role.name),
        log_group=str(deploy.logs.group),
        max_duration=deploy.run.max_duration,
        first_line=partial(first_line, base / deploy.image.context) if deploy.image.context else _unknown,
        bucket=str(inputs.get("environment", {}).get("S3_BUCKET", "")),
        data=str(inputs.get("environment", {}).get("S3_KEY", "")),
        read=task.role.read or (),
        write=task.role.write or (),
        policy=given(task.role.policy) if task.role.policy else (),
        command=(*(task.entrypoint or ()), *(task.command or ())),
        undone=_undone(local, str(inputs.get("image", ""))),
        advice=partial(advice, base / deploy.image.context) if deploy.image.context else _unknown,
        of_data=partial(of_data, deploy),
        in_context=partial(in_context, base / deploy.image.context, str(deploy.image.dockerfile))
        if deploy.image.context
        else _unknown,
    )
    return explain(case)


def _undone(local: Path | None, image: str) -> list[str] | None:
    """What of the Dockerfile wasn't done for the image of a run; None for one that ran in a container."""
    if local is None or not image.startswith("inputs:"):
        return None
    from reconciler.local.process_engine import undone_of

    return undone_of(local / "images", image.removeprefix("inputs:"))


def advice(context: Path, module: str) -> str:
    """What to do about a Python module that isn't there, where a file of the build context tells more."""
    module_paths = [
        path for path in (context / f"{module}.py", context / module, context / "src" / module) if path.exists()
    ]
    if module_paths:
        name = module_paths[0].relative_to(context)
        return f"{name} is in the build context: COPY it, and start the program from the folder that it is in"
    pattern = re.compile(rf"""(?im)^[ \t"'-]*{module.replace("_", "[-_.]")}(?![\w-])""")
    for file in sorted(
        [*context.glob("*requirements*.txt"), *context.glob("requirements/*.txt"), context / "pyproject.toml"]
    ):
        try:
            text = file.read_text(errors="replace") if file.stat().st_size < LONGEST_FILE else ""
        except OSError:
            continue
        if pattern.search(text):
            name = file.relative_to(context)
            return f"{name} names it: have the Dockerfile install {name}, for the Python that starts the program"
    return ""


def first_line(context: Path, name: str) -> str:
    """The first line of the script of this name in a build context, a carriage return at its end included."""
    for path in islice(context.rglob("*"), FILES):
        try:
            if path.name == name and path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    text = file.readline(LONGEST).decode("utf-8", "replace")
                if text.startswith("#!"):
                    return text.removesuffix("\n")
        except OSError:
            continue
    return ""


def _unknown(name: str) -> str:
    return ""


def image_name(deploy: Deploy, recorded: str) -> str:
    """How people call the image: the record holds the hash of its inputs where it was built here."""
    repository = deploy.image.repository
    return str(repository.name) if recorded.startswith("inputs:") and repository else recorded


def show(terminal: Terminal, diagnosis: Diagnosis, log_command: str) -> None:
    """Cause, evidence, fix, and the change to deploy.yaml. log_command: the command that shows what is cut of them."""
    cause = cut(diagnosis.cause, SHOWN)
    cause = cause if diagnosis.sure or not diagnosis.known else f"{cause} (not sure)"
    terminal.print(
        "  why      " + terminal.style(terminal.fold("  why      ", cause).removeprefix("  why      "), "bold")
    )
    for line in diagnosis.evidence:
        terminal.print(terminal.fold("  found    ", terminal.program(cut(line, SHOWN))))
    if any(len(text) > SHOWN for text in (diagnosis.cause, *diagnosis.evidence)):
        terminal.print(f"  (cut; the whole log: {log_command})")
    terminal.print(terminal.fold("  fix      ", diagnosis.fix))
    if diagnosis.change:
        terminal.print("  in deploy.yaml:")
        for line in diagnosis.change.splitlines():
            terminal.print(f"      {line}")
