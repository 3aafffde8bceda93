"""What GitHub Actions shows and hands on: a job's summary as Markdown, and a step's outputs.

Used by itself where `GITHUB_ACTIONS` is true; each step names its own files in GITHUB_STEP_SUMMARY and GITHUB_OUTPUT.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.cli import markdown
from reconciler.cli.diagnose import diagnose
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal
from reconciler.core import plain_json, text
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Plan
from reconciler.core.run_paths import record_key
from reconciler.core.secret import KNOWN
from reconciler.engine.deployment import Deployment
from reconciler.engine.execute import Outcome
from reconciler.image.kind import ImageSpec
from reconciler.run.catalog import Catalog
from reconciler.run.job import place_of, runs_of
from reconciler.run.log_place import log_place
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.stored import from_json

HISTORY = 20  # runs whose metrics are drawn


def active() -> bool:
    """Whether this is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def plan(terminal: Terminal, page: str, planned: Plan) -> None:
    """The plan's Markdown as summary; `changes` says whether there are any."""
    if active():
        _summary(terminal, page)
        _outputs(terminal, {"changes": "true" if planned.changes else "false"})


def launched(terminal: Terminal, run: Run) -> None:
    """The run and its task as outputs as soon as there is a task: a job that is cancelled has them too."""
    if active():
        _outputs(terminal, {"run-id": run.id, "task-arn": run.task_arn})


def applied(
    terminal: Terminal, deployment: Deployment, target: Target, outcome: Outcome, answer: Mapping[str, Any]
) -> None:
    """How an apply ended. answer: what `apply --json` prints, with `verdict` and `run` or `sweep`."""
    if not active():
        return
    digest = _digest(outcome)
    run = _run(answer["run"]) if answer.get("run") else None
    verdict = answer["verdict"]
    outputs = {"result": verdict["result"], "exit-code": str(verdict["exit_code"]), "image-digest": digest}
    if run is not None:
        outputs |= {"run-id": run.id, "task-arn": run.task_arn, "results": run.output}
    _outputs(terminal, outputs)
    linked = target.endpoint is None
    if run is None:
        _summary(terminal, markdown.ended(deployment.deploy.name, answer))
        return
    try:
        past = Catalog(runs_of(deployment.aws, deployment.names, terminal.note)).newest(HISTORY)
    except ReconcilerError:
        past = []  # the picture of earlier runs is an extra
    why = None
    if run.state.over and run.state is not State.SUCCEEDED:
        why = diagnose(deployment.aws, deployment.deploy, run, target.base, target.local)
    place = place_of(deployment.deploy)  # for links; the record may say anything
    with suppress(ReconcilerError):
        place = log_place(deployment.aws, place, run)
    run = replace(
        run,
        reason=KNOWN.text(run.reason),  # before it is cut
        cluster=place.cluster,
        container=place.container,
        log_group=place.log_group,
        log_prefix=place.log_prefix,
    )
    image = f"{deployment.names.repository_uri}@{digest}" if digest else deployment.present_image
    _summary(terminal, markdown.run(run, verdict, deployment.aws.region, image, past[::-1], why, linked=linked))


def failed(terminal: Terminal, name: str, error: ReconcilerError) -> None:
    """Why an apply or a plan ended without having done its work."""
    if active():
        _summary(terminal, markdown.failed(name, error))


def _run(record: Mapping[str, Any]) -> Run:
    """The run that was printed."""
    return from_json(plain_json.write(record), record_key(record["id"]))


def _digest(outcome: Outcome) -> str:
    images = [attributes for address, attributes in outcome.attributes.items() if address.kind == ImageSpec.kind]
    return str(images[0].get("digest", "")) if images else ""


def _summary(terminal: Terminal, page: str) -> None:
    """Add it to what this step's summary has, as far as GitHub takes it: it drops a summary that is too large."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    size = Path(path).stat().st_size if path and Path(path).is_file() else 0
    page = KNOWN.hide(page)  # before it is cut
    _append(terminal, "GITHUB_STEP_SUMMARY", markdown.fit(page + "\n", markdown.SUMMARY - size))


def _outputs(terminal: Terminal, values: Mapping[str, str]) -> None:
    """One line each: a line break in a value would begin another output."""
    lines = (f"{name}={text.value(KNOWN.hide(value))}\n" for name, value in values.items())
    _append(terminal, "GITHUB_OUTPUT", "".join(lines))


def _append(terminal: Terminal, variable: str, addition: str) -> None:
    if not (path := os.environ.get(variable)):
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(addition)
    except OSError as error:
        terminal.note(f"{variable} can't be written: {error.strerror}")
