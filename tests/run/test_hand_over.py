"""Of a client and the deploy's function only one decides about a run: what each may write over. In a bucket of ours."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli import stop
from reconciler.cli.past_runs import Past
from reconciler.cli.task import TaskScreen, _interrupted
from reconciler.config import Deploy
from reconciler.core.clock import SystemClock
from reconciler.core.errors import AwsError, Denied, Gone, Interrupted, ReconcilerError, Unreachable, UserError
from reconciler.core.function_settings import Retry
from reconciler.core.secret import KNOWN
from reconciler.run.cap import Limits
from reconciler.run.fleet import Fleet
from reconciler.run.follow import LATE, LONGEST_CALL, Follower
from reconciler.run.hand_over import Function, check_no_secret, given_over
from reconciler.run.logs import TaskLog
from reconciler.run.outage import OUTAGE
from reconciler.run.place import Place
from reconciler.run.retry import Again, Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Retry as RetryNext
from reconciler.run.step import Rules, newest
from reconciler.run.stopping import stop_run
from reconciler.run.stored import Changed
from reconciler.run.supervise import LOOK, Supervisor, log_of
from reconciler.run.watch import Silent

MARK = "a" * 64
ID = f"20260102-030405-{MARK[:8]}"
KEY = f"runs/{ID}/run.json"
TASK = "arn:aws:ecs:us-east-1:123456789012:task/c/0123"
FIRST = Attempt(1, "FARGATE", f"{ID}-1", 5.0)


class Bucket:
    """S3. lost: the answers to so many of the next writes are lost, so that they are asked again."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lost = 0
        self.clock = SystemClock()

    def _etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        assert operation == "GetObject"
        key = params["Key"]
        return {"Body": io.BytesIO(self.objects[key]), "ETag": self._etag(key)} if key in self.objects else None

    def call(self, service: str, operation: str, **params: Any) -> dict[str, str]:
        assert operation == "PutObject"
        self.objects[params["Key"]] = params["Body"]
        return {"ETag": self._etag(params["Key"])}

    def conditional(self, service: str, operation: str, **params: Any) -> dict[str, str] | None:
        key = params["Key"]
        if key not in self.objects or self._etag(key) != params["IfMatch"]:
            return None
        answer = self.call(service, operation, **params)
        if self.lost:
            self.lost -= 1
            return self.conditional(service, operation, **params)
        return answer


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def store(bucket: Bucket) -> Runs:
    """The records, as a process of its own has them."""
    runs = Runs(bucket, "b")  # type: ignore[arg-type]
    runs.later = True  # of the index another file tells
    return runs


def run(**more: Any) -> Run:
    known: dict[str, Any] = {"state": State.LAUNCHING, "attempts": (FIRST,), **more}
    return Run(id=ID, fingerprint=MARK, created=5.0, inputs={}, output=f"s3://b/runs/{ID}/output", cluster="c", **known)


def kept(bucket: Bucket) -> Run:
    known = store(bucket).get(ID)
    assert known is not None
    assert bucket.objects[f"runs/fingerprints/{MARK}.json"] == bucket.objects[KEY]
    return known


def other(bucket: Bucket, **more: Any) -> None:
    """Another process reads the record and writes this."""
    theirs = store(bucket)
    theirs.put(replace(theirs.get(ID) or run(), **more))


@pytest.mark.parametrize(
    ("mine", "theirs", "wrote"),
    [  # whether each has it unattended; whether mine is written over theirs
        (False, False, True),  # clients that see a run through write the same of it
        (False, True, False),
        (True, True, False),
        (True, False, False),
    ],
)
def test_who_may_write_over_what_another_has_written(bucket: Bucket, mine: bool, theirs: bool, wrote: bool) -> None:
    us = store(bucket)
    us.put(run(unattended=mine))
    their_store = store(bucket)
    was = replace(run(), unattended=theirs, reason="theirs")
    bucket.call("s3", "PutObject", Key=KEY, Body=their_store.body(was))
    bucket.call("s3", "PutObject", Key=f"runs/fingerprints/{MARK}.json", Body=their_store.body(was))
    if wrote:
        us.put(run(unattended=mine, reason="mine"))
        assert kept(bucket).reason == "mine"
    else:
        with pytest.raises(Changed):
            us.put(run(unattended=mine, reason="mine"))
        assert kept(bucket).reason == "theirs", "not that of the fingerprint either"


@pytest.mark.parametrize("unattended", [False, True])
def test_a_lost_answer_is_no_change(bucket: Bucket, unattended: bool) -> None:
    us = store(bucket)
    us.put(run(unattended=unattended))
    bucket.lost = 1
    us.put(run(unattended=unattended, reason="mine"))
    us.put(run(unattended=unattended, reason="mine again"))
    assert kept(bucket).reason == "mine again"


