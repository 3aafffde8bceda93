"""What is made of ECS's tasks: runs, attempts, costs; and that the record takes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.config.schema import Deploy
from reconciler.facts import Facts
from reconciler.lower import Names
from reconciler.lower.watcher import watched
from reconciler.prices import task_cost
from reconciler.run.record import Run, State
from reconciler.run.retry import Event
from reconciler.run.tasks import metrics_in, number_of, run_id_of, run_of, seconds_of
from reconciler.watched import Watched

ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/0123456789abcdef0123456789abcdef"
FACTS = Facts("123456789012", "aws", "vpc-1", ("subnet-1",))
HOOK = "arn:aws:ssm:us-east-1:123456789012:parameter/tiny/hook"


def settings(**more: Any) -> Watched:
    given = {"name": "tiny", "image": {"uri": "x"}, "schedule": {"when": "rate(1 day)"}}
    return watched(Names(Deploy.model_validate(given | more).filled(), FACTS))


CONTAINER = settings().container


def task(code: int | None = 0, **more: Any) -> dict[str, Any]:
    """A scheduled task that ran for two minutes."""
    given = [{"name": "RUN_ID", "value": "scheduled-1"}, {"name": "OUTPUT_URI", "value": "s3://b/out"}]
    container = {"name": CONTAINER} | ({} if code is None else {"exitCode": code})
    return {
        "taskArn": ARN, "taskDefinitionArn": "arn:x", "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "containers": [container], "cpu": "256",
        "memory": "512", "startedBy": "chronos-schedule/tiny-schedule", "capacityProviderName": "FARGATE",
        "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": given}]},
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC), "startedAt": datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        "stoppedAt": datetime(2026, 1, 1, 0, 3, tzinfo=UTC),
    } | more  # fmt: skip


COST = task_cost("us-east-1", "X86_64", 256, 512, 120)


@pytest.mark.parametrize(
    ("seen", "state", "event", "code", "reason", "cost"),
    [
        (task(), State.SUCCEEDED, Event.SUCCESS, 0, "", COST),
        (task(7), State.FAILED, Event.ERROR, 7, "Essential container in task exited", COST),
        (task(None), State.FAILED, Event.LOST, None, "Essential container in task exited", COST),
        (task(143, stopCode="UserInitiated", stoppedReason="by me"), State.STOPPED, Event.STOPPED, 143, "by me", COST),
        (task(143, stopCode="UserInitiated", stoppedReason="run.max_duration is over"), State.FAILED, Event.TIMEOUT,
         143, "run.max_duration is over", COST),
        (task(None, stopCode="TaskFailedToStart", stoppedReason="no image", startedAt=None), State.FAILED,
         Event.NOT_STARTED, None, "no image", task_cost("us-east-1", "X86_64", 256, 512, 0)),
        (task(lastStatus="RUNNING", stoppedAt=None), State.RUNNING, None, None, "", None),
        (task(capacityProviderName="mine"), State.SUCCEEDED, Event.SUCCESS, 0, "", None),
    ],
)  # fmt: skip
def test_the_run_of_a_task(
    seen: dict[str, Any], state: State, event: Event | None, code: int | None, reason: str, cost: float | None
) -> None:
    found = Run.model_validate(run_of(settings(), seen))
    (attempt,) = found.attempts
    assert (found.state, attempt.event, found.exit_code, found.reason, found.cost) == (state, event, code, reason, cost)
    assert (found.id, found.output, found.fingerprint, found.schedule) == (
        "scheduled-1",
        "s3://b/out",
        "",
        "tiny-schedule",
    )
    assert (attempt.number, attempt.token, attempt.launched) == (1, "scheduled-1-1", seen["createdAt"].timestamp())
    # What the record keeps is what was put there.
    assert found.model_dump(mode="json", exclude={"overrides"}) == run_of(settings(), seen)


def test_attempts_come_together() -> None:
    first = run_of(settings(), task(None, stopCode="SpotInterruption", capacityProviderName="FARGATE_SPOT"))
    again = task(startedBy="scheduled-1-2", createdAt=datetime(2026, 1, 1, 0, 5, tzinfo=UTC))
    both = run_of(settings(), again, first["attempts"])
    assert [(one["number"], one["token"], one["event"]) for one in both["attempts"]] == [
        (1, "scheduled-1-1", "interruption"), (2, "scheduled-1-2", "success"),
    ]  # fmt: skip
    assert (both["created"], both["state"], seconds_of(both)) == (first["created"], "succeeded", 240.0)
    assert both["cost"] == pytest.approx(2 * (COST or 0))
    # Seen once more, it is no third.
    assert run_of(settings(), again, both["attempts"])["attempts"] == both["attempts"]


@pytest.mark.parametrize(
    ("more", "run_id", "number"),
    [
        ({}, "scheduled-1", 1),
        ({"startedBy": None}, "scheduled-1", 1),
        ({"startedBy": "scheduled-1-12"}, "scheduled-1", 12),
        ({"startedBy": "scheduled-2-3"}, "scheduled-1", 1),
        ({"startedBy": "scheduled-1-x"}, "scheduled-1", 1),
        ({"overrides": {}}, "scheduled-0123456789abcdef", 1),
        ({"overrides": None, "startedBy": "scheduled-0123456789abcdef-2"}, "scheduled-0123456789abcdef", 2),
    ],
)
def test_which_run_and_which_attempt(more: dict[str, Any], run_id: str, number: int) -> None:
    seen = task(**more)
    assert (run_id_of(seen), number_of(seen)) == (run_id, number)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"rmse": 1, "auc": 0.5, "name": "x", "good": true}', {"rmse": 1.0, "auc": 0.5}),
        (b'{"metrics": {"rmse": 2}}', {"rmse": 2.0}),
        (b'{"metrics": [1, 2]}', {}),
        (b"[1, 2]", {}),
        (b"{", {}),
        (b"\xff\xfe", {}),
    ],
)
def test_metrics(text: bytes, found: dict[str, float]) -> None:
    assert metrics_in(text) == found


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"run": {"max_duration": "2h", "capacity": ["FARGATE_SPOT", "FARGATE"],
                 "retry": {"exit_codes": [75, 76], "error": 1, "within": "6h", "max_cost": 2.5}}},
        {"notify": {"on": "failure", "email": "a@example.com", "webhook": {"url_from": HOOK, "format": "json"}}},
        {"notify": {"webhook": HOOK}},
    ],
)  # fmt: skip
def test_what_the_function_is_told_comes_back_from_its_text(more: dict[str, Any]) -> None:
    told = settings(**more)
    assert Watched.read(told.text()) == told
    assert len(told.text()) < 3000, "Lambda takes 4 KB"
