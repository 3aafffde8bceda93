"""The function that watches scheduled runs, called again, called late, and stopped after any call: in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from reconciler.core.function_settings import Watched
from reconciler.core.run_paths import record_key
from reconciler.run.scheduled_record import new_run
from reconciler.run.step import LAUNCHED_BEFORE
from reconciler.run.stored import Unreadable, from_json
from reconciler.scheduled import function_launch
from reconciler.scheduled.record import put_first
from tests.run.by_hand import Clock, Function, by_hand, deadlines
from tests.run.conftest import BUCKET, Lane, records
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.run.test_scheduled import made
from tests.waiting import until

RULES = """\
run:
  capacity: [FARGATE_SPOT, FARGATE]
  retry: {interruption: 0, no_capacity: 0, error: 1, backoff: 0}
  max_duration: 1h
"""
TWICE = "Essential container in task exited; the program failed 2 times"


@pytest.fixture
def function(lane: Lane, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    made(lane, "print('begun')\nraise SystemExit(3)\n", NOTIFY + SCHEDULE + RULES)
    with by_hand(lane, monkeypatch) as function_by_hand:
        yield function_by_hand


def test_the_same_event_again_and_again(lane: Lane, ears: Ears, function: Function) -> None:
    first = function.launched()
    count = len(lane.tasks())
    function.ended(first)
    function.ended(first)
    second = function.task(2)
    function.ended(first)  # long after
    assert (ears.sns(), len(lane.tasks()) - count) == ([], 1)
    for task in (second, second, first):
        function.ended(task)
    (told,) = ears.sns()
    assert (told["result"], told["reason"]) == ("failed", TWICE)
    assert (len(lane.tasks()) - count, len(ears.webhook())) == (1, 1)
    assert [attempt["exit_code"] for attempt in records(lane)[0]["attempts"]] == [3, 3]


def test_stopped_after_any_call_and_called_again(lane: Lane, ears: Ears, function: Function) -> None:
    when = "2026-01-02T03:04:05Z"
    function.due(when)
    first = function.task(1)
    function.ended(first)
    second, count = function.task(2), len(lane.tasks())
    run = records(lane)[0]["id"]
    for stop in range(1, 100):
        for name in ("run.json", "notified.json"):
            lane.client("s3").delete_object(Bucket=BUCKET, Key=f"runs/{run}/{name}")
        function.calls, function.stop = 0, stop
        function.due(when)
        function.ended(first)
        function.ended(second)
        answer = lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{run}/run.json")
        recorded = json.loads(answer["Body"].read())
        tasks = [attempt["task_arn"] for attempt in recorded["attempts"]]
        assert tasks == [first["taskArn"], second["taskArn"]], "the token gives the same task again"
        assert (recorded["state"], recorded["exit_code"], recorded["reason"]) == ("failed", 3, TWICE)
        told = len(ears.sns()), len(ears.webhook())
        assert max(told) <= 1, "at most once"
        if function.calls < stop:
            assert told == (1, 1)
            break
    assert stop > 20
    assert len(lane.tasks()) == count
    assert deadlines(lane) == []


def test_no_room_for_the_next(lane: Lane, ears: Ears, function: Function) -> None:
    lane.behave(
        {"do": "spot-interruption", "after_lines": 1, "capacityProvider": "FARGATE_SPOT"},
        {"do": "no-capacity", "capacityProvider": "FARGATE"},
    )
    function.ended(function.launched())
    (told,) = ears.sns()
    assert (told["result"], told["exit_code"]) == ("failed", None)
    assert told["reason"].endswith("no capacity on FARGATE_SPOT and FARGATE, 2 tries")
    assert [attempt["event"] for attempt in records(lane)[0]["attempts"]] == ["interruption", "no-capacity"]


def test_what_ecs_has_forgotten_is_told_by_the_event(lane: Lane, ears: Ears, function: Function) -> None:
    lane.behave({"do": "expire", "seconds": 2})
    task = function.launched()
    until(partial(forgotten, lane, task["taskArn"]), "that ECS forgets it")
    function.ended(task)
    assert records(lane)[0]["attempts"][0]["exit_code"] == 3
    assert len(records(lane)[0]["attempts"]) == 2


def forgotten(lane: Lane, arn: str) -> bool:
    return arn not in [task["taskArn"] for task in lane.tasks()]


def test_a_launch_that_ecs_has_forgotten_is_given_up(
    lane: Lane, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at RunTask; the task ended, ECS forgot it; it is asked for again, just so or with something else."""
    monkeypatch.setattr(function_launch, "time", Clock(lambda seconds: None, later=7200.0))
    subnet_id, *_ = (subnet["SubnetId"] for subnet in lane.client("ec2").describe_subnets()["Subnets"])
    for when, subnets in (
        ("2026-05-06T07:08:09Z", os.environ["SUBNETS"]),
        ("2026-05-07T07:08:09Z", f'["{subnet_id}"]'),
    ):
        lane.behave({"do": "expire", "seconds": 0.5})
        function.due(when)
        lane.behave()
        run = records(lane)[0]
        (first,) = (attempt["task_arn"] for attempt in run["attempts"])
        until(partial(forgotten, lane, first), "that ECS forgets it")
        bare = {key: run["attempts"][0][key] for key in ("number", "provider", "token", "launched")}
        body = json.dumps({**run, "state": "launching", "attempts": [bare]}).encode()
        lane.client("s3").put_object(Bucket=BUCKET, Key=f"runs/{run['id']}/run.json", Body=body)
        with monkeypatch.context() as patched:
            patched.setenv("SUBNETS", subnets)
            function.due(when)
        lost, second = records(lane)[0]["attempts"]
        assert (lost["task_arn"], lost["event"], lost["reason"]) == (first, "lost", LAUNCHED_BEFORE)
        assert (second["token"], second["task_arn"]) != (lost["token"], "")
        assert deadlines(lane) == [f"tiny.{second['token']}"]
        lane.client("scheduler").delete_schedule(Name=f"tiny.{second['token']}")


