"""Runs that a schedule starts and nobody watches: the function that does, as a process with its role's permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.run.conftest import BUCKET, SLEEPS, Gate, Lane, golden, records
from tests.run.conftest import gate as gate
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.waiting import LONG, until, until_printed

PROGRAM = """\
import json, os
from urllib.parse import urlsplit
import boto3
print('begun', os.environ['RUN_ID'])
where = urlsplit(os.environ['OUTPUT_URI'])
key = where.path.lstrip('/') + '/metrics.json'
boto3.client('s3').put_object(Bucket=where.netloc, Key=key, Body=json.dumps({'rmse': 0.5}).encode())
raise SystemExit(%s)
"""
FAILS = "import time\nprint('begun', flush=True)\ntime.sleep(1)\nraise SystemExit(3)\n"
FAILING = """\
import sys, traceback
try:
    raise ValueError('no rows')
except ValueError:
    traceback.print_exc()
sys.exit(7)
"""
NAME = "tiny-schedule-watcher"


def fire(lane: Lane) -> None:
    """The schedule's time has come."""
    lane.control("POST", "schedules/default/tiny-schedule")


def told(lane: Lane, ears: Ears) -> Any:
    """What the topic and the webhook tell of a run of the schedule that is started now."""
    fire(lane)
    (message,) = until(ears.sns, "the message about it")
    return message


def made(lane: Lane, program: str, deploy: str) -> None:
    lane.program(program, deploy=deploy)
    result = lane.run("apply", "--local", "--skip-run")
    assert result.code == 0, result.out + result.err
    assert "note: " not in result.err


def function_log(lane: Lane) -> str:
    """What the function has printed."""
    logs, group = lane.client("logs"), f"/aws/lambda/{NAME}"
    streams = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    events = [logs.get_log_events(logGroupName=group, logStreamName=stream)["events"] for stream in streams]
    return "\n".join(event["message"] for page in events for event in page)


@pytest.mark.long
def test_it_is_recorded_and_told_of(lane: Lane, ears: Ears) -> None:
    made(lane, PROGRAM % 0, NOTIFY + SCHEDULE)
    schedule = lane.client("scheduler").get_schedule(Name="tiny-schedule")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(0 6 * * ? *)", "Europe/Berlin",
    )  # fmt: skip
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3}

    message = told(lane, ears)
    assert (message["result"], message["exit_code"], message["metrics"]) == ("succeeded", 0, {"rmse": 0.5})
    assert message["message"] == f"tiny: run {message['run']} succeeded with exit code 0"
    assert message["run"].startswith("scheduled-")
    (text,) = until(ears.webhook, "the webhook's")
    assert text["text"].splitlines()[0] == message["message"]
    assert "rmse = 0.5" in text["text"]
    # ECS forgets the task; the record, the log and the exit code stay.
    recorded = json.loads(
        lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{message['run']}/run.json")["Body"].read()
    )
    assert (recorded["state"], recorded["metrics"], recorded["cost"] > 0) == ("succeeded", {"rmse": 0.5}, True)
    run = records(lane)[0]
    assert run == recorded | {"overrides": run["overrides"]}
    task = message["task"].rpartition("/")[2]
    assert lane.run("logs", task, "--local").out == f"begun {message['run']}\n"
    assert lane.run("watch", task, "--local").code == 0
    # Its URL is a secret: not in the function's settings, its log, nor in what is shown of it.
    settings = json.dumps(lane.client("lambda").get_function(FunctionName=NAME)["Configuration"])
    assert "hunter2" not in settings + function_log(lane) + lane.run("plan", "--local", "--verbose").err
    assert message["run"] in function_log(lane)

    made(lane, FAILING, NOTIFY + SCHEDULE)
    message = told(lane, ears)
    assert (message["result"], message["exit_code"], message["reason"]) == (
        "failed",
        7,
        "Essential container in task exited",
    )
    assert message["cause"] == "the program failed: ValueError: no rows"
    (text,) = until(ears.webhook, "the webhook's")
    assert "why: the program failed: ValueError: no rows\nfix: correct the program or its input\n" in text["text"]
    watched = lane.run("watch", message["run"], "--local")
    assert watched.code == 7
    golden("scheduled", watched)
    # One that never starts has no exit code at all.
    lane.behave({"do": "start-error", "code": "CannotPullContainerError", "message": "x: not found"})
    message = told(lane, ears)
    assert (message["result"], message["exit_code"], message["reason"]) == (
        "failed", None, "CannotPullContainerError: x: not found",
    )  # fmt: skip
    assert lane.run("watch", "--local").code == 122
    assert len(until(ears.webhook, "the webhook's")) == 1
    assert ears.sns() == []

    # A run that somebody starts isn't the schedule's: it is told of once, by whoever watches.
    assert lane.run("apply", "--local").code == 7
    assert [message["run"].startswith("scheduled-") for message in ears.sns()] == [False]
    assert len(ears.webhook()) == 1


