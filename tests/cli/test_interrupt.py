"""Ctrl-C, and losing sight of a run, while AWS can't be reached: the command says how to come back to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from reconciler.cli import sweep, task
from reconciler.cli.sweep import SweepWork
from reconciler.cli.task import watch
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import RunFailed
from reconciler.core.errors import EmbeddedAwsEnded, Interrupted, ReconcilerError, Unreachable
from reconciler.run.run import Run
from reconciler.run.state import State

ID = "20260102-030405-aaaaaaaa"
RUN = Run(id=ID, fingerprint="a" * 64, created=5.0, inputs={}, output="", cluster="c", state=State.RUNNING)
COME_BACK = f"follow it again: python -m reconciler watch {ID} --local\nend it: python -m reconciler stop {ID} --local"
SEE_THEM = "run the same command again for the rest\nsee them: python -m reconciler runs --local"


def away(*_: Any) -> NoReturn:
    raise Unreachable("s3", "GetObject", "not sent", "no network")


def interrupt(*_: Any) -> NoReturn:
    raise Interrupted("interrupted")


@pytest.fixture
def here(tmp_path: Path) -> tuple[Any, Any]:
    """A target and a deployment without AWS."""
    clock = SimpleNamespace(now=lambda: 0.0)
    target = SimpleNamespace(
        file=Path("deploy.yaml"), base=tmp_path, environment="", local=tmp_path, stop=threading.Event(), endpoint=None
    )
    deploy = SimpleNamespace(schedule=None)
    return target, SimpleNamespace(aws=SimpleNamespace(clock=clock, region="us-east-1"), names=None, deploy=deploy)


@dataclass
class Seer:
    """In a supervisor's place."""

    finish: Callable[..., NoReturn]
    before_end: object = None
    explains: object = None
    again: bool = True


@dataclass
class Looks:
    """In a follower's place."""

    function: object
    explains: object = None


def following(monkeypatch: pytest.MonkeyPatch, finish: Callable[..., NoReturn]) -> None:
    """Have a run be followed by this."""
    monkeypatch.setattr(task, "supervisor", lambda *_: Seer(finish))
    monkeypatch.setattr(task, "follower", lambda *_: Looks(SimpleNamespace(name="f")))


@pytest.mark.parametrize(
    ("option", "kind", "says", "code"),
    [
        ("stop", RunFailed, f"run {ID} isn't known to be stopped: s3:GetObject failed: ", 121),
        ("detach", Interrupted, f"detached; run {ID} continues", 130),
    ],
)
def test_a_run(
    option: str, kind: type[ReconcilerError], says: str, code: int, here: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target, deployment = here
    following(monkeypatch, interrupt)
    runs: Any = SimpleNamespace(get=away)
    with pytest.raises(ReconcilerError) as left:
        watch(Terminal(quiet=True), target, deployment, runs, SimpleNamespace(), RUN, option)  # type: ignore[arg-type]
    assert type(left.value) is kind
    assert str(left.value).startswith(says)
    assert (left.value.exit_code, left.value.hint) == (code, COME_BACK)


def test_no_way_back_is_named_to_what_has_ended(here: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: Any) -> NoReturn:
        raise EmbeddedAwsEnded("ecs", "DescribeTasks", "unreachable", "the embedded AWS has ended")

    target, deployment = here
    following(monkeypatch, end)
    runs: Any = SimpleNamespace(get=away)
    with pytest.raises(RunFailed, match=f"lost sight of run {ID}: .*the embedded AWS has ended") as left:
        watch(Terminal(quiet=True), target, deployment, runs, SimpleNamespace(), RUN)  # type: ignore[arg-type]
    assert left.value.hint == "launch it again: python -m reconciler apply --local"


@pytest.mark.parametrize(
    ("option", "kind", "says", "code"),
    [
        ("stop", RunFailed, "tasks of sweep-1 aren't known to be stopped: s3:GetObject failed: ", 121),
        ("detach", Interrupted, "detached; 1 tasks of sweep-1 go on", 130),
    ],
)
def test_a_sweep(
    option: str, kind: type[ReconcilerError], says: str, code: int, here: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target, deployment = here
    fleet = SimpleNamespace(work=interrupt, stop=away, active={ID: None})
    monkeypatch.setattr(sweep, "Fleet", lambda *_: fleet)
    monkeypatch.setattr(sweep, "supervisor", lambda *_: None)
    monkeypatch.setattr(sweep, "function_of", lambda *_: None)
    work = object.__new__(SweepWork)
    work.target, work.deployment, work.terminal, work.on_interrupt = target, deployment, Terminal(quiet=True), option
    work.id, work.sweep, work.max_parallel = "sweep-1", None, 1
    work.runs = SimpleNamespace(flush=lambda: None)  # type: ignore[assignment]
    work.launch, work.todo = SimpleNamespace(), [None]  # type: ignore[assignment, list-item]
    with pytest.raises(ReconcilerError) as left:
        work.finish()
    assert type(left.value) is kind
    assert str(left.value).startswith(says)
    assert (left.value.exit_code, left.value.hint) == (code, SEE_THEM)
