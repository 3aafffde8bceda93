"""Launch a scheduled run's newest attempt once, as `reconciler/run/launch.py` does, with its deadline before it."""

from __future__ import annotations

import os
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.run.retry import NO_ROOM, Event
from reconciler.run.stop_schedule import schedule_name, stop_schedule
from reconciler.run.tasks import FARGATE, Record, changed
from reconciler.watched import GROUP, Watched
from reconciler.watcher.aws import call, find, there
from reconciler.watcher.record import OVER, put, read

SLACK = 60.0  # seconds for the start: max_duration counts from when the program runs
NOT_YET = "not-launched-yet"
PAUSE, LONGEST = 10.0, 120.0  # seconds before a launch is tried again; it doubles, up to
ENOUGH = 480.0  # seconds after which it isn't: Lambda gives a function 900


class NotLaunched(Exception):
    """ECS launched nothing; the text says why."""


class Stopped(Exception):
    """Somebody has stopped the run while its launch was tried again and again. run: as it is recorded."""

    def __init__(self, run: Record) -> None:
        super().__init__(run["id"])
        self.run = run


def launch(watched: Watched, run: Record) -> Record:
    """The run whose newest attempt has a task, or has ended: there is no room, or ECS refuses; or which is over, since
    somebody stopped it. Raises ClientError.
    """
    number = run["attempts"][-1]["number"]
    try:
        task, why = _launched(watched, run)
    except (ClientError, BotoCoreError, NotLaunched) as error:
        return _failed(watched, run, Event.NOT_STARTED, str(error))
    except Stopped as stopped:
        _failed(watched, run, Event.STOPPED, "")
        return stopped.run
    if task is None:
        return _failed(watched, run, Event.NO_CAPACITY, why)
    made = {"state": "running", "task_definition": task["taskDefinitionArn"]}
    run = changed(run, number, {"task_arn": task["taskArn"]}) | made
    if watched.max_duration is not None:
        find("scheduler", "UpdateSchedule", **_deadline(watched, watched.max_duration, run, task["taskArn"]))
    # A short task may have ended by now, and another call of the function have recorded that.
    known = read(watched, run["id"])
    if known is None or (known["state"] not in OVER and known["attempts"][number - 1]["event"] is None):
        put(watched, run)
    return run


def _failed(watched: Watched, run: Record, event: Event, why: str) -> Record:
    attempt = run["attempts"][-1]
    if watched.max_duration is not None:
        find("scheduler", "DeleteSchedule", Name=schedule_name(watched.deploy, attempt["token"]))
    return changed(run, attempt["number"], {"event": event.value, "reason": why})


def _launched(watched: Watched, run: Record) -> tuple[Any, str]:
    """(task, "") or, when there is no room for it, (None, why). Tried again as `schedule.retries` says."""
    began, number = time.monotonic(), 0
    while True:
        try:
            if watched.max_duration is not None:
                there("scheduler", "CreateSchedule", **_deadline(watched, watched.max_duration, run, NOT_YET))
            return _run_task(watched, run)
        except (ClientError, BotoCoreError, NotLaunched) as error:
            pause = min(PAUSE * 2**number, LONGEST)
            if number == watched.retries or time.monotonic() - began + pause > ENOUGH:
                raise
            print(f"launching {run['id']} failed, again in {pause:.0f} s: {error}")
        time.sleep(pause)
        known = read(watched, run["id"])
        if known and known["state"] in OVER:
            raise Stopped(known)
        number += 1


def _deadline(watched: Watched, seconds: int, run: Record, task: str) -> dict[str, Any]:
    """The schedule that stops the task when `run.max_duration` is over, whoever is there then."""
    attempt = run["attempts"][-1]
    return stop_schedule(
        deploy=watched.deploy,
        token=attempt["token"],
        at=attempt["launched"] + seconds + SLACK,
        partition=watched.partition,
        role=watched.stop_role,
        cluster=watched.cluster,
        task=task,
    )


def _run_task(watched: Watched, run: Record) -> tuple[Any, str]:
    attempt = run["attempts"][-1]
    public = watched.public_ip and attempt["provider"] in FARGATE
    given = {"OUTPUT_URI": run["output"], "RUN_ID": run["id"]}
    answer = there(
        "ecs",
        "RunTask",
        cluster=watched.cluster,
        taskDefinition=watched.family,
        count=1,
        capacityProviderStrategy=[{"capacityProvider": attempt["provider"], "weight": 1}],
        clientToken=attempt["token"],
        startedBy=attempt["token"],
        group=watched.schedule,  # by which EventBridge's rule knows it
        propagateTags="TASK_DEFINITION",
        tags=[{"key": "reconciler:run", "value": run["id"]}],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": list(watched.subnets),
                "securityGroups": [os.environ[GROUP]],
                "assignPublicIp": "ENABLED" if public else "DISABLED",
            }
        },
        overrides={
            "containerOverrides": [
                {"name": watched.container, "environment": [{"name": k, "value": v} for k, v in given.items()]}
            ]
        },
    )
    if answer is None:  # launched before, with something else that differs
        return _find(watched, attempt["token"]), ""
    if answer["tasks"]:
        return answer["tasks"][0], ""
    text = "; ".join(" ".join(filter(None, (f.get("reason"), f.get("detail")))) for f in answer["failures"])
    if NO_ROOM.search(text):
        return None, text
    raise NotLaunched(f"ECS launched nothing: {text or 'it gave no reason'}")


def _find(watched: Watched, token: str) -> Any:
    for status in ("RUNNING", "STOPPED"):
        arns = call("ecs", "ListTasks", cluster=watched.cluster, startedBy=token, desiredStatus=status)["taskArns"]
        for task in call("ecs", "DescribeTasks", cluster=watched.cluster, tasks=arns)["tasks"] if arns else ():
            return task
    raise NotLaunched(f"ECS says that {token} was launched, and doesn't know it")