def test_it_is_launched_again_as_the_rules_say(lane: Lane, ears: Ears) -> None:
    rules = "run: {capacity: [FARGATE_SPOT, FARGATE], retry: {no_capacity: 1, interruption: 1, error: 1, backoff: 0}}\n"
    made(lane, FAILS, NOTIFY + SCHEDULE + rules)
    # No room on Spot, once when it is launched; twice interrupted there; on demand the program fails, twice.
    lane.behave(
        {"do": "no-capacity", "capacityProvider": "FARGATE_SPOT"},
        {"do": "spot-interruption", "after_lines": 1, "capacityProvider": "FARGATE_SPOT", "times": -1},
    )
    message = told(lane, ears)
    assert (message["result"], message["exit_code"], message["reason"]) == (
        "failed", 3, "Essential container in task exited; the program failed 2 times",
    )  # fmt: skip
    run = records(lane)[0]
    assert [(attempt["number"], attempt["provider"], attempt["event"]) for attempt in run["attempts"]] == [
        (1, "FARGATE_SPOT", "no-capacity"), (2, "FARGATE_SPOT", "interruption"), (3, "FARGATE_SPOT", "interruption"),
        (4, "FARGATE", "error"), (5, "FARGATE", "error"),
    ]  # fmt: skip
    assert len({attempt["task_arn"] for attempt in run["attempts"]}) == 5
    assert {task["group"] for task in lane.tasks()} >= {"tiny-schedule"}
    assert [task["startedBy"] for task in lane.tasks() if task["taskArn"] == run["attempts"][4]["task_arn"]] == [
        f"{run['id']}-5"
    ]
    assert (ears.sns(), len(until(ears.webhook, "the webhook's"))) == ([], 1), "told once"


def test_who_watches_looks_at_what_the_function_does(lane: Lane, ears: Ears, gate: Gate) -> None:
    """By the file that was applied, and not by that of who watches, which is an older one."""
    rules = "run: {retry: {error: 2, backoff: 0}}\n"
    made(lane, FAILS.replace("raise", f"{gate.wait}raise"), NOTIFY + SCHEDULE + rules)
    before, seen = len(lane.tasks()), function_log(lane).count('"STOPPED"')
    fire(lane)
    until(lambda: lane.tasks("RUNNING"), "a task")
    lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text().replace("error: 2", "error: 0"))
    watching = lane.start("watch", "--local")
    shown = until_printed(watching, "| begun")
    gate.open()
    rest, _ = watching.communicate(timeout=LONG)
    assert watching.returncode == 3, shown + rest
    assert (shown + rest).count("| begun") == 3
    assert len(lane.tasks()) - before == 3
    (message,) = until(ears.sns, "the message about it")
    assert (message["exit_code"], message["reason"]) == (
        3,
        "Essential container in task exited; the program failed 3 times",
    )
    until(lambda: function_log(lane).count('"STOPPED"') - seen == 3, "the function's last word")
    run = records(lane)[0]
    assert [attempt["number"] for attempt in run["attempts"]] == [1, 2, 3]
    assert run["state"] == "failed"
    assert (ears.sns(), len(until(ears.webhook, "the webhook's"))) == ([], 1), "told once"


