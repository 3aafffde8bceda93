"""The function of a deploy in this process: called by hand, again and late, and stopped after any of its calls."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.scheduled import aws, why
from reconciler.scheduled.handler import handle
from tests.run.conftest import Lane, records
from tests.run.test_scheduled import NAME, fire
from tests.waiting import until


class Clock:
    """Time that passes, but for sleep. later: seconds by which it is ahead."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, sleep: Callable[[float], None], later: float = 0.0) -> None:
        self.sleep, self.later = sleep, later

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.later


class Skipping:
    """Time in which nothing is waited for: what is slept is skipped."""

    def __init__(self) -> None:
        self.later = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.later

    def sleep(self, seconds: float) -> None:
        """Skip them."""
        self.later += seconds


class Stopped(BaseException):
    """Lambda ends the function here."""


class Function:
    """The function, which EventBridge doesn't call. calls: to AWS, so far; stop: after which it is stopped; at: after
    which something else is done, and what.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane, self.calls, self.stop = lane, 0, 0
        self.at: tuple[int, Callable[[], None]] = (0, lambda: None)
        lane.client("events").disable_rule(Name="tiny-schedule-tasks")

    def settings(self) -> dict[str, str]:
        """What it is told."""
        live = self.lane.client("lambda").get_function(FunctionName=NAME)["Configuration"]
        told: dict[str, str] = live["Environment"]["Variables"]
        return told

    def set(self) -> None:
        """It is told what the file says by now, and still not called."""
        os.environ |= self.settings()
        self.lane.client("events").disable_rule(Name="tiny-schedule-tasks")

    def count(self, **more: Any) -> None:
        self.calls += 1
        if self.calls == self.at[0]:
            self.at[1]()
        if self.calls == self.stop:
            raise Stopped

    def called(self, event: Any, call_id: str = "") -> None:
        """Lambda calls it, and calls it again when it was stopped. call_id: the name of the call."""
        context = SimpleNamespace(aws_request_id=call_id)
        try:
            handle(event, context)
        except Stopped:
            handle(event, context)

    def due(self, when: str) -> None:
        """Scheduler calls it."""
        self.called({"launch": when})

    def ended(self, task: Any, call_id: str = "") -> None:
        """EventBridge calls it with the end of a task."""
        self.called({"detail": json.loads(json.dumps(task, default=lambda moment: moment.isoformat()))}, call_id)

    def task(self, number: int) -> Any:
        """The task of this attempt of the newest run, once it has ended."""
        arn = records(self.lane)[0]["attempts"][number - 1]["task_arn"]
        return until(lambda: [task for task in self.lane.tasks("STOPPED") if task["taskArn"] == arn], "its end")[0]

    def launched(self) -> Any:
        """The task that the schedule launches now, once it has ended."""
        before = {task["taskArn"] for task in self.lane.tasks()}
        fire(self.lane)
        return until(lambda: [task for task in self.lane.tasks("STOPPED") if task["taskArn"] not in before], "its end")[
            0
        ]


@contextmanager
def by_hand(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The function of the deploy that is there."""
    function, client = Function(lane), aws._client.__wrapped__

    def counted(service: str) -> Any:
        if service not in clients:
            clients[service] = client(service)
            clients[service].meta.events.register("after-call", function.count)
        return clients[service]

    clients: dict[str, Any] = {}
    where = {"AWS_ENDPOINT_URL": lane.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    with monkeypatch.context() as patched:
        patched.setattr(aws, "_client", counted)
        patched.setattr(why, "time", Skipping())  # last lines are there at once
        for name, value in {**function.settings(), **where, **lane.keys}.items():
            patched.setenv(name, value)
        for service in ("ecs", "logs", "s3", "scheduler", "sns", "ssm"):
            counted(service)
        for name in where:
            patched.delenv(name)
        yield function
    for name in schedules(lane):  # not all tasks are seen to their end
        lane.client("scheduler").delete_schedule(Name=name)


def schedules(lane: Lane) -> list[str]:
    """The names of all that runs have made."""
    names = [schedule["Name"] for schedule in lane.client("scheduler").list_schedules()["Schedules"]]
    return [name for name in names if name != "tiny-schedule"]


def deadlines(lane: Lane) -> list[str]:
    """Of those, the ones that stop tasks or go on after a pause; the others look at a run now and then."""
    return [name for name in schedules(lane) if not name.endswith("-look")]
