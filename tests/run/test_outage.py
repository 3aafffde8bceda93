"""AWS out of reach for a minute, at any call of who sees a run through or looks at one: nothing is lost, all go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.task import _finished
from reconciler.core.errors import AwsError, Gone, Unreachable
from reconciler.core.function_settings import Retry
from reconciler.run.cap import Limits
from reconciler.run.deadline import Deadline
from reconciler.run.fleet import Fleet
from reconciler.run.follow import Follower
from reconciler.run.hand_over import Function
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.outage import OUTAGE, outlast
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Rules
from reconciler.run.stored import Changed
from reconciler.run.supervise import Supervisor
from tests.run.test_hand_over import FIRST, ID, TASK, Bucket, Quiet, kept, run, store

LIMITS = Limits(3600, None, "us-east-1")
RULES = Rules(("FARGATE",), Retry(0, 0, 0, (), 0.0, None, None), LIMITS)
LAUNCH = LaunchSettings(
    deploy="tiny", cluster="c", task_definition="arn:aws:ecs:us-east-1:123456789012:task-definition/f:1",
    container="main", subnets=("s",), security_group="g", public_ip=True, log_group="g", log_prefix="p",
    environment={}, deadline=Deadline("tiny", "c", "role", LIMITS),
)  # fmt: skip


class Cut(Bucket):
    """AWS, where the task ends after three seconds. Time passes where it is slept. at: the call from which on nothing
    is answered for a while. lost: that one was done all the same.
    """

    partition = "aws"
    FAILURES = (AwsError,)

    def __init__(self, at: int, *, lost: bool, lasts: float = 60.0) -> None:
        super().__init__()
        self.clock, self.time, self.count, self.until = self, 100.0, 0, 0.0  # type: ignore[assignment]
        self.at, self.answer_lost, self.lasts = at, lost, lasts
        self.launched_at = 0.0
        self.launches, self.token = 0, FIRST.token
        self.then: Callable[[], object] = lambda: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.01)
        if self.time > 110:
            then, self.then = self.then, lambda: None
            then()

    def each(self, read: Callable[[Any], Any], items: Any) -> list[Any]:
        return [read(item) for item in items]

    def _asked(self, service: str, operation: str, answer: Callable[[], Any]) -> Any:
        self.count += 1
        if self.count == self.at:
            self.until = self.time + self.lasts
            if self.answer_lost:
                answer()
        if self.time < self.until:
            self.time += 1
            raise Unreachable(service, operation, "Timeout", "no answer")
        return answer()

    def find(self, service: str, operation: str, **params: Any) -> Any:
        if service == "s3":
            return self._asked(service, operation, lambda: Bucket.find(self, service, operation, **params))
        return self._asked(service, operation, lambda: self._of_ecs(operation, **params))

    def call(self, service: str, operation: str, **params: Any) -> Any:
        if service == "s3":
            return self._asked(service, operation, lambda: Bucket.call(self, service, operation, **params))
        return self._asked(service, operation, lambda: self._of_ecs(operation, **params))

    def conditional(self, service: str, operation: str, **params: Any) -> Any:
        return self._asked(service, operation, lambda: self._written(**params))

    def ensure(self, service: str, operation: str, **params: Any) -> Any:
        return self._asked(service, operation, dict)

    def _written(self, **params: Any) -> Any:
        if "IfMatch" in params and params["Key"] in self.objects and self._etag(params["Key"]) == params["IfMatch"]:
            return Bucket.call(self, "s3", "PutObject", **params)
        return None

    def _of_ecs(self, operation: str, **params: Any) -> Any:
        if operation == "RunTask":
            (record,) = (json.loads(body) for key, body in self.objects.items() if key == f"runs/{ID}/run.json")
            assert record["attempts"][-1].get("event") is None, "recorded before"
            self.launches += not self.launched_at
            self.token = params["startedBy"]
            self.launched_at = self.launched_at or self.time
            return {"tasks": [self._task()]}
        if operation == "ListTasks":
            return {"taskArns": [TASK] if self.launched_at else []}
        if operation == "DescribeTasks":
            return {"tasks": [self._task()]}
        return {}

    def _task(self) -> dict[str, Any]:
        over = self.time > self.launched_at + 3
        return {
            "taskArn": TASK, "startedBy": self.token, "taskDefinitionArn": LAUNCH.task_definition, "clusterArn": "a/c",
            "lastStatus": "STOPPED" if over else "RUNNING", "stopCode": "EssentialContainerExited",
            "containers": [{"name": "main", "exitCode": 0}],
        }  # fmt: skip


def recorded(aws: Any, known: Run) -> None:
    """Somebody else has this recorded, who can reach AWS."""
    body = store(aws).body(known)
    for name in (ID, f"fingerprints/{known.fingerprint}.json"):
        Bucket.call(aws, "s3", "PutObject", Key=f"runs/{name}" + "/run.json" * (name == ID), Body=body)


def alone(aws: Any) -> Run:
    known = run(attempts=(FIRST,))
    recorded(aws, known)
    return Supervisor(aws, store(aws), RULES).finish(LAUNCH, known)


def again(aws: Any) -> Run:
    """Its first task was lost, and another is to be launched: each launch has its attempt recorded before."""
    known = run(attempts=(replace(FIRST, event=Event.INTERRUPTION, stopped=6.0),))
    recorded(aws, known)
    rules = replace(RULES, retry=Retry(0, 1, 0, (), 0.0, None, None))
    return Supervisor(aws, store(aws), rules).finish(LAUNCH, known)


def in_a_sweep(aws: Any) -> Run:
    screen = Quiet()
    screen.trouble = lambda text: None  # type: ignore[attr-defined]
    runs = store(aws)
    runs.flush = lambda pause=0.0: None  # type: ignore[method-assign]
    (ended,) = Fleet(Supervisor(aws, runs, RULES), LAUNCH, 1, screen).work([run(attempts=())])  # type: ignore[arg-type]
    return ended


def looked_at(aws: Any) -> Run:
    known = run(attempts=(replace(FIRST, task_arn=TASK),), state=State.RUNNING, unattended=True)
    recorded(aws, known)
    aws.launched_at = 100.0
    ended = replace(FIRST, task_arn=TASK, event=Event.SUCCESS, exit_code=0)
    aws.then = lambda: recorded(aws, replace(known, state=State.SUCCEEDED, attempts=(ended,)))
    return Follower(aws, store(aws), RULES, Function("f"), None).finish(LAUNCH, known)


@pytest.mark.parametrize("how", [alone, again, in_a_sweep, looked_at])
@pytest.mark.parametrize("lost", [False, True], ids=["", "and the answer is lost"])
def test_an_outage_at_any_call_ends_nothing(how: Callable[[Any], Run], lost: bool) -> None:
    calls = 1
    at = 0
    while at < calls:
        at += 1
        aws = Cut(at, lost=lost)
        ended = how(aws)
        calls = max(aws.count, calls) if aws.until else 0
        assert (at, ended.state, ended.reason) == (at, State.SUCCEEDED, "")
        aws.until = aws.at = 0
        assert (at, kept(aws).state, aws.launches) == (at, State.SUCCEEDED, int(how is not looked_at))
    assert at > 5


class Unlinked(Cut):
    """The same, where the deploy's function doesn't exist any more."""

    def call(self, service: str, operation: str, **params: Any) -> Any:
        if service == "lambda":
            raise Gone(service, operation, "ResourceNotFoundException", "no such function")
        return super().call(service, operation, **params)


@pytest.mark.parametrize("lost", [False, True], ids=["", "and the answer is lost"])
def test_an_outage_while_a_run_is_taken_back_ends_nothing(lost: bool) -> None:
    known = run(attempts=(replace(FIRST, event=Event.INTERRUPTION),), unattended=True)
    at = calls = 1
    while at <= calls:
        aws = Unlinked(at, lost=lost)
        recorded(aws, known)
        follower = Follower(aws, store(aws), RULES, Function("f"), None, takes_back=True)  # type: ignore[arg-type]
        with pytest.raises(Changed):
            follower.finish(LAUNCH, known)
        calls = max(calls, aws.count) if aws.until else 0
        aws.until = aws.at = 0
        assert (at, kept(aws).unattended) == (at, False)
        at += 1
    assert at > 5


def test_an_outage_after_somebody_else_has_gone_on_ends_nothing() -> None:
    """Who watches asks for the record once more."""
    aws, told = Cut(1, lost=False), list[str]()
    known = run(attempts=(replace(FIRST, task_arn=TASK),), state=State.RUNNING)
    recorded(aws, replace(known, state=State.STOPPED))

    def finish(launch: Any, run: Run, screen: Any) -> Run:
        if not run.state.over:
            raise Changed(run.id)
        return run

    runs = Runs(aws, "b", told.append)  # type: ignore[arg-type]
    screen: Any = SimpleNamespace(seer=SimpleNamespace(finish=finish))
    here: Any = SimpleNamespace(deploy=SimpleNamespace(schedule=None))
    looks = Follower(aws, runs, RULES, Function("f"), None)  # type: ignore[arg-type]
    assert _finished(screen, here, looks, LAUNCH, known).state is State.STOPPED
    assert told == [TOLD]


TOLD = "AWS doesn't answer as it should; running tasks continue: no answer"


def test_each_outage_is_told_of_and_only_once() -> None:
    """Many calls at the same time find out about the same."""
    aws, told = Cut(0, lost=False), list[str]()
    runs = Runs(aws, "b", told.append)  # type: ignore[arg-type]
    for number in (1, 2):
        for _ in range(3):
            aws.until = aws.time + 5
            runs.outlast(lambda: aws.find("s3", "GetObject", Key="k"))
        assert told == [TOLD] * number
        aws.time += 100


def test_not_for_ever() -> None:
    aws, told = Cut(1, lost=False, lasts=1e9), list[str]()
    with pytest.raises(Unreachable):
        outlast(aws, lambda: aws.find("s3", "GetObject", Key="k"), told.append)  # type: ignore[arg-type]
    assert OUTAGE <= aws.time - 100 < OUTAGE + 5
    assert told == [TOLD]
