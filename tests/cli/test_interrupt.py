"""Ctrl-C while AWS can't be reached: the task continues, and the command says how to come back to it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from reconciler.cli import sweep, task
from reconciler.cli.sweep import SweepWork
from reconciler.cli.task import watch
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import RunFailed
from reconciler.core.errors import Interrupted, ReconcilerError, Unreachable
from reconciler.run.run import Run
from reconciler.run.state import State

ID = "20260102-030405-aaaaaaaa"
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
    return target, SimpleNamespace(aws=SimpleNamespace(clock=clock, region="us-east-1"), names=None)


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
    monkeypatch.setattr(task, "supervisor", lambda *_: SimpleNamespace(finish=interrupt))
    monkeypatch.setattr(task, "follower", lambda *_: SimpleNamespace())
    runs: Any = SimpleNamespace(get=away)
    run = Run(id=ID, fingerprint="a" * 64, created=5.0, inputs={}, output="", cluster="c", state=State.RUNNING)
    with pytest.raises(ReconcilerError) as left:
        watch(Terminal(quiet=True), target, deployment, runs, SimpleNamespace(), run, option)  # type: ignore[arg-type]
    assert type(left.value) is kind
    assert str(left.value).startswith(says)
    assert (left.value.exit_code, left.value.hint) == (code, COME_BACK)


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