def test_a_record_that_was_deleted_is_written_anew(bucket: Bucket) -> None:
    us = store(bucket)
    us.put(run(unattended=True))
    bucket.objects.clear()
    us.put(run(unattended=True, reason="mine"))
    us.put(run(unattended=True, reason="mine again"))
    assert kept(bucket).reason == "mine again"


def test_it_is_given_over_and_taken_back(bucket: Bucket) -> None:
    client = store(bucket)
    client.put(run())
    running = replace(FIRST, task_arn=TASK)
    other(bucket, attempts=(running,), state=State.RUNNING)
    given = given_over(store(bucket), run(overrides=Overrides({"A": "1"})), unattended=True)
    assert (given.unattended, given.attempts, given.overrides.environment) == (True, (running,), {"A": "1"})
    with pytest.raises(Changed):  # whoever saw it through until now
        client.put(run(state=State.RUNNING))
    assert newest(run(), kept(bucket)).unattended
    function = store(bucket)
    assert (function.get(ID) or run()).unattended
    assert not given_over(store(bucket), given, unattended=False).unattended
    with pytest.raises(Changed):
        function.put(replace(given, reason="the function's"))
    assert not kept(bucket).unattended


def test_a_run_that_is_over_is_given_to_nobody(bucket: Bucket) -> None:
    ended = replace(FIRST, event=Event.SUCCESS, exit_code=0)
    store(bucket).put(run(state=State.SUCCEEDED, attempts=(ended,)))
    before = dict(bucket.objects)
    assert given_over(store(bucket), run(), unattended=True).state is State.SUCCEEDED
    assert bucket.objects == before


def test_an_end_whose_fingerprint_was_not_written_is_made_whole(bucket: Bucket) -> None:
    """The function was stopped between the two: the next `apply` isn't to come back to it for ever."""
    store(bucket).put(run(unattended=True))
    before = bucket.objects[f"runs/fingerprints/{MARK}.json"]
    ended = replace(FIRST, event=Event.NOT_STARTED)
    other(bucket, state=State.FAILED, attempts=(ended,))
    bucket.objects[f"runs/fingerprints/{MARK}.json"] = before
    assert given_over(store(bucket), run(unattended=True), unattended=True).state is State.FAILED
    assert kept(bucket).state is State.FAILED


class Followed(Bucket):
    """AWS for who only looks. Time passes where it is slept; then: what somebody does at the first sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.time, self.invoked = self, 100.0, list[float]()  # type: ignore[assignment]
        self.then: Callable[[], object] = lambda: None
        self.refusal: AwsError | None = None
        self.task_shown = 103.0  # by ListTasks, from then on
        self.stopped: list[str] = []
        self.away = (0.0, 0.0)  # when AWS can't be reached

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pass them."""
        self.time += seconds
        then, self.then = self.then, lambda: None
        then()

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        if self.away[0] <= self.time < self.away[1]:
            self.time += 1
            raise Unreachable(service, operation, "Timeout", "no answer")
        if service != "ecs":
            return super().find(service, operation, **params)
        if operation == "StopTask":
            self.stopped.append(params["task"])
        return {"taskArns": [TASK.replace("/c/", "/tiny/")] if self.time >= self.task_shown else []}

    def call(self, service: str, operation: str, **params: Any) -> dict[str, str]:
        if service == "lambda" and self.refusal:
            raise self.refusal
        if service == "lambda":
            self.invoked.append(self.time)
            return {}
        return super().call(service, operation, **params)


def followed(bucket: Followed, run: Run, *, takes_back: bool = False) -> Run:
    rules = Rules(("FARGATE",), Retry(0, 0, 0, (), 0.0, None, None), Limits(None, None, "us-east-1"))
    return Follower(bucket, store(bucket), rules, Function("f"), None, takes_back).finish(None, run)  # type: ignore[arg-type]


INTERRUPTED = replace(FIRST, task_arn=TASK, event=Event.INTERRUPTION)


@pytest.mark.parametrize(
    ("unattended", "attempts", "says", "state"),
    [
        (True, (), "is stopped", State.STOPPED),
        (True, (INTERRUPTED,), "is stopped", State.STOPPED),
        (False, (INTERRUPTED,), "is stopped", State.STOPPED),  # in the pause before the next attempt
        (False, (replace(FIRST, event=Event.NO_CAPACITY),), "is stopped", State.STOPPED),  # in that of one without task
        (False, (FIRST,), "is stopped", State.STOPPED),  # before RunTask
        (False, (replace(FIRST, launched=99.0),), "is being stopped", State.STOPPING),  # ECS will show its task
        (
            False,
            (replace(INTERRUPTED, event=Event.NOT_STARTED),),
            "has ended",
            State.LAUNCHING,
        ),  # which isn't recorded
    ],
)
def test_ctrl_c_stops_what_has_no_task(
    unattended: bool, attempts: tuple[Attempt, ...], says: str, state: State
) -> None:  # fmt: skip
    """It waits to be launched, perhaps again."""
    followed_aws, more = Followed(), {"image": {"uri": "x"}, "run": {"retry": {"interruption": 2, "no_capacity": 2}}}
    store(followed_aws).put(run(unattended=unattended, attempts=attempts))
    deploy = Deploy.model_validate({"name": "tiny", **more}).filled()
    names = SimpleNamespace(watcher="f")
    where, here = SimpleNamespace(stop=threading.Event()), SimpleNamespace(aws=followed_aws, names=names, deploy=deploy)
    where.file, where.environment, where.local = Path("deploy.yaml"), "", None
    with pytest.raises(Interrupted, match=says):
        _interrupted(SimpleNamespace(live=False), where, here, store(followed_aws), run(), "stop")  # type: ignore[arg-type]
    assert (kept(followed_aws).state, len(followed_aws.invoked)) == (state, int(unattended))
    assert followed_aws.stopped == (["0123"] if state is State.STOPPING else [])


