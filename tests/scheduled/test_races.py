"""What the function does while somebody else stops a run, takes it back or launches another: AWS in this process."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from reconciler.core.function_settings import AGAIN, GIVEN, GROUP, LAUNCH, START, TRIED, WORKER_TRIES, Tell, Watched
from reconciler.core.run_paths import fingerprint_key, record_key, told_key
from reconciler.run import webhook
from reconciler.run.crew import WORKERS_TAG
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.scheduled_record import scheduled_id
from reconciler.run.state import State
from reconciler.run.stored import from_json, to_json
from reconciler.run.webhook import TRIES, NotSent, TryAgain
from reconciler.scheduled import aws, function_launch, record, see
from reconciler.scheduled import tell as telling_of
from reconciler.scheduled import workers as of_workers
from reconciler.scheduled.handler import handle
from tests.run.by_hand import Skipping
from tests.scheduled.test_tasks import settings

BUCKET, MARK = "tiny-bucket", "a" * 64
ID = f"20260102-030405-{MARK[:8]}"
FIRST = Attempt(1, "FARGATE", f"{ID}-1", 1.0)
PLACE = "arn:aws:ecs:us-east-1:123456789012:task/tiny"
NOTHING: dict[str, Any] = {"environment": {}, "cpu": None, "memory": None, "command": None}


class Aws:
    """One client for all services. at: what is done before the next call of an operation, each once."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.at = watched, dict[str, Callable[[], None]]()
        self.objects: dict[str, bytes] = {}
        self.tasks: dict[str, dict[str, Any]] = {}  # by token
        self.schedules: dict[str, str] = {}  # the input of each
        self.times: dict[str, float] = {}  # when each is due
        self.launched: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)
        self.marked: list[str] = []  # keys of objects
        self.full = True  # no worker finds room
        self.now = time.time

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**params: Any) -> dict[str, Any]:
            self.at.pop(operation, lambda: None)()
            if operation in ("create_schedule", "update_schedule", "delete_schedule"):
                return self._schedule(operation, **params)
            answer: dict[str, Any] = getattr(self, f"_{operation}")(**params)
            return answer

        return call

    def _error(self, code: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": code}}, "X")

    def _get_object(self, Key: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise self._error("NoSuchKey")
        body = self.objects[Key]
        return {"Body": io.BytesIO(body), "ETag": hashlib.md5(body, usedforsecurity=False).hexdigest()}

    def _put_object(self, Key: str, Body: bytes, **more: Any) -> dict[str, Any]:  # noqa: N803
        there = self._get_object(Key)["ETag"] if Key in self.objects else None
        if (more.get("IfMatch") not in (None, there)) or (more.get("IfNoneMatch") and there):
            raise self._error("PreconditionFailed")
        self.objects[Key] = bytes(Body)
        return {"ETag": self._get_object(Key)["ETag"]}

    def _list_objects_v2(self, **more: Any) -> dict[str, Any]:
        return {"Contents": [], "IsTruncated": False, "KeyCount": 0}

    def _list_object_versions(self, **more: Any) -> dict[str, Any]:
        return {"Versions": [{"Key": f"runs/{ID}/checkpoint", "IsLatest": True}]}

    def _put_object_tagging(self, Key: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        self.marked.append(Key)
        return {}

    def _run_task(self, **asked: Any) -> dict[str, Any]:
        self.launched.append(asked)
        token, watched = asked["clientToken"], self.watched
        if self.full and asked["startedBy"].endswith("/workers"):
            return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}
        place = f"arn:aws:ecs:us-east-1:123456789012:task/{watched.cluster}"
        made = self.tasks.setdefault(token, {
            "taskArn": f"{place}/{next(self.numbers):032x}", "startedBy": asked["startedBy"], "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING", "clusterArn": f"arn:aws:ecs:us-east-1:123456789012:cluster/{watched.cluster}",
            "taskDefinitionArn": f"arn:aws:ecs:us-east-1:123456789012:task-definition/{asked['taskDefinition']}",
            "overrides": asked["overrides"], "containers": [], "createdAt": datetime.fromtimestamp(self.now(), UTC),
        })  # fmt: skip
        return {"tasks": [made]}

    def _describe_tasks(self, tasks: list[str], **more: Any) -> dict[str, Any]:
        ids = {arn.rpartition("/")[2] for arn in tasks}
        return {"tasks": [task for task in self.tasks.values() if task["taskArn"].rpartition("/")[2] in ids]}

    def _list_tasks(self, startedBy: str, desiredStatus: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        task = self.tasks.get(startedBy)
        return {"taskArns": [task["taskArn"]] if task and task["desiredStatus"] == desiredStatus else []}

    def _describe_task_definition(self, taskDefinition: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        container = {"environment": [{"name": "DASK_WORKERS", "value": "1"}]}
        definition = {"containerDefinitions": [container], "cpu": "256", "memory": "512"}
        return {"taskDefinition": definition, "tags": [{"key": WORKERS_TAG, "value": f"{taskDefinition}-workers"}]}

    def _stop_task(self, task: str, **more: Any) -> dict[str, Any]:
        (stopped,) = self._describe_tasks([task])["tasks"]
        stopped.update(desiredStatus="STOPPED")
        return {}

    def _schedule(self, operation: str, Name: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        if operation == "create_schedule" and Name in self.schedules:
            raise self._error("ConflictException")
        if operation != "create_schedule" and Name not in self.schedules:
            raise self._error("ResourceNotFoundException")
        self.schedules.pop(Name, None)
        if operation != "delete_schedule":
            self.schedules[Name] = more["Target"]["Input"]
            due = re.fullmatch(r"at\((.*)\)", more["ScheduleExpression"])
            self.times[Name] = datetime.fromisoformat(due[1]).replace(tzinfo=UTC).timestamp() if due else 0.0
        return {}

    def write(self, run: Run) -> None:
        """Have somebody else record a run, and that it is the newest with its fingerprint."""
        self.objects |= dict.fromkeys((record_key(run.id), fingerprint_key(run.fingerprint)), to_json(run))

    def read(self) -> Run:
        """The run as it is recorded."""
        return from_json(self.objects[record_key(ID)], record_key(ID))

    @property
    def running(self) -> int:
        """How many tasks nobody has stopped."""
        return sum(task["desiredStatus"] == "RUNNING" for task in self.tasks.values())


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Aws]:
    def made(**more: Any) -> Aws:
        watched = replace(settings(), bucket=BUCKET, **more)
        fake = Aws(watched)
        monkeypatch.setattr(aws, "_client", lambda service: fake)
        for name, value in {**watched.variables(), GROUP: "sg-1"}.items():
            monkeypatch.setenv(name, value)
        record._store.cache_clear()
        return fake

    return made


def run(watched: Watched, **more: Any) -> Run:
    known: dict[str, Any] = {"state": State.LAUNCHING, "unattended": True, "attempts": (FIRST,), **more}
    return Run(
        id=ID, fingerprint=MARK, created=1.0, inputs={"cpu": 256, "memory": 512}, output=f"s3://{BUCKET}/runs/{ID}/output",
        cluster=watched.cluster, container=watched.container,
        task_definition=f"arn:aws:ecs:us-east-1:123456789012:task-definition/{watched.family}:1", **known,
    )  # fmt: skip


def start(given: Any = NOTHING) -> None:
    handle({START: ID, GIVEN: given}, None)


def test_stopped_between_its_launch_and_its_record(make: Callable[..., Aws]) -> None:
    """`stop` reads a record without a task, and writes that the run is stopped: its task is stopped, too."""
    fake = make()
    fake.write(run(fake.watched))
    stopped = run(fake.watched, state=State.STOPPED)

    def when_recorded() -> None:  # the next write is that of the task's ARN
        fake.at["put_object"] = lambda: fake.write(stopped)

    fake.at["run_task"] = when_recorded
    start()
    assert (fake.read().state, fake.running) == (State.STOPPED, 0)


def test_stopped_after_the_function_died_behind_its_launch(make: Callable[..., Aws]) -> None:
    fake = make(checkpoint=True)
    fake.write(run(fake.watched))

    def die() -> None:
        raise SystemExit

    fake.at["run_task"] = lambda: fake.at.update(get_object=die)
    with pytest.raises(SystemExit):
        start()
    fake.write(run(fake.watched, state=State.STOPPED))
    start(None)  # as `stop` does
    assert (fake.running, fake.marked) == (0, [f"runs/{ID}/checkpoint"])


def test_a_scheduled_run_stopped_after_the_function_died(make: Callable[..., Aws]) -> None:
    """Lambda calls it again, and the task that nobody has recorded is stopped."""
    fake, due = make(), "2026-01-02T03:04:05Z"

    def die() -> None:
        raise SystemExit

    fake.at["run_task"] = lambda: fake.at.update(get_object=die)
    with pytest.raises(SystemExit):
        handle({LAUNCH: due}, None)
    key = record_key(scheduled_id(fake.watched, due))
    fake.objects[key] = to_json(replace(from_json(fake.objects[key], key), state=State.STOPPED))
    assert fake.running == 1
    handle({LAUNCH: due}, None)
    assert fake.running == 0


@pytest.mark.parametrize("operation", ["run_task", "get_object"])
def test_what_a_client_took_back_is_the_clients(make: Callable[..., Aws], operation: str) -> None:
    fake = make()
    fake.write(run(fake.watched))
    back = run(fake.watched, unattended=False)
    fake.at["run_task"] = lambda: fake.at.update({operation: lambda: fake.write(back)})
    if operation == "run_task":
        fake.at["run_task"] = lambda: fake.write(back)
    start()
    assert fake.read() == back


@pytest.mark.parametrize("gone_on", [True, False], ids=["without it", "and was stopped"])
def test_a_function_that_fell_behind_leaves_no_task(make: Callable[..., Aws], gone_on: bool) -> None:
    """It stood still before RunTask, and a client that had the run meanwhile has given the attempt up."""
    fake = make()
    fake.write(run(fake.watched))
    second = Attempt(2, "FARGATE", f"{ID}-2", 2.0, task_arn=f"{PLACE}/{'0' * 32}")
    attempts = (replace(FIRST, event=Event.NO_CAPACITY), *([second] if gone_on else []))
    meanwhile = run(fake.watched, attempts=attempts, state=State.RUNNING if gone_on else State.STOPPED)
    fake.at["run_task"] = lambda: fake.write(meanwhile)
    start()
    assert (fake.read().attempts, fake.running) == (attempts, 0)


def test_a_late_end_leaves_the_record_of_a_newer_run(make: Callable[..., Aws]) -> None:
    """Its user had it again since, which the next `apply` comes back to."""
    fake = make()
    ended = replace(FIRST, event=Event.NOT_STARTED, reason="no image")
    fake.write(run(fake.watched, attempts=(ended,)))
    newer = to_json(replace(run(fake.watched), id=f"{ID}-2", attempts=()))
    fake.objects[fingerprint_key(MARK)] = newer
    start()
    assert (fake.read().state, fake.objects[fingerprint_key(MARK)]) == (State.FAILED, newer)


def test_a_size_that_only_its_record_says(make: Callable[..., Aws]) -> None:
    """Who may write records has nothing launched that costs more."""
    fake = make()
    fake.write(run(fake.watched, attempts=(replace(FIRST, cpu=16384, memory=122880),)))
    start()
    (asked,) = fake.launched
    assert "cpu" not in asked["overrides"]


def test_what_a_task_was_is_recorded_though_it_ended_before_its_launch_was(make: Callable[..., Aws]) -> None:
    """The event of its end comes first: a rollback's definition has a size of its own, which only ECS says."""
    fake = make()
    launched = {"clientToken": FIRST.token, "startedBy": FIRST.token, "taskDefinition": f"{fake.watched.family}:7"}
    (task,) = fake._run_task(**launched, overrides={})["tasks"]
    task |= {"lastStatus": "STOPPED", "stopCode": "EssentialContainerExited", "cpu": "512", "memory": "1024"}
    task["containers"] = [{"name": fake.watched.container, "exitCode": 0}]
    fake.write(run(fake.watched))
    handle({"detail": task}, None)
    over = fake.read()
    assert (over.state, over.inputs["cpu"], over.inputs["memory"]) == (State.SUCCEEDED, 512, 1024)
    assert (over.task_arn, over.task_definition) == (task["taskArn"], task["taskDefinitionArn"])


def test_a_definition_of_another_family_is_not_launched(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = make(retries=0)
    monkeypatch.setattr(function_launch, "time", Time())
    other = "arn:aws:ecs:us-east-1:123456789012:task-definition/other:7"
    fake.write(replace(run(fake.watched), task_definition=other))
    start()
    assert (fake.launched, fake.read().state) == ([], State.FAILED)
    assert "other:7" in fake.read().reason


@pytest.mark.parametrize("renamed", ["cluster", "family"])
def test_a_task_where_the_deploy_was_before_is_not_lost(make: Callable[..., Aws], renamed: str) -> None:
    """It runs: that nothing is known of it here says nothing."""
    fake = make()
    fake.write(run(fake.watched))
    start()
    before = fake.read()
    again = make(**{renamed: "renamed"})
    again.objects, again.tasks = fake.objects, fake.tasks
    start(None)
    assert again.read() == before


def test_a_deadline_that_another_launch_took_away_is_made_again(make: Callable[..., Aws]) -> None:
    fake = make(max_duration=3600)
    fake.write(run(fake.watched))
    start()
    name = f"tiny.{ID}-1"
    first = fake.schedules[name]
    fake.schedules.clear()
    start(None)
    assert (fake.schedules[name], json.loads(first)["Task"]) == (first, fake.read().task_arn)


class Time:
    """In which nothing is waited for."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.passes = 0.0  # seconds in each pause

    def time(self) -> float:
        return time.time() + len(self.slept) * self.passes

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize("refused", [1, 3, 4])
def test_a_refused_launch_is_tried_again_whatever_the_schedule_says_of_its_runs(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    fake, clock = make(retries=0), Time()
    monkeypatch.setattr(function_launch, "time", clock)
    fake.write(run(fake.watched))
    times = iter(range(refused))

    def refuse() -> None:
        if next(times, None) is not None:
            fake.at["run_task"] = refuse
            raise fake._error("ThrottlingException")

    fake.at["run_task"] = refuse
    start()
    assert (fake.running, fake.read().state) == ((1, State.RUNNING) if refused < 4 else (0, State.FAILED))
    assert len(clock.slept) == min(refused, 3)


def test_a_launch_of_the_schedule_is_tried_as_often_as_it_says(make: Callable[..., Aws]) -> None:
    fake, due = make(retries=0), "2026-01-02T03:04:05Z"

    def refuse() -> None:
        raise fake._error("ThrottlingException")

    fake.at["run_task"] = refuse
    handle({LAUNCH: due}, None)
    assert (fake.launched, fake.schedules) == ([], {})


def test_workers_without_room_are_tried_by_further_calls(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the client died after its program's task had begun, so that no event tells of it."""
    fake = make()
    clock = [time.time()]
    for module in (of_workers, see):
        monkeypatch.setattr(module.time, "time", lambda: clock[0])
        monkeypatch.setattr(module.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    fake._run_task(clientToken=FIRST.token, startedBy=FIRST.token, taskDefinition=f"{fake.watched.family}:1",
                    overrides={})  # fmt: skip
    task = fake.tasks[FIRST.token]
    task["containers"] = [{"name": "main", "networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]}]
    inputs = {"workers": {"engine": "dask", "count": 1, "cpu": 256, "memory": 512}}
    begun = replace(FIRST, task_arn=task["taskArn"], launched=clock[0])
    fake.write(replace(run(fake.watched, state=State.RUNNING, attempts=(begun,)), inputs=inputs))
    start()
    look = json.loads(fake.schedules[f"tiny.{ID}-look"])

    def further() -> list[Any]:
        names = [name for name in fake.schedules if "-workers-" in name]
        return [json.loads(fake.schedules.pop(name)) for name in names]

    for number in range(1, 3):
        (asked,) = further()
        assert (asked[AGAIN], asked[TRIED]) == (FIRST.token, number)
        handle(asked, None)
    assert all(launch["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE" for launch in fake.launched[1:])
    further()
    for last in ({**asked, TRIED: WORKER_TRIES - 1}, look):
        handle(last, None)
        assert further() == []
    fake.full = False
    handle(asked, None)
    assert further() == []
    assert [task["startedBy"] for task in fake.tasks.values()][1:] == [f"{FIRST.token}/workers"]


@pytest.mark.parametrize("recorded", ["then", ""], ids=["recorded", "by older code"])
@pytest.mark.parametrize("given", [NOTHING, None])
@pytest.mark.parametrize("code", [0, 3])
def test_its_container_may_have_another_name_in_the_file_by_now(
    make: Callable[..., Aws], recorded: str, given: Any, code: int
) -> None:
    """The end counts, and a retry has the container of the definition that it is launched with."""
    fake = make(container="now", retry=replace(settings().retry, error=1, backoff=0))
    variables = [{"name": "RUN_ID", "value": ID}, {"name": "S", "value": "25"}]
    overrides = {"containerOverrides": [{"name": "then", "environment": variables}]}
    launched = {"clientToken": FIRST.token, "startedBy": FIRST.token, "taskDefinition": f"{fake.watched.family}:1"}
    (task,) = fake._run_task(**launched, overrides=overrides)["tasks"]
    task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited"}
    task["containers"] = [{"name": "then", "exitCode": code}]
    under_way = run(fake.watched, state=State.RUNNING, attempts=(replace(FIRST, task_arn=task["taskArn"]),))
    fake.write(replace(under_way, container=recorded))
    start(given)
    first, *more = fake.read().attempts
    assert (first.exit_code, first.event) == (code, Event.ERROR if code else Event.SUCCESS)
    assert len(more) == len(fake.launched) - 1 == bool(code)
    if code and recorded:
        (override,) = fake.launched[1]["overrides"]["containerOverrides"]
        told = {pair["name"]: pair["value"] for pair in override["environment"]}
        assert (override["name"], told.get("S")) == ("then", None if given else "25")


@pytest.mark.parametrize(
    "late", ["recorded long ago", "tried again and again", "after a launch that left its schedule"]
)
def test_a_late_launch_has_all_of_its_time(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """Whenever it was recorded, and however long its launch was refused: its deadline counts from the launch."""
    fake, clock, name = make(max_duration=60), Time(), f"tiny.{ID}-1"
    monkeypatch.setattr(function_launch, "time", clock)
    began = time.time()
    recorded = replace(FIRST, launched=began if late == "tried again and again" else began - 5000)
    fake.write(run(fake.watched, attempts=(recorded,)))
    if late.startswith("after"):
        fake.schedules[name], fake.times[name] = "{}", began + 1
    if late.startswith("tried"):
        clock.passes = 100.0

        def refuse() -> None:
            raise fake._error("ThrottlingException")

        fake.at["run_task"] = refuse
        fake.now = clock.time
    start()
    (attempt,) = fake.read().attempts
    assert json.loads(fake.schedules[name])["Task"] == attempt.task_arn
    launched = began + len(clock.slept) * clock.passes
    assert fake.times[name] + 1 - launched >= 60
    assert fake.times[name] - launched < 200
    assert attempt.launched >= launched - 1


UNCLEAR = ReadTimeoutError(endpoint_url="https://ecs")
BROKEN = ClientError({"Error": {"Code": "ServerException"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "RunTask")
RETRIED = ClientError({"Error": {"Code": "ThrottlingException"},
                       "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": 3}}, "RunTask")  # fmt: skip
REFUSED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "RunTask")


@pytest.mark.parametrize(
    ("errors", "shown"),
    [  # of RunTask, which launches at the first; and at which look ECS shows its task
        ([UNCLEAR], 1),
        ([UNCLEAR], 4),
        ([BROKEN], 3),
        ([RETRIED], 2),
        ([UNCLEAR, REFUSED], 3),
        ([REFUSED], 1),  # by a call before, that was stopped
    ],
)
@pytest.mark.parametrize("then", ["goes on", "is stopped", "can't be asked"])
def test_a_task_that_was_launched_without_an_answer_is_accounted_for(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, errors: list[Exception], shown: int, then: str
) -> None:
    fake, looks, answers = (
        make(max_duration=3600),
        itertools.count(1),
        itertools.chain(errors, itertools.repeat(errors[-1])),
    )
    monkeypatch.setattr(function_launch, "time", Time())
    fake.write(run(fake.watched))
    run_task, list_tasks = fake._run_task, fake._list_tasks

    def launched(**asked: Any) -> dict[str, Any]:
        run_task(**asked)
        if then == "is stopped" and len(fake.launched) == len(errors):
            fake.write(run(fake.watched, state=State.STOPPED))
        raise next(answers)

    def listed(**asked: Any) -> dict[str, Any]:
        if then == "can't be asked":
            raise REFUSED
        look = next(looks) if asked["desiredStatus"] == "RUNNING" else 9
        return list_tasks(**asked) if look >= shown else {"taskArns": []}

    monkeypatch.setattr(fake, "_run_task", launched)
    monkeypatch.setattr(fake, "_list_tasks", listed)
    if then == "can't be asked":
        with pytest.raises(ClientError):
            start()
    else:
        start()
    (task,) = fake.tasks.values()
    known = fake.read()
    if then == "is stopped":
        assert (known.state, fake.running) == (State.STOPPED, 0)
        return
    assert (known.state, known.task_arn) == (
        (State.RUNNING, task["taskArn"]) if then == "goes on" else (State.LAUNCHING, "")
    )
    assert f"tiny.{ID}-1" in fake.schedules, "its deadline"


class Heard:
    """Who is told. busy: how often the webhook answers 503 before it takes a message."""

    def __init__(self, busy: int) -> None:
        self.busy, self.webhook, self.sns, self.clock = busy, 0, 0, Skipping()

    def send(self, url: str, body: bytes) -> None:
        if self.busy:
            self.busy -= 1
            raise TryAgain("the webhook answered 503")
        self.webhook += 1


def telling(make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, busy: int) -> tuple[Aws, Heard]:
    """A run that has ended, and whom the function tells of it."""
    hook = "arn:aws:ssm:us-east-1:123456789012:parameter/tiny/hook"
    fake, heard = make(tell=Tell("both", "arn:topic", hook, "json")), Heard(busy)

    def publish(**asked: Any) -> dict[str, Any]:
        heard.sns += 1
        return {}

    monkeypatch.setattr(fake, "_publish", publish, raising=False)
    monkeypatch.setattr(fake, "_get_parameter", lambda **a: {"Parameter": {"Value": "https://hook"}}, raising=False)
    monkeypatch.setattr(webhook, "send", heard.send)
    monkeypatch.setattr(telling_of, "time", heard.clock)
    ended = replace(FIRST, event=Event.SUCCESS, exit_code=0, task_arn=f"{PLACE}/1")
    fake.write(run(fake.watched, state=State.SUCCEEDED, exit_code=0, attempts=(ended,)))
    return fake, heard


def called(call_id: str) -> None:
    handle({START: ID, GIVEN: None}, SimpleNamespace(aws_request_id=call_id))


@pytest.mark.parametrize(("busy", "failing"), [(0, 0), (TRIES - 1, 0), (TRIES, 1), (3 * TRIES + 1, 3), (999, 3)])
def test_a_webhook_that_is_busy_for_a_while_is_told_later(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, busy: int, failing: int
) -> None:
    """Lambda calls the function again, twice, and Scheduler once more after 20 minutes: then it is given up."""
    fake, heard = telling(make, monkeypatch, busy)
    for _ in range(failing):
        with pytest.raises(NotSent):
            called("a")
        assert f"tiny.{ID}-look" in fake.schedules, "that somebody tells of it"
    if failing == 3:
        heard.clock.later = 1000.0
    called("b" if failing == 3 else "a")
    assert (heard.webhook, heard.sns, fake.schedules) == (int(busy < 999), 1, {})
    called("c")
    assert (heard.webhook, heard.sns, fake.schedules) == (int(busy < 999), 1, {})


@pytest.mark.parametrize(
    ("mark", "told", "settled"),
    [
        ({"call": "a", "sent": False, "at": 0.0}, 1, True),  # it has died: no call lasts so long
        ({"call": "a", "sent": False, "at": 1e15}, 1, True),
        ({"call": "a", "sent": False, "at": "x", "told": 5, "tries": "x"}, 1, True),
        ({"call": "a", "sent": False, "at": None, "tries": 3}, 1, True),
        ({"call": "a", "sent": False, "at": True}, 0, False),  # a moment ago
        ({"call": "b", "sent": False, "at": True}, 1, True),  # its own, called again
        ({"call": "a", "sent": True, "at": 0.0}, 0, True),
        ({"at": 0.0, "subject": "of a client"}, 0, True),
        ("no JSON", 0, True),
    ],
)
def test_a_mark_whose_call_has_died_is_taken_over(
    make: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch, mark: Any, told: int, settled: bool
) -> None:
    fake, heard = telling(make, monkeypatch, 0)
    if isinstance(mark, dict) and mark["at"] is True:
        mark = mark | {"at": time.time() - 5}
    fake.objects[told_key(ID)] = json.dumps(mark).encode() if isinstance(mark, dict) else b"\xff"
    called("b")
    assert (heard.webhook, heard.sns, fake.schedules == {}) == (told, told, settled)
