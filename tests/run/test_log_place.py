"""Where the lines of a run are, whatever the file says by now: by its definition, never by a record alone."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.run.last_lines import LATEST, QUIET
from reconciler.run.log_place import log_place
from reconciler.run.place import NotOurs, Place
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.scheduled import why
from tests.run.conftest import Lane, records
from tests.run.samples import run as a_run
from tests.scheduled.test_tasks import settings

NOW = Place("tiny", "tiny", "main", "/ecs/tiny", "ecs")
ARN = "arn:aws:ecs:us-east-1:123456789012:task-definition/"


def box(name: str, group: str, prefix: str | None = "ecs") -> dict[str, Any]:
    options = {"awslogs-group": group, **({"awslogs-stream-prefix": prefix} if prefix else {})}
    return {"name": name, "logConfiguration": {"logDriver": "awslogs", "options": options}}


class Ecs:
    """ECS with these definitions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known = {
            "tiny:1": [box("main", "/ecs/old", "before")], "tiny-again:2": [box("main", "/ecs/old")],
            "tiny:3": [box("former", "/ecs/tiny"), box("main", "/ecs/tiny")], "tiny:4": [box("main", "/ecs/old", None)],
            "prod:1": [box("main", "/ecs/prod")],
        }  # fmt: skip

    def find(self, service: str, operation: str, **params: Any) -> Any:
        self.asked.append(params["taskDefinition"])
        containers = self.known.get(params["taskDefinition"])
        return containers and {"taskDefinition": {"containerDefinitions": containers}}


# What the record says: group, prefix, container, definition; where it is read (None: nowhere); what ECS is asked.
TABLE: list[tuple[tuple[str, str, str, str], tuple[str, str, str] | None, list[str]]] = [
    (("/ecs/tiny", "ecs", "main", f"{ARN}tiny:1"), ("/ecs/tiny", "ecs", "main"), []),
    (("", "", "", ""), ("/ecs/tiny", "ecs", "main"), []),
    (("/ecs/old", "before", "main", f"{ARN}tiny:1"), ("/ecs/old", "before", "main"), ["tiny:1"]),
    (("/ecs/old", "", "", f"{ARN}tiny-again:2"), ("/ecs/old", "ecs", "main"), ["tiny-again:2"]),
    (("/ecs/tiny", "ecs", "former", f"{ARN}tiny:3"), ("/ecs/tiny", "ecs", "former"), ["tiny:3"]),
    # What the record says isn't believed.
    (("/ecs/prod", "ecs", "main", f"{ARN}tiny:1"), ("/ecs/old", "before", "main"), ["tiny:1"]),
    (("/ecs/prod", "ecs", "main", f"{ARN}prod:1"), None, []),
    (("/ecs/prod", "ecs", "main", "tiny"), None, []),
    (("/ecs/prod", "ecs", "main", f"{ARN}tiny:9"), None, ["tiny:9"]),
    (("/ecs/old", "ecs", "else", f"{ARN}tiny:1"), None, ["tiny:1"]),
    (("/ecs/old", "ecs", "main", f"{ARN}tiny:4"), None, ["tiny:4"]),
]


@pytest.mark.parametrize(("recorded", "wanted", "asked"), TABLE)
def test_where_it_is(
    recorded: tuple[str, str, str, str], wanted: tuple[str, str, str] | None, asked: list[str]
) -> None:  # fmt: skip
    group, prefix, container, definition = recorded
    run = replace(a_run(), log_group=group, log_prefix=prefix, container=container, task_definition=definition)
    ecs: Any = Ecs()
    if wanted is None:
        with pytest.raises(NotOurs, match=r"ECS has no task definition of tiny that says so"):
            log_place(ecs, NOW, run)
    else:
        found_place = log_place(ecs, NOW, run)
        assert (found_place.log_group, found_place.log_prefix, found_place.container) == wanted
    assert ecs.asked == asked


