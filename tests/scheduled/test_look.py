"""A run that nobody is told of goes on all the same: Scheduler has the function look at it now and then.

Events are lost and calls of the function are stopped for good, each at every place: the run ends as it would have. AWS
is in this process, and so is its time.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.function_settings import EVERY, GIVEN, GROUP, LAUNCH, START, TRIED, WORKER_TRIES, Retry, Tell
from reconciler.core.run_paths import record_key, told_key
from reconciler.run.run import Run
from reconciler.run.scheduled_record import scheduled_id
from reconciler.run.state import State
from reconciler.run.stopping import stop_run
from reconciler.run.stored import Store, from_json
from reconciler.scheduled import aws, function_launch, handler, record, see, why
from reconciler.scheduled.handler import handle, place_of
from tests.scheduled.test_races import BUCKET, FIRST, ID, NOTHING, Aws, run
from tests.scheduled.test_tasks import settings

RETRY = Retry(0, 1, 1, (), 0.0, None, None, out_of_memory=1)
GIVEN_ONE = NOTHING | {"environment": {"A": "1"}}
DUE = "2026-01-02T03:04:05Z"
MOST = 12  # looks, or other calls by Scheduler
SPOT = {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}
EXITED = {"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}
BY_USER = {"stopCode": "UserInitiated", "stoppedReason": "stopped by the user"}
OUT = {"reason": "OutOfMemoryError: Container killed due to memory usage"}


class Killed(BaseException):
    """The call of the function ends here, and isn't made again."""


@dataclass(frozen=True)
class Case:
    """How the tasks of a run end, one after the other (an exit code, an interruption, want of memory, None for no
    room), by these rules, and how the run does.
    """

    name: str
    ends: tuple[int | str | None, ...]
    state: State
    retry: Retry = RETRY
    more: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case("succeeds", (0,), State.SUCCEEDED),
    Case("fails twice", (3, 3), State.FAILED),
    Case("is interrupted, then more memory", ("spot", "memory", 0), State.SUCCEEDED),
    Case("no room, elsewhere", (None, 0), State.SUCCEEDED),
    Case("after a pause", (3, 0), State.SUCCEEDED, replace(RETRY, backoff=300.0)),
    Case("with a deadline", ("spot", 0), State.SUCCEEDED, more={"max_duration": 3600}),
)


class World(Aws):
    """AWS in which time goes by only as it is slept or moved on. calls: of the function's to AWS, so far."""

    def __init__(self, case: Case) -> None:
        tell = Tell(on="both", topic="arn:aws:sns:us-east-1:123456789012:told", webhook="", form="")
        more = {"capacity": ("FARGATE_SPOT", "FARGATE"), "retry": case.retry, **case.more}
        super().__init__(replace(settings(), bucket=BUCKET, tell=tell, **more))
        self.case, self.clock, self.calls, self.kill = case, 1000.0, 0, 0
        self.told, self.killed_at = list[str](), ""
        self.then: tuple[int, Callable[[], object]] = (0, lambda: None)  # after which call what else is done

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        call = super().__getattr__(operation)

        def counted(**params: Any) -> dict[str, Any]:
            self.calls += 1
            try:
                return call(**params)
            finally:
                if self.calls == self.then[0]:
                    self.then[1]()
                if self.calls == self.kill:
                    self.killed_at = f"{operation} {params.get('Key', '')}"
                    raise Killed

        return counted

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.clock

    monotonic = time

    def sleep(self, seconds: float) -> None:
        """Nothing is waited for."""
        self.clock += seconds

    def _publish(self, Message: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        self.told.append(Message)
        return {}

    def _get_log_events(self, **more: Any) -> dict[str, Any]:
        return {"events": []}

    _describe_log_streams = _get_log_events

    def _run_task(self, **asked: Any) -> dict[str, Any]:
        new = asked["clientToken"] not in self.tasks
        number = int(asked["clientToken"].rpartition("-")[2])
        if self.case.ends[number - 1] is None:
            return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}
        answer = super()._run_task(**asked)
        if new:
            answer["tasks"][0]["createdAt"] = datetime.fromtimestamp(self.clock, UTC)
        return answer

    def end(self, *, told: bool = False) -> Mapping[str, Any] | None:
        """The task that runs ends, as its case says. Returns it; None where none runs. told: only one that was told to
        stop.
        """
        for token, task in self.tasks.items():
            stops = task["desiredStatus"] == "STOPPED"
            if task["lastStatus"] == "STOPPED" or (told and not stops):
                continue
            self.clock += 60
            how = self.case.ends[int(token.rpartition("-")[2]) - 1]
            container: dict[str, Any] = {"name": self.watched.container}
            container |= {"exitCode": 137, **OUT} if how == "memory" else {} if how == "spot" else {"exitCode": how}
            moment = datetime.fromtimestamp(self.clock, UTC)
            task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "containers": [container]}
            task |= {
                "stoppedAt": moment,
                "startedAt": task["createdAt"],
                **(SPOT if how == "spot" else BY_USER if stops else EXITED),
            }
            return task
        return None

    def read_of(self, run_id: str) -> Run | None:
        """A run as it is recorded; None where it isn't."""
        key = record_key(run_id)
        return from_json(self.objects[key], key) if key in self.objects else None

    def called(self, event: Mapping[str, Any]) -> None:
        """The function, perhaps for the last time."""
        record._store.cache_clear()
        with contextlib.suppress(Killed):
            handle(json.loads(json.dumps(event, default=lambda moment: moment.isoformat())), None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], World]:
    def made(case: Case) -> World:
        fake = World(case)
        monkeypatch.setattr(aws, "_client", lambda service: fake)
        for module in (handler, see, function_launch, why):
            monkeypatch.setattr(module, "time", fake)
        for name, value in {**fake.watched.variables(), GROUP: "sg-1"}.items():
            monkeypatch.setenv(name, value)
        return fake

    return made