def test_its_deadline_holds(lane: Lane, ears: Ears) -> None:
    made(lane, SLEEPS, NOTIFY + SCHEDULE + "run: {max_duration: 1h}\n")
    scheduler = lane.client("scheduler")

    def deadlines() -> list[str]:
        names = [listed["Name"] for listed in scheduler.list_schedules()["Schedules"]]
        return [
            listed_name for listed_name in names if listed_name != "tiny-schedule" and not listed_name.endswith("-look")
        ]

    def aimed(name: str) -> Any:
        return json.loads(scheduler.get_schedule(Name=name)["Target"]["Input"])

    fire(lane)
    (name,) = until(deadlines, "its deadline")
    (task,) = until(lambda: lane.tasks("RUNNING"), "a task")
    order = {"Cluster": "tiny", "Task": task["taskArn"], "Reason": "run.max_duration is over"}
    until(lambda: aimed(name) == order, "that it is aimed at the task")
    schedule = scheduler.get_schedule(Name=name)
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["Target"]["RoleArn"].endswith(":role/tiny-stop-role")
    due = {key: schedule[key] for key in ("Name", "FlexibleTimeWindow", "ActionAfterCompletion", "Target")}
    scheduler.update_schedule(**due, ScheduleExpression="at(2001-02-03T04:05:06)")
    (message,) = until(ears.sns, "the message about it")
    assert (message["result"], message["reason"]) == ("failed", "run.max_duration is over")
    assert deadlines() == []
    assert lane.run("watch", "--local").code == 123
    # One that ends in time leaves none.
    fire(lane)
    until(deadlines, "the deadline of the next")
    assert lane.run("stop", "--local").code == 0
    (message,) = until(ears.sns, "the message about it")
    assert (message["result"], message["reason"]) == ("stopped", "stopped by the user")
    assert deadlines() == []


def test_what_the_function_fails_at_is_a_dead_letter(lane: Lane, ears: Ears) -> None:
    made(lane, "print('begun')\n", NOTIFY + SCHEDULE)
    before = len(lane.tasks())
    without(lane, "s3:PutObject")
    fire(lane)
    queue = ears.sqs.get_queue_url(QueueName="tiny-schedule-dead-letters")["QueueUrl"]
    asked = {"QueueUrl": queue, "MessageAttributeNames": ["All"]}
    (letter,) = until(lambda: ears.sqs.receive_message(**asked).get("Messages"), "a letter")
    assert json.loads(letter["Body"])["launch"].startswith("20")
    assert "AccessDenied" in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert (ears.sns(), ears.webhook(), len(lane.tasks()) - before) == ([], [], 0), "not launched without a record"
    # It is drift, which the next apply puts right.
    assert f"~ role             {NAME}-role" in lane.run("plan", "--local").out


def test_a_launch_that_is_refused_is_told_of(lane: Lane, ears: Ears) -> None:
    made(lane, "print('begun')\n", NOTIFY + SCHEDULE.replace("when", "retries: 0, when"))
    without(lane, "ecs:RunTask")
    message = told(lane, ears)
    assert (message["result"], message["exit_code"]) == ("failed", None)
    assert "is not authorized to perform: ecs:RunTask" in message["reason"]
    watched = lane.run("watch", "--local")
    assert watched.code == 122, watched.out + watched.err
    assert "why      the schedule's function may not launch the task" in watched.out
    assert "not-started" in lane.run("runs", "show", message["run"], "--local").out


def without(lane: Lane, action: str) -> None:
    """The function's role isn't allowed to do this any more."""
    iam, where = lane.client("iam"), {"RoleName": f"{NAME}-role", "PolicyName": "watch"}
    policy = json.dumps(iam.get_role_policy(**where)["PolicyDocument"])
    assert f'"{action}"' in policy
    iam.put_role_policy(**where, PolicyDocument=policy.replace(f'"{action}"', '"s3:GetBucketLocation"'))