def scheduled_run(**more: Any) -> Run:
    """A run of the schedule's, as its function has recorded it."""
    scheduled_id = "scheduled-20260102-030405-0123abcd"
    attempts = tuple(replace(each, token=f"{scheduled_id}-{each.number}") for each in more.pop("attempts"))
    more |= {"id": scheduled_id, "fingerprint": "", "output": f"s3://b/runs/{scheduled_id}/output"}
    return replace(run(), schedule="tiny-schedule", attempts=attempts, **more)


SCHEDULE = {"when": "rate(1 day)"}


@pytest.mark.parametrize("schedule", [SCHEDULE, None])
def test_ctrl_c_leaves_what_a_scheduled_run_waits_for_to_its_function(schedule: Any) -> None:
    """An older file, without retries, says that it is over. Without a schedule it is this command that decides."""
    followed_aws = Followed()
    waits = scheduled_run(attempts=(INTERRUPTED,))
    store(followed_aws).put(waits)
    deploy = Deploy.model_validate(
        {"name": "tiny", "image": {"uri": "x"}, "run": {"retry": {"interruption": 0}}, "schedule": schedule}
    ).filled()
    names = SimpleNamespace(watcher="f")
    where, here = SimpleNamespace(stop=threading.Event()), SimpleNamespace(aws=followed_aws, names=names, deploy=deploy)
    where.file, where.environment, where.local = Path("deploy.yaml"), "", None
    with pytest.raises(Interrupted, match="is stopped" if schedule else "has ended"):
        _interrupted(SimpleNamespace(live=False), where, here, store(followed_aws), waits, "stop")  # type: ignore[arg-type]
    recorded = store(followed_aws).get(waits.id)
    assert recorded is not None
    assert recorded.state is (State.STOPPED if schedule else State.LAUNCHING)


