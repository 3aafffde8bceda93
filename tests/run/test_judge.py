"""Whose exit code it is."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.run.retry import Event
from reconciler.run.run_task import program_of, read_overrides
from reconciler.run.verdict import OVERDUE, judge
from tests.run.samples import container, task

OOM = "OutOfMemoryError: Container killed due to memory usage"
CASES: list[tuple[str, list[dict[str, Any]], tuple[str, ...], tuple[int | None, Event, str]]] = [
    ("one, good", [container(code=0)], (), (0, Event.SUCCESS, "main")),
    ("one, bad", [container(code=37)], (), (37, Event.ERROR, "main")),
    ("no code is a failure", [container(code=None)], (), (None, Event.LOST, "main")),
    ("no containers", [], (), (None, Event.LOST, "")),
    ("killed by itself", [container(code=137, reason=OOM)], (), (137, Event.ERROR, "main")),
    ("SIGTERM by itself", [container(code=143)], (), (143, Event.ERROR, "main")),
    ("the sidecar was stopped by ECS", [container("main", 5), container("side", 143)], (), (5, Event.ERROR, "main")),
    ("a good end, the sidecar killed", [container("side", 137), container("main", 0)], (), (0, Event.SUCCESS, "main")),
    ("not essential", [container("side", 1), container("main", 0)], ("main",), (0, Event.SUCCESS, "main")),
    ("none has that name", [container("side", 143), container("main", 5)], ("renamed",), (5, Event.ERROR, "main")),
    ("the sidecar that ended it", [container("main", 143), container("side", 3)], (), (3, Event.ERROR, "side")),
    ("out of memory beside one stopped", [container("main", 143), container("side", 137, OOM)], (),
     (137, Event.ERROR, "side")),
    ("both failed: one that has a code", [container("main", None), container("side", 2)], (), (2, Event.ERROR, "side")),
    ("not one has a code", [container("main", None), container("side", None)], (), (None, Event.LOST, "main")),
    ("not one essential is known", [container("main", 0), container("side", None)], (), (None, Event.LOST, "side")),
]  # fmt: skip


@pytest.mark.parametrize(("containers", "essential", "wanted"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_container_that_ended_it(
    containers: list[dict[str, Any]], essential: tuple[str, ...], wanted: tuple[int | None, Event, str]
) -> None:
    verdict = judge(task(*containers), essential)
    assert (verdict.exit_code, verdict.event, verdict.container) == wanted


def test_reasons_are_said_once() -> None:
    verdict = judge(task(container(code=137, reason=OOM), reason="Essential container in task exited"))
    assert verdict.reason == f"Essential container in task exited; {OOM}"
    failed = judge(task(container(code=None, reason="no"), code="TaskFailedToStart", reason="no"))
    assert failed.reason == "no"


def test_times_and_the_deadline() -> None:
    verdict = judge(task(container(code=143), code="UserInitiated", reason=f"Task stopped: {OVERDUE}"))
    assert verdict.event is Event.TIMEOUT
    assert verdict.started is not None
    assert verdict.stopped == verdict.started + 60


def told(name: str, **variables: str) -> dict[str, Any]:
    return {"name": name, "environment": [{"name": key, "value": value} for key, value in variables.items()]}


@pytest.mark.parametrize(
    ("containers", "program", "given"),
    [  # of a task's overrides; the file's name is `now`
        ([told("then", RUN_ID="r", S="25")], "then", {"S": "25"}),
        ([{"name": "side"}, told("then", S="25", RUN_ID="r", OUTPUT_URI="u")], "then", {"S": "25"}),
        ([told("side", S="1"), told("now", S="2")], "now", {"S": "2"}),  # ECS doesn't say
        ([{"name": "side"}], "now", {}),
        ([], "now", {}),
    ],
)
def test_the_container_of_the_program_is_what_its_launch_said(
    containers: list[dict[str, Any]], program: str, given: dict[str, str]
) -> None:
    launched = {"overrides": {"containerOverrides": containers}}
    assert (program_of(launched, "now"), read_overrides(launched, "now").environment) == (program, given)