def see_to_the_end(
    fake: World, first: Mapping[str, Any], heard: Iterator[bool], *, told: bool = False
) -> Run | None:  # fmt: skip
    """Have a run begin and end. Returns it as it is recorded; None where it isn't. heard: whether the next event or
    call after a pause arrives; looks always do. told: a task ends only where it was told to.
    """
    fake.called(first)
    for _ in range(MOST):
        while task := fake.end(told=told):
            if next(heard):
                fake.called({"detail": task})
        if not fake.schedules:
            break
        fake.clock += EVERY
        for name, event in tuple(fake.schedules.items()):
            if name.endswith("-again"):
                del fake.schedules[name]
            if name.endswith("-look") or (name.endswith("-again") and next(heard)):
                fake.called(json.loads(event))
    return fake.read_of(str(first.get(START) or scheduled_id(fake.watched, DUE)))


def lost(count: int) -> set[tuple[bool, ...]]:
    """Of so many events that are heard: none is lost, each alone, all."""
    lost_one = {tuple(other != number for other in range(count)) for number in range(count)}
    return {(True,) * count, *lost_one, (False,) * count}


def summary(run: Run) -> Any:
    return (
        run.state,
        run.exit_code,
        [(attempt.event, attempt.exit_code, attempt.provider, attempt.memory) for attempt in run.attempts],
    )


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("case", "first"),
    [*((case, {START: ID, GIVEN: GIVEN_ONE}) for case in CASES), (CASES[1], {LAUNCH: DUE})],
    ids=[*(case.name for case in CASES), "of the schedule"],
)
def test_it_ends_the_same(world: Callable[[Case], World], case: Case, first: Mapping[str, Any]) -> None:
    """Whichever events are lost, and after whichever call the function is stopped for good."""
    usual: Any = None
    for heard in sorted(lost(len(case.ends)), reverse=True):
        for kill in itertools.count():
            fake = world(case)
            if START in first:
                fake.write(run(fake.watched, attempts=(replace(FIRST, provider="FARGATE_SPOT", launched=1000.0),)))
            fake.kill = kill
            ended, where = see_to_the_end(fake, first, itertools.cycle(heard)), (heard, kill, fake.killed_at)
            assert fake.schedules == {}, where
            if ended is None:  # a launch of the schedule that failed for good before it was recorded is a dead letter
                assert (LAUNCH in first, fake.launched, fake.told, kill < 4) == (True, [], [], True), where
                continue
            usual = usual or summary(ended)
            assert (ended.state, summary(ended)) == (case.state, usual), where
            tasks = [attempt.task_arn for attempt in ended.attempts if attempt.task_arn]
            assert len(set(tasks)) == len(tasks) == len(fake.tasks) == sum(end is not None for end in case.ends), where
            marked = told_key(ended.id) in fake.killed_at  # between that mark and the message, or behind both
            assert len(fake.told) == 1 or (marked and not fake.told), where
            if fake.calls < kill:
                break
        assert kill > 10