@pytest.mark.parametrize(
    ("run", "now", "scheduled", "result"),
    [
        # An older file, without retries, says that it is over.
        (scheduled_run(attempts=(INTERRUPTED,)), State.FAILED, True, "stopped"),
        (scheduled_run(attempts=(INTERRUPTED,)), State.FAILED, False, "is-over"),
        (run(attempts=(INTERRUPTED,), unattended=True), State.FAILED, False, "stopped"),
        (run(attempts=(INTERRUPTED,)), State.FAILED, False, "is-over"),
        (run(attempts=(replace(FIRST, task_arn=TASK),), unattended=True), State.SUCCEEDED, False, "is-over"),
        (scheduled_run(attempts=(INTERRUPTED,), state=State.FAILED), State.FAILED, True, "is-over"),
    ],
)
def test_stop_stops_what_the_function_goes_on_with(
    run: Run, now: State, scheduled: bool, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed_aws, answers = Followed(), list[Any]()
    store(followed_aws).put(run)
    deploy = SimpleNamespace(name="tiny", schedule=SCHEDULE if scheduled else None)
    names = SimpleNamespace(watcher="f", deploy=deploy)
    target = SimpleNamespace(file=Path("deploy.yaml"), environment="", local=None)
    past = SimpleNamespace(aws=followed_aws, runs=store(followed_aws), names=names, target=target)
    past.find, past.place = lambda run_id: run, Place("tiny", "f", "main", "g", "p")
    last = run.attempts[-1]
    current = replace(run, state=now, attempts=(replace(last, event=last.event or Event.SUCCESS),))
    past.ends = lambda runs: [current]
    monkeypatch.setattr(stop, "target_of", lambda options: None)
    monkeypatch.setattr(stop, "past_of", lambda target, terminal, read_only: past)
    stop.run(SimpleNamespace(run=run.id, json=True), SimpleNamespace(json=answers.append))  # type: ignore[arg-type]
    assert [answer.result for answer in answers] == [result]


@pytest.mark.parametrize(
    ("run", "schedule", "says"),
    [
        (scheduled_run(attempts=(INTERRUPTED,)), SCHEDULE, False),
        (scheduled_run(attempts=(INTERRUPTED,)), None, True),
        (run(attempts=(INTERRUPTED,), unattended=True), None, False),
        (run(attempts=(INTERRUPTED,)), SCHEDULE, True),
    ],
)
def test_what_its_function_records_has_not_ended_with_nobody_watching(run: Run, schedule: Any, says: bool) -> None:
    """`watch` doesn't record it."""
    notes = list[str]()
    deploy = Deploy.model_validate(
        {"name": "tiny", "image": {"uri": "x"}, "run": {"retry": {"interruption": 0}}, "schedule": schedule}
    ).filled()
    aws = SimpleNamespace(clock=SystemClock(), each=lambda read, items: [read(item) for item in items])
    past = Past(SimpleNamespace(deploy=deploy), aws, SimpleNamespace(say=notes.append), SimpleNamespace())  # type: ignore[arg-type]
    past.ends([run])
    assert [run.id in note for note in notes] == [True] * says


def test_who_looks_ends_with_the_record(bucket: Bucket) -> None:
    followed_aws = Followed()
    waits = run(unattended=True, attempts=())
    store(followed_aws).put(waits)
    followed_aws.then = followed_aws.objects.clear
    with pytest.raises(ReconcilerError, match="doesn't exist any more"):
        followed(followed_aws, waits)
    assert (followed_aws.invoked, followed_aws.time > 100 + LATE) == ([], True)


class Told(Silent):
    """A screen. lines: what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def trouble(self, text: str) -> None:
        self.lines.append(text)


def test_that_the_function_is_late_is_said_in_a_line(bucket: Bucket) -> None:
    """A line break would be shown as what it isn't: \\n."""
    followed_aws, told = Followed(), Told()
    waits = run(unattended=True, attempts=(), overrides=Overrides({"A": "1"}))
    store(followed_aws).put(waits)

    def later() -> None:
        followed_aws.then = later
        if followed_aws.time > 140:
            other(followed_aws, state=State.STOPPED)

    followed_aws.then = later
    rules = Rules(("FARGATE",), Retry(0, 0, 0, (), 0.0, None, None), Limits(None, None, "us-east-1"))
    Follower(followed_aws, store(followed_aws), rules, Function("f")).finish(None, waits, told)  # type: ignore[arg-type]
    (line,) = told.lines
    assert "it is called again" in line
    assert "`apply` with the options" in line
    assert "\n" not in line


def test_a_hand_over_in_the_second_attempt_shows_no_line_again(tmp_path: Path) -> None:
    """Who looks from then on begins with the first attempt, and so does who comes back later."""

    def read(screen: TaskScreen, number: int) -> TaskLog:
        log = TaskLog(SimpleNamespace(), "g", "p", f"arn/{number}")  # type: ignore[arg-type]
        log.follow(["main"])
        screen.reads(log)
        return log

    def screen() -> TaskScreen:
        terminal = SimpleNamespace(say=lambda text: None, quiet=False, style=lambda text, style: text)
        target = SimpleNamespace(base=tmp_path, endpoint="local", file=tmp_path / "deploy.yaml", environment="")
        target.local = tmp_path
        new = TaskScreen(terminal, target, SimpleNamespace(clock=SystemClock()), SimpleNamespace())  # type: ignore[arg-type]
        new.run = run()
        return new

    first = screen()
    for number, lines in ((1, 5), (2, 3)):
        read(first, number).streams["main"].lines_read = lines
    assert [read(first, number).position for number in (1, 2)] == [{"main": 5}, {"main": 3}]
    first.keep()
    again = screen()
    assert [read(again, number).position for number in (1, 2)] == [{"main": 5}, {"main": 3}]


def test_who_looks_finds_that_a_client_took_it_back(bucket: Bucket) -> None:
    followed_aws = Followed()
    waits = run(unattended=True, attempts=())
    store(followed_aws).put(waits)
    followed_aws.then = lambda: given_over(store(followed_aws), waits, unattended=False)
    with pytest.raises(Changed):
        followed(followed_aws, waits)
    assert followed_aws.invoked == []


@pytest.mark.parametrize(("why", "raises"), [(None, None), (Denied, None), (Gone, Gone)])
def test_who_looks_at_a_scheduled_run_leaves_it_to_its_function(
    why: type[AwsError] | None, raises: type[AwsError] | None
) -> None:
    """Its record doesn't say that the function decides. Who may not call that goes on: Scheduler does as well."""
    followed_aws = Followed()
    waits = scheduled_run(attempts=(replace(FIRST, event=Event.INTERRUPTION),))
    store(followed_aws).put(waits)
    followed_aws.refusal = why("lambda", "Invoke", "X", "no") if why else None

    def later() -> None:
        followed_aws.then = later
        if followed_aws.time > 180:
            store(followed_aws).put(replace(waits, state=State.FAILED))

    followed_aws.then = later
    with pytest.raises(raises) if raises else nullcontext():
        assert followed(followed_aws, waits).state is State.FAILED
    assert len(followed_aws.invoked) == (2 if why is None else 0)


@pytest.mark.parametrize("why", [Gone, Denied])
@pytest.mark.parametrize("launched", [True, False])
def test_who_looks_with_another_file_takes_it_back_only_where_nobody_can_be_called(
    why: type[AwsError], launched: bool
) -> None:
    """A file without `unattended` may be an older one: its `watch` looks as any other does."""
    followed_aws, ended = Followed(), replace(FIRST, event=Event.INTERRUPTION)
    waits = run(unattended=True, attempts=(ended,) if launched else ())
    store(followed_aws).put(waits)
    followed_aws.then = lambda: other(followed_aws, state=State.STOPPED)
    assert (followed(followed_aws, waits, takes_back=True).state, followed_aws.invoked) == (State.STOPPED, [])
    store(followed_aws).put(waits)
    followed_aws.then = lambda: setattr(followed_aws, "refusal", why("lambda", "Invoke", "X", "no such function"))
    with pytest.raises(Changed if launched else why):
        followed(followed_aws, waits, takes_back=True)
    assert kept(followed_aws).unattended is not launched
    store(followed_aws).put(waits)
    with pytest.raises(why):
        followed(followed_aws, waits)


@pytest.mark.parametrize(
    ("takes_back", "attempts", "raises", "calls", "seconds"),
    [
        (True, (replace(FIRST, event=Event.INTERRUPTION),), Changed, 1, 2 * LATE),
        (True, (), ReconcilerError, 30, LONGEST_CALL + LATE),  # nobody here knows with what it is to be launched
        (
            False,
            (replace(FIRST, event=Event.INTERRUPTION),),
            None,
            62,
            2000.0,
        ),  # its file says that the function manages it
    ],
)
def test_who_looks_with_a_file_that_turned_it_off_takes_it_back_from_a_function_that_does_nothing(
    takes_back: bool, attempts: tuple[Attempt, ...], raises: type[Exception] | None, calls: int, seconds: float
) -> None:
    """It is there for the schedule, and its role no longer lets it read the records of clients' runs."""
    followed_aws = Followed()
    waits = run(unattended=True, attempts=attempts)
    store(followed_aws).put(waits)

    def later() -> None:
        followed_aws.then = later
        if followed_aws.time > 2100:
            other(followed_aws, state=State.STOPPED)

    followed_aws.then = later
    if raises is None:
        assert followed(followed_aws, waits, takes_back=takes_back).state is State.STOPPED
    else:
        with pytest.raises(raises) as error:
            followed(followed_aws, waits, takes_back=takes_back)
        assert isinstance(error.value, Changed) is (raises is Changed)
    assert kept(followed_aws).unattended is (raises is not Changed)
    assert abs(len(followed_aws.invoked) - calls) <= 2
    assert seconds <= followed_aws.time - 100 < seconds + 2 * LATE


def test_who_looks_has_it_stopped_where_that_was_only_written(bucket: Bucket) -> None:
    """`stop` was killed between the record and ECS: the function says it, and not only after the task's end."""
    followed_aws = Followed()
    waits = run(unattended=True, state=State.STOPPING)
    store(followed_aws).put(waits)
    followed_aws.then = lambda: other(followed_aws, state=State.STOPPED)
    assert (followed(followed_aws, waits).state, followed_aws.invoked) == (State.STOPPED, [100.0])


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (Overrides({"API_TOKEN": "abcd1234efgh"}), "--env API_TOKEN"),
        (Overrides({"EPOCHS": "3"}, command=("python", "-c", "1")), ""),
    ],
)
def test_no_secret_is_handed_on(given: Overrides, named: str) -> None:
    KNOWN.learn_all({"environment": given.environment})
    if named:
        with pytest.raises(UserError, match=f"^{named} has a secret"):
            check_no_secret(given, "b")
    else:
        check_no_secret(given, "b")