def test_a_long_pause_is_not_slept(lane: Lane, ears: Ears, function: Function) -> None:
    made(lane, "print('begun')\nraise SystemExit(3)\n", NOTIFY + SCHEDULE + RULES.replace("backoff: 0", "backoff: 2m"))
    function.set()
    first, scheduler = function.launched(), lane.client("scheduler")
    for _ in range(2):
        function.ended(first)
    (name,) = deadlines(lane)
    token = records(lane)[0]["attempts"][0]["token"]
    assert name == f"tiny.{token}-again"
    schedule = scheduler.get_schedule(Name=name)
    assert (schedule["ActionAfterCompletion"], schedule["Target"]["RoleArn"].rpartition("/")[2]) == (
        "DELETE", "tiny-schedule-role",
    )  # fmt: skip
    assert json.loads(schedule["Target"]["Input"]) == {
        "again": token, "provider": "FARGATE_SPOT",
        "given": {"environment": {}, "cpu": None, "memory": None, "command": None},
    }  # fmt: skip
    assert len(records(lane)[0]["attempts"]) == 1
    # Its time comes. The role of the schedule calls the function, which launches it again.
    due = {key: schedule[key] for key in ("Name", "FlexibleTimeWindow", "ActionAfterCompletion", "Target")}
    scheduler.update_schedule(**due, ScheduleExpression="at(2001-02-03T04:05:06)")
    until(lambda: len(records(lane)[0]["attempts"]) == 2 and records(lane)[0]["attempts"][1]["task_arn"], "the next")
    again = json.loads(schedule["Target"]["Input"])
    function.called(again)  # late, and a second time
    function.ended(function.task(2))
    function.called(again)
    (told,) = ears.sns()
    assert (told["result"], told["reason"], len(records(lane)[0]["attempts"])) == ("failed", TWICE, 2)
    assert deadlines(lane) == []


def test_stopped_in_a_pause(lane: Lane, ears: Ears, function: Function) -> None:
    made(lane, "print('begun')\nraise SystemExit(3)\n", NOTIFY + SCHEDULE + RULES.replace("backoff: 0", "backoff: 2m"))
    function.set()
    function.ended(function.launched())
    assert "it had no task under way" in lane.run("stop", "--local").out
    function.called({"again": records(lane)[0]["attempts"][0]["token"], "provider": "FARGATE_SPOT"})
    (told,) = ears.sns()
    assert (told["result"], told["reason"], told["cause"]) == ("stopped", "stopped by the user", "somebody stopped it")
    assert len(records(lane)[0]["attempts"]) == 1
    assert "why      somebody stopped it" in lane.run("diagnose", "--local").out
    assert lane.run("watch", "--local").code == 123
    for name in deadlines(lane):
        lane.client("scheduler").delete_schedule(Name=name)


def test_stopped_while_its_launch_is_tried_again(
    lane: Lane, ears: Ears, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(seconds: float) -> None:
        assert lane.run("stop", "--local").code == 0
        monkeypatch.setattr(function_launch, "PAUSE", 0.0)

    # No subnet of that name: ECS refuses the launch.
    monkeypatch.setenv("SUBNETS", '["subnet-00000000"]')
    count = len(lane.tasks())
    with monkeypatch.context() as patched:
        patched.setattr(function_launch, "time", Clock(stop))
        function.due("2026-02-03T04:05:06Z")
    assert len(lane.tasks()) == count
    (told,) = ears.sns()
    assert (told["result"], told["reason"]) == ("stopped", "stopped by the user")
    assert deadlines(lane) == []


def test_what_is_not_the_schedules_is_left_alone(lane: Lane, function: Function) -> None:
    """Events and records that somebody forged: nothing is launched, stopped, recorded or told for them."""
    function.set()
    task = function.launched()
    run, count = records(lane)[0], len(lane.tasks())
    key = f"runs/{run['id']}/run.json"
    bad: list[dict[str, Any]] = [
        {"startedBy": "x/../../y-1"}, {"startedBy": "20260101-000000-aaaaaaaa-1"}, {"startedBy": f"{run['id']}-9"},
        {"startedBy": None}, {"taskDefinitionArn": task["taskDefinitionArn"].replace("/tiny:", "/prod:")},
        {"clusterArn": task["clusterArn"].replace("/tiny", "/prod")},
    ]  # fmt: skip
    for change in bad:
        function.ended({**task, **change})
    with pytest.raises(ValueError, match="no run:"):
        function.called({"again": "../../x-1", "provider": "FARGATE"})
    assert records(lane)[0] == run
    for body in (
        b"[" * 100_000,
        json.dumps({**run, "id": "../x"}).encode(),
        json.dumps({**run, "attempts": []}).encode(),
    ):
        lane.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        with pytest.raises(Unreadable, match=run["id"]):
            function.ended(task)
        assert lane.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, "never overwritten"
    lane.client("s3").delete_object(Bucket=BUCKET, Key=key)
    assert len(lane.tasks()) == count


def test_a_second_first_call_overwrites_no_record(lane: Lane, function: Function) -> None:
    function.due("2026-04-05T06:07:08Z")
    told, run_id = Watched.read(os.environ), records(lane)[0]["id"]

    def kept() -> bytes:
        body: bytes = lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{run_id}/run.json")["Body"].read()
        return body

    before = kept()
    assert put_first(told, new_run(told, run_id, 0.0)) == from_json(before, record_key(run_id))
    assert kept() == before
