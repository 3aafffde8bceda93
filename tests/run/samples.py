"""Tasks, runs and cases as tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.run.diagnosis import Case
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.state import State


def container(name: str = "main", code: int | None = 0, reason: str = "") -> dict[str, Any]:
    """A container as DescribeTasks shows it."""
    return {"name": name} | ({} if code is None else {"exitCode": code}) | ({"reason": reason} if reason else {})


def task(*containers: Mapping[str, Any], code: str = "EssentialContainerExited", reason: str = "") -> dict[str, Any]:
    """A stopped task."""
    stopped = {"lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "containers": list(containers)}
    return stopped | {
        "startedAt": datetime(2026, 1, 1, tzinfo=UTC),
        "stoppedAt": datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
    }


def case(**more: Any) -> Case:
    """A failed task of which nothing is known."""
    known: dict[str, Any] = {
        "event": Event.ERROR, "exit_code": 1, "reason": "", "log": (), "cpu": 1024, "memory": 2048,
        "architecture": "X86_64", "image": "my-image", "task_role": "my-task-role",
        "execution_role": "my-execution-role", "log_group": "/ecs/my-task",
    }  # fmt: skip
    return Case(**(known | more))


def attempt(number: int = 1, event: Event | None = Event.ERROR, provider: str = "FARGATE", **more: Any) -> Attempt:
    """An attempt that began a second after the one before."""
    defaults = {"exit_code": 1} if event is Event.ERROR else {}
    return Attempt(
        number=number, provider=provider, token=f"t-{number}", launched=number, event=event, **(defaults | more)
    )


def run(**more: Any) -> Run:
    """A run that succeeded."""
    known: dict[str, Any] = {
        "id": "20260101-000000-aaaaaaaa", "fingerprint": "a" * 64, "state": State.SUCCEEDED, "created": 0.0,
        "inputs": {}, "output": "s3://b/runs/x/output", "cluster": "c", "exit_code": 0,
        "attempts": (attempt(event=Event.SUCCESS),),
    }  # fmt: skip
    return Run(**(known | more))