@pytest.mark.parametrize(
    ("theirs", "mine", "wrote"),
    [  # in a record that no function sees through: what another has written, and whether ours is written over it
        (State.STOPPED, State.RUNNING, False),
        (State.STOPPING, State.RUNNING, False),
        (State.STOPPING, State.STOPPING, True),
        (State.STOPPING, State.FAILED, True),
        (State.RUNNING, State.RUNNING, True),
        (State.SUCCEEDED, State.RUNNING, False),
        (State.FAILED, State.STOPPING, False),
        (State.SUCCEEDED, State.SUCCEEDED, True),
    ],
)
def test_what_was_stopped_or_is_over_is_not_written_over(
    bucket: Bucket, theirs: State, mine: State, wrote: bool
) -> None:
    us = store(bucket)
    us.put(run())
    other(bucket, state=theirs)
    if wrote:
        us.put(run(state=mine))
    else:
        with pytest.raises(Changed):
            us.put(run(state=mine))
    assert kept(bucket).state is (mine if wrote else theirs)


class Going(Bucket):
    """A bucket, and ECS and Lambda. then: what somebody does between the next read of a record and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.then: list[Callable[[], object]] = []
        self.asked: list[str] = []
        self.each = map

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        if operation == "ListObjectVersions":
            checkpoint = {"Key": f"runs/{ID}/checkpoint/a", "IsLatest": True}
            return {"Versions": [checkpoint]}
        if operation != "GetObject":
            self.asked.append(operation)
            return None
        return super().find(service, operation, **params)

    def call(self, service: str, operation: str, **params: Any) -> dict[str, str]:
        if service == "lambda":
            self.asked.append(operation)
            return {}
        return super().call(service, operation, **params)

    def conditional(self, service: str, operation: str, **params: Any) -> dict[str, str] | None:
        while self.then:
            self.then.pop()()
        return super().conditional(service, operation, **params)


LAUNCHED = replace(FIRST, task_arn=TASK)
PLACE = Place("c", "f", "main", "g", "p")


@pytest.mark.parametrize("unattended", [False, True])
@pytest.mark.parametrize(
    ("before", "meanwhile", "became", "state", "asked"),
    [
        (FIRST, None, "stopped", State.STOPPED, []),
        (INTERRUPTED, None, "stopped", State.STOPPED, []),
        (LAUNCHED, None, "is-being-stopped", State.STOPPING, ["DescribeTasks", "StopTask"]),
        (FIRST, LAUNCHED, "is-being-stopped", State.STOPPING, ["DescribeTasks", "StopTask"]),
        (LAUNCHED, INTERRUPTED, "stopped", State.STOPPED, ["DescribeTasks"]),
    ],
)
def test_a_run_is_stopped_as_it_is_by_now(
    before: Attempt, meanwhile: Attempt | None, became: str, state: State, asked: list[str], unattended: bool
) -> None:
    """Whoever sees it through goes on between the read of its record and the write: nothing of that is lost."""
    going_aws, known = Going(), {"unattended": unattended, "state": State.RUNNING}
    store(going_aws).put(run(attempts=(before,), **known))
    if meanwhile:
        going_aws.then = [lambda: other(going_aws, attempts=(meanwhile,))]
    invoked = ["Invoke"] if unattended and became == "stopped" else []
    asked = ["ListTasks"] * 2 * (before is FIRST and not unattended) + asked  # it may be launched and not recorded
    _, result = stop_run(going_aws, store(going_aws), PLACE, Function("f"), run(), "why", deploy="d")  # type: ignore[arg-type]
    assert (result, kept(going_aws).state, going_aws.asked) == (became, state, [*asked, *invoked])
    assert kept(going_aws).attempts == (meanwhile or before,)


@pytest.mark.parametrize("unattended", [False, True])
def test_whoever_ends_a_run_that_waits_does_what_an_end_owes(unattended: bool) -> None:
    """Its checkpoint is marked, its workers' certificate taken away; its function does that where it has one."""
    going_aws = Going()
    known = run(unattended=unattended, attempts=(INTERRUPTED,))
    known = replace(known, inputs={"workers": {"count": 1, "cpu": 256, "memory": 512}})
    runs = Runs(going_aws, "b", checkpoints=True)  # type: ignore[arg-type]
    runs.later = True
    runs.put(known)
    stop_run(going_aws, runs, PLACE, Function("f"), known, "why", deploy="d")  # type: ignore[arg-type]
    assert going_aws.asked == (["Invoke"] if unattended else ["PutObjectTagging", "ListTasks", "DeleteParameter"])


