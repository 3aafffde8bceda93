"""Tasks of several containers: each line says whose it is, and the code is that of the one that ended the task."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.cli.target import Target
from reconciler.cli.task import TaskScreen
from reconciler.cli.terminal import Terminal
from reconciler.config.schema import Deploy
from reconciler.core.function_settings import Cap, Retry
from reconciler.core.prices import hourly
from reconciler.run.cap import Limits
from reconciler.run.logs import TaskLog
from reconciler.run.retry import Attempt, Event
from reconciler.run.run_record import Runs
from reconciler.run.step import Rules, to_stop
from reconciler.run.supervise import Supervisor
from reconciler.run.watch import LastLines, Watch
from tests.local_fixtures import REGION, EmbeddedAws
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session
from tests.run import samples


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.states: list[str] = []

    def state(self, task: Mapping[str, Any], state: str) -> None:
        self.states.append(state)

    def line(self, container: str, text: str, timestamp: float) -> None:
        self.lines.setdefault(container, []).append(text)

    def tick(self) -> None: ...

    def trouble(self, text: str) -> None:
        pytest.fail(text)

    def waiting(self, seconds: float) -> None: ...

    def enough(self) -> None: ...


def follow(
    embedded: EmbeddedAws, *containers: dict[str, Any], watcher: Callable[[Aws], TaskScreen] | None = None, **more: Any
) -> tuple[Any, Notes]:
    arn, notes = embedded.launch(embedded.register(*containers)), Notes()
    if to_stop := more.get("to_stop"):  # an hour later, as soon as a line was seen
        more["to_stop"] = lambda task, now: to_stop(task, now + (3600 if notes.lines else 0))
    aws = Aws(REGION, session=embedded.session, endpoint_url=embedded.endpoint_url)
    told = watcher(aws) if watcher else notes
    attempt = Attempt(1, "FARGATE", "t", aws.clock.now(), arn)
    log = TaskLog(aws, "/tests", "run", arn)
    end = Watch(aws, "tests", attempt, log, told, "main", **more).follow()
    LastLines(log, told, end).read()
    return end, notes


MAIN = "import sys, time\nprint('training', flush=True)\ntime.sleep(0.5)\nprint('trained')\nsys.exit({code})\n"
SIDE = "import time\nprint('ready', flush=True)\ntime.sleep(30)\n"


@pytest.mark.parametrize("code", [0, 37])
def test_the_sidecar_is_stopped_with_the_program(embedded_aws: EmbeddedAws, code: int) -> None:
    side = embedded_aws.container(embedded_aws.python_image(SIDE), "side")
    main = embedded_aws.container(embedded_aws.python_image(MAIN.format(code=code)), "main")
    verdict, notes = follow(embedded_aws, side, main)
    assert (verdict.exit_code, verdict.container) == (code, "main")
    assert verdict.event is (Event.ERROR if code else Event.SUCCESS)
    assert notes.lines == {"main": ["training", "trained"], "side": ["ready"]}


def test_a_sidecar_that_fails_without_being_essential(embedded_aws: EmbeddedAws) -> None:
    side = embedded_aws.container(
        embedded_aws.python_image("print('no')\nraise SystemExit(9)\n"), "side", essential=False
    )
    main = embedded_aws.container(embedded_aws.python_image(MAIN.format(code=0)), "main")
    verdict, notes = follow(embedded_aws, side, main)
    assert (verdict.exit_code, verdict.container, verdict.event) == (0, "main", Event.SUCCESS)
    assert notes.lines["side"] == ["no"]


def test_a_sidecar_that_ends_the_task(embedded_aws: EmbeddedAws) -> None:
    """The code is the program's, as for a sweep and the function, and that is what ECS ended it with."""
    side = embedded_aws.container(embedded_aws.python_image("print('broken')\nraise SystemExit(9)\n"), "side")
    main = embedded_aws.container(embedded_aws.python_image(SIDE), "main")
    verdict, _ = follow(embedded_aws, main, side)
    assert (verdict.exit_code, verdict.container, verdict.event) == (143, "main", Event.ERROR)


PRICE = hourly(REGION, "X86_64", 256, 512) or 0.0


@pytest.mark.parametrize(
    ("limits", "event"),
    [
        (Limits(3000, None, REGION), Event.TIMEOUT),
        (Limits(None, Cap(PRICE, public_ip=False, margin=90), REGION), Event.MAX_COST),
    ],
)
def test_a_task_that_runs_too_long_is_stopped_by_whoever_watches(
    embedded_aws: EmbeddedAws, limits: Limits, event: Event
) -> None:
    main = embedded_aws.container(embedded_aws.python_image(SIDE), "main")
    attempt = Attempt(1, "FARGATE", "t", 0.0, "arn")
    run = replace(samples.run(), inputs={"cpu": 256, "memory": 512}, attempts=(attempt,))
    verdict, notes = follow(embedded_aws, main, to_stop=lambda task, now: to_stop(run, limits, task, now))
    assert verdict.event is event
    assert notes.lines == {"main": ["ready"]}
    assert notes.states[-1] == "STOPPED"


def test_each_line_says_whose_it_is(embedded_aws: EmbeddedAws) -> None:
    side = embedded_aws.container(embedded_aws.python_image(SIDE), "side")
    main = embedded_aws.container(embedded_aws.python_image(MAIN.format(code=0)), "main")
    terminal, stream = Terminal(), io.StringIO()
    terminal.stream = stream
    deploy = Deploy.model_validate({"name": "tests", "image": {"uri": "x"}}).filled()

    rules = Rules(deploy.run.capacity, Retry(**deploy.run.retry.model_dump()), Limits(None, None, REGION))

    def screen(aws: Aws) -> TaskScreen:
        place = Path("deploy.yaml")
        where = Target(deploy, place.parent, place, None, embedded_aws.endpoint_url, None, threading.Event())
        return TaskScreen(terminal, where, aws, Supervisor(aws, Runs(aws, "none"), rules))

    verdict, _ = follow(embedded_aws, main, side, watcher=screen)
    assert verdict.exit_code == 0
    lines = [line.strip() for line in stream.getvalue().splitlines() if " | " in line]
    assert sorted(lines) == ["main | trained", "main | training", "side | ready"]
