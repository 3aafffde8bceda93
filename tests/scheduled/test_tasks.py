"""What is made of ECS's tasks: runs, attempts, costs; and that the record takes it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.config.resource_names import Facts
from reconciler.config.schema import Deploy
from reconciler.core.function_settings import Watched
from reconciler.core.prices import task_cost
from reconciler.core.run_paths import record_key
from reconciler.lower import Names
from reconciler.lower.scheduled_function import watched
from reconciler.run.metrics import metrics_in
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.scheduled_record import new_run, scheduled_id
from reconciler.run.state import State
from reconciler.run.step import spent
from reconciler.run.stored import from_json, to_json
from reconciler.run.verdict import judge
from reconciler.scheduled import aws

RUN = "scheduled-20260101-000000-0123abcd"
ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/0123456789abcdef0123456789abcdef"
FACTS = Facts("123456789012", "aws", "vpc-1", ("subnet-1",))
HOOK = "arn:aws:ssm:us-east-1:123456789012:parameter/tiny/hook"


def settings(**more: Any) -> Watched:
    given = {"name": "tiny", "image": {"uri": "x"}, "schedule": {"when": "rate(1 day)"}}
    return watched(Names(Deploy.model_validate(given | more).filled(), FACTS))


CONTAINER = settings().container


def task(code: int | None = 0, **more: Any) -> dict[str, Any]:
    """A scheduled task that ran for two minutes."""
    given = [{"name": "RUN_ID", "value": RUN}, {"name": "OUTPUT_URI", "value": "s3://b/out"}]
    container = {"name": CONTAINER} | ({} if code is None else {"exitCode": code})
    return {
        "taskArn": ARN, "taskDefinitionArn": "arn:x", "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "containers": [container], "cpu": "256",
        "memory": "512", "startedBy": "chronos-schedule/tiny-schedule", "capacityProviderName": "FARGATE",
        "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": given}]},
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC), "startedAt": datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        "stoppedAt": datetime(2026, 1, 1, 0, 3, tzinfo=UTC),
    } | more  # fmt: skip


COST = task_cost("us-east-1", "X86_64", 256, 512, 120) or 0.0


def ended(run: Run, seen: dict[str, Any]) -> Run:
    """The run whose newest attempt is this task."""
    return run.with_attempt(replace(judge(seen, (CONTAINER,)).ends(run.attempts[-1]), task_arn=seen["taskArn"]))


def test_what_is_written_is_what_the_record_reads() -> None:
    told = settings(run={"capacity": ["FARGATE_SPOT", "FARGATE"]})
    run = new_run(told, RUN, 5.0)
    assert run.attempts == (Attempt(1, "FARGATE_SPOT", f"{RUN}-1", 5.0),)
    run = ended(run, task(None, stopCode="SpotInterruption"))
    run = ended(run.with_attempt(Attempt(2, "FARGATE", f"{RUN}-2", 9.0)), task(3))
    run = replace(run, state=State.FAILED)
    read = from_json(to_json(run), record_key(RUN))
    assert read == run
    assert [(attempt.number, attempt.token, attempt.event, attempt.launched) for attempt in read.attempts] == [
        (1, f"{RUN}-1", Event.INTERRUPTION, 5.0), (2, f"{RUN}-2", Event.ERROR, 9.0),
    ]  # fmt: skip
    assert (read.state, read.schedule, read.task_arn) == (State.FAILED, "tiny-schedule", ARN)
    # Before, the function's records had no overrides.
    old = {key: value for key, value in json.loads(to_json(run)).items() if key != "overrides"}
    assert from_json(json.dumps(old).encode(), record_key(RUN)) == run
    assert read.seconds == 240.0


@pytest.mark.parametrize(
    ("attempts", "cost"),
    [
        ([{}], COST),
        ([{}, {}], 2 * COST),
        ([{}, {"task_arn": "", "stopped": None}], COST),
        ([{"provider": "mine"}], None),
        ([{"stopped": None, "event": Event.LOST}], None),
        ([{"stopped": None}], COST / 2),  # so far: the other minute is to come
        ([{"started": None}], task_cost("us-east-1", "X86_64", 256, 512, 180)),  # it was there, and never ran
        ([], 0.0),
    ],
)
def test_what_it_costs(attempts: list[dict[str, Any]], cost: float | None) -> None:
    usual: dict[str, Any] = {"task_arn": ARN, "provider": "FARGATE", "started": 60.0, "stopped": 180.0}
    run = new_run(settings(task={"cpu": 256, "memory": 512}), RUN, 0.0)
    run = replace(
        run, attempts=tuple(Attempt(number=1, token="t", launched=0.0, **usual | fields) for fields in attempts)
    )
    assert spent(run, "us-east-1", 120.0) == (None if cost is None else pytest.approx(cost))
    assert spent(run, "eu-north-1", 120.0) in (None, 0.0), "not known there"


def test_the_id_of_a_run_is_that_of_its_time_and_schedule() -> None:
    run_id = scheduled_id(settings(), "2026-03-22T18:59:43Z")
    assert re.fullmatch(r"scheduled-20260322-185943-[0-9a-f]{8}", run_id)
    assert scheduled_id(settings(), "2026-03-22T19:59:43+01:00") == run_id
    others = {"name": "other"}, {"schedule": {"when": "rate(1 day)", "name": "another"}}
    assert len({run_id, *(scheduled_id(settings(**changes), "2026-03-22T18:59:43Z") for changes in others)}) == 3
    with pytest.raises(ValueError):
        scheduled_id(settings(), "now")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"rmse": 1, "auc": 0.5, "name": "x", "good": true}', {"rmse": 1.0, "auc": 0.5}),
        (b'{"metrics": {"rmse": 2}}', {"rmse": 2.0}),
        (b'{"metrics": [1, 2]}', {}),
        (b"[1, 2]", {}),
        (b"{", {}),
        (b"\xff\xfe", {}),
    ],
)
def test_metrics(text: bytes, expected: dict[str, float]) -> None:
    assert metrics_in(text)[0] == expected


def test_a_variable_that_older_code_did_not_make_may_be_absent() -> None:
    variables = settings().variables()
    del variables["WORKERS"]
    assert Watched.read(variables) == settings()
    del variables["FAMILY"]
    with pytest.raises(KeyError):
        Watched.read(variables)


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
    variables = told.variables()
    assert Watched.read(variables) == told
    assert all(isinstance(value, str) for value in variables.values())
    assert len(json.dumps(variables)) < 3000, "Lambda takes 4 KB"


@pytest.mark.parametrize(("reason", "known"), [("MISSING", True), ("ACCESS_DENIED", False), (None, False)])
def test_a_task_that_ecs_could_not_describe_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, reason: str | None, known: bool
) -> None:
    answer = {"tasks": [], "failures": [{"arn": ARN} | ({"reason": reason} if reason else {})]}
    monkeypatch.setattr(aws, "_client", lambda service: SimpleNamespace(describe_tasks=lambda **params: answer))
    if known:
        assert aws.find("ecs", "DescribeTasks", cluster="c", tasks=[ARN]) == answer
    else:
        with pytest.raises(aws.FAILURES, match=f"{reason}.*{ARN}"):
            aws.find("ecs", "DescribeTasks", cluster="c", tasks=[ARN])