@pytest.mark.parametrize(("state", "count"), [(State.RUNNING, 1), (State.SUCCEEDED, 0)])
def test_a_sweep_counts_the_tasks_that_it_has_stopped(state: State, count: int) -> None:
    going_aws, launch = Going(), SimpleNamespace(place=PLACE, deploy="d")
    known = run(attempts=(LAUNCHED,), state=state)
    store(going_aws).put(known)
    rules = Rules(("FARGATE",), Retry(0, 0, 0, (), 0.0, None, None), Limits(None, None, "us-east-1"))
    fleet = Fleet(Supervisor(going_aws, store(going_aws), rules), launch, 1, None)  # type: ignore[arg-type]
    fleet.active = {ID: replace(known, state=State.RUNNING)}
    assert fleet.stop(Function("f")) == count


@pytest.mark.parametrize("state", [State.STOPPED, State.STOPPING])
def test_a_stop_ends_the_pause_before_a_retry_at_once(state: State) -> None:
    followed_aws = Followed()
    retry = Retry(0, 2, 0, (), 300.0, None, None)
    begun = run(state=State.RUNNING, attempts=(replace(INTERRUPTED, launched=100.0, stopped=100.0),))
    store(followed_aws).put(begun)
    followed_aws.then = lambda: other(followed_aws, state=state)
    rules = Rules(("FARGATE",), retry, Limits(None, None, "us-east-1"))
    ended = Supervisor(followed_aws, store(followed_aws), rules).finish(None, begun)  # type: ignore[arg-type]
    assert (ended.state, kept(followed_aws).state) == (State.STOPPED, State.STOPPED)
    assert followed_aws.time < 100 + 2 * LOOK


