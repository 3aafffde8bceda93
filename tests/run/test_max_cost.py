"""A limit in dollars: a schedule keeps it when nobody watches, a sweep shares it among its runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.prices import hourly
from tests.run.conftest import SLEEPS, Lane, records
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.waiting import until

PRICE = hourly("us-east-1", "X86_64", 256, 512, public_ip=True) or 0.0
MARGIN = 90  # seconds: 30 for the task to end, 60 since Scheduler is exact to a minute
TOO_DEAR = "run.max_cost is reached"


def schedule(lane: Lane, other: str = "") -> Any:
    """The schedule that stops a task, once it is aimed at one."""
    names = [listed["Name"] for listed in lane.client("scheduler").list_schedules()["Schedules"]]
    names = [name for name in names if name != other and not name.endswith("-look")]
    made = lane.client("scheduler").get_schedule(Name=names[0]) if names else None
    return made if made and json.loads(made["Target"]["Input"])["Task"].startswith("arn:") else None


def at(made: Any) -> float:
    """When it fires, in seconds since the epoch."""
    return datetime.strptime(made["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC).timestamp()


def fire(lane: Lane, made: Any) -> None:
    """Its time has come."""
    due = {key: made[key] for key in ("Name", "FlexibleTimeWindow", "ActionAfterCompletion", "Target")}
    lane.client("scheduler").update_schedule(**due, ScheduleExpression="at(2001-02-03T04:05:06)")
    until(lambda: not lane.tasks("RUNNING"), "its end")


def test_it_holds_when_nobody_watches(lane: Lane) -> None:
    lane.program(f"{SLEEPS}# dear\n", deploy="run: {max_cost: 2.00, max_duration: 14d}\n")
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    made = until(lambda: schedule(lane), "a schedule")
    until(lambda: lane.tasks("RUNNING"), "a running task")
    until(lambda: records(lane)[0]["attempts"][0]["task_arn"], "its record")
    ours.kill()
    ours.wait()
    (attempt,) = records(lane)[0]["attempts"]
    assert at(made) == pytest.approx(attempt["launched"] + 2.00 / PRICE * 3600 - MARGIN, abs=1.0)
    assert json.loads(made["Target"]["Input"])["Reason"] == TOO_DEAR
    fire(lane, made)
    ended = lane.run("watch", "--local", "--json")
    assert ended.code == 118, ended.out + ended.err
    told = json.loads(ended.out)
    assert told["verdict"] == {"result": "max-cost", "exit_code": 118, "task_exit_code": 143}
    run = records(lane)[0]
    assert (run["state"], run["attempts"][0]["event"]) == ("failed", "max-cost")
    assert run["reason"].startswith(f"{TOO_DEAR}; stopped at your limit of $2.00 after ")
    assert "its limit in dollars, run.max_cost" in lane.run("diagnose", "--local").out


def test_a_task_that_ends_with_our_code_is_told_apart(lane: Lane) -> None:
    lane.program("raise SystemExit(118)\n")
    result = lane.run("apply", "--local", "--json")
    assert (result.code, json.loads(result.out)["verdict"]["task_exit_code"]) == (119, 118)


def test_the_function_of_the_schedule_keeps_it(lane: Lane, ears: Ears) -> None:
    lane.program(SLEEPS, deploy=NOTIFY + SCHEDULE + "run: {max_cost: 0.5}\n")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.control("POST", "schedules/default/tiny-schedule")
    made = until(lambda: schedule(lane, "tiny-schedule"), "its deadline")
    (task,) = until(lambda: lane.tasks("RUNNING"), "a task")
    assert json.loads(made["Target"]["Input"]) == {"Cluster": "tiny", "Task": task["taskArn"], "Reason": TOO_DEAR}
    fire(lane, made)
    (told,) = until(ears.sns, "the message about it")
    assert told["result"] == "failed"
    assert "stopped at your limit of $0.50 after " in told["reason"]


def test_a_sweep_has_one_limit_for_all_of_its_runs(lane: Lane) -> None:
    limit = PRICE * 1000 / 3600
    sweep = f"run: {{sweep: {{grid: {{N: [1, 2, 3, 4]}}, max_parallel: 2, max_cost: {limit:.8f}}}}}\n"
    lane.program("print('short')\n", deploy=sweep)
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    budgets = sorted(run["budget"] for run in records(lane))
    # The first two get a quarter each; what they leave is the others'.
    assert budgets[:2] == pytest.approx([limit / 4] * 2, rel=1e-5)
    assert budgets[2] > limit / 4 * 1.2
    assert sum(budgets[2:]) < limit
    # One that pays for three of the shortest tasks has three of them, and says of the fourth why it isn't launched.
    limit = PRICE * (60 + MARGIN) * 3.5 / 3600
    lane.program("print('shorter')\n", deploy=sweep.replace("max_parallel: 2", "max_parallel: 4").replace(
        sweep.partition("max_cost: ")[2].partition("}")[0], f"{limit:.8f}"))  # fmt: skip
    result = lane.run("apply", "--local")
    assert result.code == 124, result.out + result.err
    newest = records(lane)[:4]
    assert sorted(run["state"] for run in newest) == ["failed", "succeeded", "succeeded", "succeeded"]
    (unpaid,) = [run for run in newest if run["state"] == "failed"]
    assert [(attempt["event"], attempt["task_arn"]) for attempt in unpaid["attempts"]] == [("max-cost", "")]
    assert "doesn't pay for another task; stopped at your limit of $" in unpaid["reason"]