def test_lines_are_shown_whatever_the_file_says_by_now(lane: Lane) -> None:
    lane.write(".dockerignore", "deploy.yaml\n.reconciler\n")
    lane.program("import sys\nprint('begun')\nprint('No space left on device')\nsys.exit(3)\n")
    try:
        assert lane.run("apply", "--local").code == 3
        lane.program((lane.folder / "train.py").read_text(), deploy="logs: {group: /ecs/other, stream_prefix: two}\n")
        assert lane.run("logs", "--local").out == "begun\nNo space left on device\n"
        assert "disk is full" in lane.run("diagnose", "--local").out
        assert "  | begun" in lane.run("watch", "--local", "--from-start").out

        def under_way(run: dict[str, Any]) -> None:
            attempt = {key: run["attempts"][0][key] for key in ("number", "provider", "token", "launched", "task_arn")}
            run.update(state="running", attempts=[attempt], exit_code=None, why="")

        run_id = lane.recorded(under_way)
        began = time.monotonic()
        back = lane.run("apply", "--local")
        assert f"Following run {run_id}" in back.out
        assert back.out.count("  | No space left on device") == 1
        assert "waiting for the last lines" not in back.out
        assert time.monotonic() - began < 20
        assert lane.run("logs", "-f", "--local").out == "begun\nNo space left on device\n"

        # The same run, launched again by a client that the file has told something else.
        def at_its_launch(run: dict[str, Any]) -> None:
            attempt = {key: run["attempts"][0][key] for key in ("number", "provider", "token", "launched", "task_arn")}
            run.update(state="launching", attempts=[attempt | {"event": "interruption"}], exit_code=None, why="")

        lane.recorded(at_its_launch)
        assert lane.run("apply", "--local").code == 3
        (run, *_) = records(lane)
        assert (run["log_group"], run["log_prefix"], len(run["attempts"])) == ("/ecs/other", "two", 2)
        assert lane.run("logs", "--local").out == "begun\nNo space left on device\n"
    finally:
        (lane.folder / ".dockerignore").unlink()


@pytest.mark.parametrize(("refused", "waits"), [(False, True), (True, False)])
def test_a_function_that_may_not_read_it_does_not_wait(
    refused: bool, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its role has the log group of today."""
    slept, read = list[float](), list[str]()

    class Clock:
        @staticmethod
        def time() -> float:
            return 1e9 + sum(slept)

        @staticmethod
        def sleep(seconds: float) -> None:
            slept.append(seconds)

    def find(service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        read.append(f"{params['logGroupName']} {params.get('logStreamName') or params['logStreamNamePrefix']}")
        if refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return None

    monkeypatch.setattr(why, "time", Clock)
    monkeypatch.setattr(why, "find", find)
    attempt = Attempt(1, "FARGATE", "t", 1e9, "task/tiny/0a", Event.ERROR, 3, "", 1e9 - 60, 1e9)
    run: Run = replace(
        a_run(), state=State.FAILED, attempts=(attempt,), exit_code=3, log_group="/ecs/old", log_prefix="before",
        container="main",
    )  # fmt: skip
    assert not why.why(settings(), run).known
    assert set(read) == {"/ecs/old before/main/0a"}
    assert bool(slept) is waits


@pytest.mark.parametrize(("stream", "waited"), [({}, QUIET), ({"firstEventTimestamp": 1}, LATEST)])
def test_the_function_waits_for_last_lines_as_apply_does(
    stream: dict[str, Any], waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For none where CloudWatch says that there never was one, and for all where it says that there are."""
    slept = list[float]()
    clock = SimpleNamespace(time=lambda: 1e9 + sum(slept), sleep=slept.append)
    monkeypatch.setattr(why, "time", clock)
    monkeypatch.setattr(why, "find", lambda service, operation, **params: {"logStreams": [stream], "events": []})
    memory = "OutOfMemoryError: Container killed due to memory usage"
    attempt = Attempt(1, "FARGATE", "t", 1e9, "task/tiny/0a", Event.ERROR, 137, memory, 1e9 - 60, 1e9)
    failed = replace(a_run(), state=State.FAILED, attempts=(attempt,), exit_code=137)
    assert why.why(settings(), failed).known
    assert sum(slept) == pytest.approx(waited)