PAUSED = replace(INTERRUPTED, launched=100.0, stopped=100.0)
PAUSES = Rules(("FARGATE",), Retry(0, 2, 0, (), 300.0, None, None), Limits(None, None, "us-east-1"))


@pytest.mark.parametrize(
    ("stopped", "away", "ends"),
    [
        (True, (101.0, 150.0), 150.0),  # in the pause, and the stop is seen as soon as it can be
        (False, (101.0, 150.0), 400.0),
        (False, (390.0, 450.0), 450.0),  # at its end
        (True, (101.0, 1e9), 400.0 + OUTAGE),  # for ever
    ],
)
def test_a_pause_outlasts_an_outage(stopped: bool, away: tuple[float, float], ends: float) -> None:
    followed_aws, begun = Followed(), run(state=State.RUNNING, attempts=(PAUSED,))
    store(followed_aws).put(begun)
    if stopped:
        other(followed_aws, state=State.STOPPED)
    followed_aws.away, seer = away, Supervisor(followed_aws, store(followed_aws), PAUSES)  # type: ignore[arg-type]
    paused = RetryNext(begun, 400.0, Again("FARGATE", 300.0, "why"))
    if ends > 450:
        with pytest.raises(Unreachable):
            seer._waited(paused)
    else:
        assert seer._waited(paused).state is (State.STOPPED if stopped else State.RUNNING)
    assert ends <= followed_aws.time < ends + 3 * LOOK


class Quiet:
    """A screen of many runs that shows nothing."""

    def changed(self, run: Run) -> None: ...

    def tick(self, waiting: int, active: Sequence[Run]) -> None: ...


@pytest.mark.parametrize("state", [State.STOPPED, State.STOPPING, State.SUCCEEDED])
@pytest.mark.parametrize("away", [False, True])
def test_a_sweep_sees_a_stop_in_a_pause_at_once_also_where_there_is_no_room(state: State, away: bool) -> None:
    followed_aws, begun = Followed(), run(state=State.RUNNING, attempts=(PAUSED,))
    followed_aws.each = lambda read, items: [read(item) for item in items]  # type: ignore[attr-defined]
    store(followed_aws).put(begun)
    followed_aws.then, followed_aws.away = (
        lambda: other(followed_aws, state=state),
        ((100.6, 105.0) if away else (0.0, 0.0)),
    )
    fleet = Fleet(Supervisor(followed_aws, store(followed_aws), PAUSES), SimpleNamespace(deadline=None), 0, Quiet())  # type: ignore[arg-type]
    fleet._later = [(400.0, begun)]
    fleet.work([])
    over = State.SUCCEEDED if state is State.SUCCEEDED else State.STOPPED
    assert (fleet.over[ID].state, kept(followed_aws).state) == (over, over)
    assert followed_aws.time < 100 + 3 * LOOK + 4 * away


class Ended(Followed):
    """The same, where the task ends as soon as time goes by; then: at the first sleep."""

    code = 0

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        if operation != "DescribeTasks":
            return super().find(service, operation, **params)
        more = {"lastStatus": "RUNNING" if self.time < 103 else "STOPPED", "stopCode": "EssentialContainerExited"}
        containers = [{"name": "main", "exitCode": self.code}]
        family = "arn:aws:ecs:us-east-1:123456789012:task-definition/f:1"
        known = {"taskArn": TASK, "startedBy": FIRST.token, "taskDefinitionArn": family, "clusterArn": "a/c"}
        return {"tasks": [{**known, **more, "containers": containers}]}


RUNS = run(state=State.RUNNING, attempts=(replace(LAUNCHED, launched=100.0),))


@pytest.mark.parametrize("when", ["as it runs", "after its end"])
@pytest.mark.parametrize("theirs", [{"unattended": True}, {"state": State.STOPPING}], ids=["given", "being stopped"])
def test_who_does_not_decide_any_more_tells_no_end(theirs: dict[str, Any], when: str) -> None:
    """The client's file has no retry; by that of the function another task follows."""
    ended_aws, ends = Ended(), list[Run]()
    ended_aws.code = 3
    store(ended_aws).put(RUNS)

    def meanwhile(*_: object) -> None:
        other(ended_aws, **theirs)

    if when == "as it runs":
        ended_aws.then = meanwhile
    deadline = SimpleNamespace(remove=meanwhile if when == "after its end" else lambda *_: None)
    launch = SimpleNamespace(deadline=deadline, place=PLACE, container="main", cluster="c")
    rules = Rules(("FARGATE",), Retry(0, 0, 0, (), 0.0, None, None), Limits(None, None, "us-east-1"))
    seer = Supervisor(
        ended_aws, store(ended_aws), rules,  # type: ignore[arg-type]
        before_end=lambda run: ends.append(run) or run,  # type: ignore[func-returns-value]
    )  # fmt: skip
    unattended = theirs == {"unattended": True}
    with pytest.raises(Changed) if unattended else nullcontext():
        seer.finish(launch, RUNS)  # type: ignore[arg-type]
    assert [run.state for run in ends] == ([] if unattended else [State.FAILED])
    assert kept(ended_aws).unattended is unattended
    assert kept(ended_aws).state is (State.RUNNING if unattended else State.FAILED)