@pytest.mark.parametrize("first", [{START: ID, GIVEN: GIVEN_ONE}, {LAUNCH: DUE}], ids=["unattended", "scheduled"])
@pytest.mark.parametrize("heard", [True, False])
def test_it_is_stopped_by_its_user_after_any_call(
    world: Callable[[Case], World], first: Mapping[str, Any], heard: bool
) -> None:
    """Whatever the function does at that moment, the run is stopped, no task is left, and it is told of once."""
    for at in range(1, 20):  # the first looks at it, too
        fake = world(Case("sleeps", (0, 0), State.STOPPED))
        if START in first:
            fake.write(run(fake.watched, attempts=(replace(FIRST, launched=1000.0),)))
        run_id, later = str(first.get(START) or scheduled_id(fake.watched, DUE)), list[str]()

        def stop(fake: World = fake, run_id: str = run_id, later: list[str] = later) -> None:
            runs = Store(aws, BUCKET, print)
            if known := runs.get(run_id):
                stop_run(aws, runs, place_of(fake.watched), Lambda(later), known, "stopped by the user", deploy="d")  # type: ignore[arg-type]
            else:
                fake.then = fake.calls + 1, stop

        fake.then = at, stop
        see_to_the_end(fake, first, itertools.repeat(heard), told=True)
        for later_id in later:
            fake.called({START: later_id, GIVEN: None})
        ended = fake.read_of(run_id)
        assert ended is not None
        assert (ended.state, fake.running, fake.schedules, len(fake.told)) == (State.STOPPED, 0, {}, 1), at


class Lambda:
    """Where `stop` calls the function, which is called later."""

    def __init__(self, later: list[str]) -> None:
        self.later = later

    def go_on(self, calls: Any, run: Run, given: Any) -> None:
        """Call it."""
        self.later.append(run.id)


def test_what_is_different_for_it_is_handed_on(world: Callable[[Case], World]) -> None:
    fake = world(CASES[1])
    fake.write(run(fake.watched))
    fake.called({START: ID, GIVEN: GIVEN_ONE})
    ((name, look),) = fake.schedules.items()
    assert (name, json.loads(look)) == (f"tiny.{ID}-look", {START: ID, GIVEN: GIVEN_ONE, TRIED: WORKER_TRIES})
    fake.end()
    fake.called(json.loads(look))
    variables = [launch["overrides"]["containerOverrides"][0]["environment"] for launch in fake.launched]
    assert [{"name": "A", "value": "1"} in environment for environment in variables] == [True, True]


@pytest.mark.parametrize("whose", ["a client's", "nobody's"])
def test_what_is_not_its_own_is_looked_at_no_more(world: Callable[[Case], World], whose: str) -> None:
    fake = world(CASES[0])
    fake.write(run(fake.watched))
    fake.called({START: ID, GIVEN: NOTHING})
    (look,) = fake.schedules.values()
    if whose == "nobody's":
        del fake.objects[record_key(ID)]
    else:
        fake.write(run(fake.watched, unattended=False))
    fake.called(json.loads(look))
    assert (fake.schedules, fake.running) == ({}, 1)


def test_one_that_runs_is_left_alone(world: Callable[[Case], World]) -> None:
    fake = world(CASES[0])
    fake.write(run(fake.watched))
    fake.called({START: ID, GIVEN: NOTHING})
    before = fake.read()
    ((name, look),) = fake.schedules.items()
    fake.called(json.loads(look))
    assert (fake.read(), list(fake.schedules), len(fake.launched)) == (before, [name], 1)


def test_a_task_that_ecs_has_forgotten_ends_it(world: Callable[[Case], World]) -> None:
    fake = world(CASES[0])
    fake.write(run(fake.watched, attempts=(replace(FIRST, launched=1000.0),)))
    fake.called({START: ID, GIVEN: NOTHING})
    (look,) = fake.schedules.values()
    fake.tasks.clear()
    fake.clock += 2 * 3600
    fake.called(json.loads(look))
    assert (fake.read().state, fake.schedules, len(fake.told)) == (State.FAILED, {}, 1)


def test_one_that_was_told_to_stop_is_stopped(world: Callable[[Case], World]) -> None:
    """`stop` was killed between the record and ECS."""
    fake = world(CASES[0])
    fake.write(run(fake.watched))
    fake.called({START: ID, GIVEN: NOTHING})
    (look,) = fake.schedules.values()
    fake.write(replace(fake.read(), state=State.STOPPING))
    fake.called(json.loads(look))
    assert fake.running == 0


def test_that_nobody_can_look_is_no_reason_not_to_launch(world: Callable[[Case], World]) -> None:
    fake = world(CASES[0])
    fake.write(run(fake.watched))

    def refuse() -> None:
        raise fake._error("AccessDeniedException")

    fake.at["create_schedule"] = refuse
    fake.called({START: ID, GIVEN: NOTHING})
    assert (fake.running, fake.schedules) == (1, {})