OVER = {"state": State.SUCCEEDED, "attempts": (replace(LAUNCHED, event=Event.SUCCESS, exit_code=0),)}


@pytest.mark.parametrize("ends", [{}, OVER, {"state": State.STOPPING}], ids=["goes on", "was over", "is being stopped"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_sweep_takes_back_what_was_given_to_the_function(
    monkeypatch: pytest.MonkeyPatch, when: str, ends: dict[str, Any]
) -> None:
    """By an `apply` of one of its combinations, before it or meanwhile: it sees that run, too, to its end."""
    ended_aws, told = Ended(), list[str]()
    ended_aws.each = lambda read, items: [read(item) for item in items]  # type: ignore[attr-defined]
    theirs = replace(RUNS, unattended=True, **ends)
    store(ended_aws).put(theirs if when == "before" else RUNS)
    if when == "meanwhile":
        ended_aws.then = lambda: other(ended_aws, unattended=True, **ends)
    screen = Quiet()
    screen.trouble = told.append  # type: ignore[attr-defined]
    launch = SimpleNamespace(deadline=None, place=PLACE, container="main", cluster="c")
    runs = store(ended_aws)
    monkeypatch.setattr(runs, "flush", lambda pause=0.0: None)
    (ended,) = Fleet(Supervisor(ended_aws, runs, PAUSES), launch, 1, screen).work([RUNS])  # type: ignore[arg-type]
    assert (ended.state, kept(ended_aws).state) == (State.SUCCEEDED, State.SUCCEEDED)
    taken = [f"run {ID} was taken from the deploy's function, and this command manages it"]
    assert (told, kept(ended_aws).unattended) == (([], True) if ends is OVER else (taken, False))


LATER = 1e6  # seconds since the epoch


class Behind(Ended):
    """The same, where AWS's clock is four minutes behind ours."""

    def now(self) -> float:
        return LATER + self.time

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        answer = super().find(service, operation, **params)
        if operation == "DescribeTasks":
            assert answer is not None
            began = datetime.fromtimestamp(LATER + 98 - 240, UTC)
            answer["tasks"][0] |= {"createdAt": began, "startedAt": began, "desiredStatus": "RUNNING"}
            answer["ResponseMetadata"] = {"HTTPHeaders": {"date": formatdate(LATER + self.time - 240, usegmt=True)}}
        return answer


@pytest.mark.parametrize(("seconds", "stopped"), [(60, False), (1, True)])
@pytest.mark.parametrize("alone", [True, False])
def test_how_long_a_task_has_run_is_reckoned_by_the_clock_of_aws(
    monkeypatch: pytest.MonkeyPatch, alone: bool, seconds: int, stopped: bool
) -> None:
    behind_aws = Behind()
    behind_aws.each = lambda read, items: [read(item) for item in items]  # type: ignore[attr-defined]
    store(behind_aws).put(RUNS)
    runs = store(behind_aws)
    monkeypatch.setattr(runs, "flush", lambda pause=0.0: None)
    rules = replace(PAUSES, limits=Limits(seconds, None, "us-east-1"))
    seer = Supervisor(behind_aws, runs, rules)  # type: ignore[arg-type]
    launch = SimpleNamespace(deadline=None, place=PLACE, container="main", cluster="c")
    if alone:
        seer.finish(launch, RUNS)  # type: ignore[arg-type]
    else:
        Fleet(seer, launch, 1, Quiet()).work([RUNS])  # type: ignore[arg-type]
    assert bool(behind_aws.stopped) is stopped


@pytest.mark.parametrize("group", ["/ecs/tiny", "/elsewhere"])
def test_a_log_that_nobody_knows_is_said_to_be_nowhere(group: str) -> None:
    """A link to it would lead to an empty one."""
    followed_aws, told = Followed(), list[str]()
    place = replace(PLACE, log_group="/ecs/tiny")
    known = replace(run(attempts=(LAUNCHED,)), log_group=group)
    screen = SimpleNamespace(
        launched=lambda *args: told.append("launched"), reads=lambda log: told.append(log.group),
        trouble=lambda text: told.append(text[:22]),
    )  # fmt: skip
    log = log_of(followed_aws, SimpleNamespace(place=place), known, screen)  # type: ignore[arg-type]
    known_there = group == "/ecs/tiny"
    assert told == ["launched", group if known_there else "the log can't be shown"]
    assert log.closed is not known_there
