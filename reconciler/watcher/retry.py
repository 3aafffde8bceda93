"""Launch a scheduled run again as `run.retry` allows, in the way that the schedule launches it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from reconciler.run.retry import NO_ROOM, Event, again
from reconciler.run.tasks import FARGATE, Record, cost_of
from reconciler.watched import Watched
from reconciler.watcher.aws import call, there
from reconciler.watcher.record import OVER, over, put, read


def see_through(watched: Watched, run: Record, task: Mapping[str, Any]) -> Record | None:
    """After the end of an attempt: the run that is over, or None when another task was launched or somebody ended it.

    task: one that was launched for it. Raises RuntimeError when ECS launches nothing; ClientError.
    """
    while True:
        following = _following(watched, run)
        if isinstance(following, str):
            return over(watched, run, following)
        put(watched, run | {"state": "running"})
        time.sleep(following.pause)
        known = read(watched, run["id"])
        if known and (known["state"] in OVER or known["state"] == "stopping"):
            return None if known["state"] in OVER else over(watched, run, "stopped by the user", "stopped")
        number = run["attempts"][-1]["number"] + 1
        attempt = {
            "number": number, "provider": following.provider, "token": f"{run['id']}-{number}",
            "launched": time.time(), "task_arn": "", "event": None, "exit_code": None, "reason": "",
            "started": None, "stopped": None,
        }  # fmt: skip
        run = run | {"state": "running", "attempts": [*run["attempts"], attempt]}
        put(watched, run)  # before the launch, so that it is found again by its token
        run = launch(watched, run, task)
        if run["attempts"][-1]["task_arn"]:
            return None


def launch(watched: Watched, run: Record, task: Mapping[str, Any]) -> Record:
    """Launch what was recorded as the newest attempt: it has a task then, or has ended for want of room."""
    arn, why = _run_task(watched, run, task)
    ended = {"task_arn": arn} if arn else {"event": Event.NO_CAPACITY, "reason": why}
    run = run | {"attempts": [*run["attempts"][:-1], run["attempts"][-1] | ended]}
    put(watched, run)
    return run


def _following(watched: Watched, run: Record) -> Any:
    attempts = [SimpleNamespace(**one | {"event": Event(one["event"])}) for one in run["attempts"]]
    if attempts[-1].event is Event.SUCCESS:
        return ""
    return again(watched.retry, watched.capacity, attempts, cost=cost_of(watched, run), now=time.time())


def _run_task(watched: Watched, run: Record, task: Mapping[str, Any]) -> tuple[str, str]:
    """(ARN, "") of the task, or ("", why) when there is no room for it."""
    attempt = run["attempts"][-1]
    schedule = call("scheduler", "GetSchedule", Name=watched.schedule)
    network = schedule["Target"]["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]
    public = network.get("AssignPublicIp", "DISABLED") if attempt["provider"] in FARGATE else "DISABLED"
    answer = there(
        "ecs",
        "RunTask",
        cluster=watched.cluster,
        taskDefinition=task["taskDefinitionArn"],
        count=1,
        capacityProviderStrategy=[{"capacityProvider": attempt["provider"], "weight": 1}],
        clientToken=attempt["token"],
        startedBy=attempt["token"],
        group=watched.schedule,
        propagateTags="TASK_DEFINITION",
        tags=[{"key": "reconciler:run", "value": run["id"]}],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": network["Subnets"],
                "securityGroups": network.get("SecurityGroups", []),
                "assignPublicIp": public,
            }
        },
        overrides={"containerOverrides": task["overrides"]["containerOverrides"]},
    )
    if answer is None:  # launched before, with something else that differs, by whoever watches
        return _find(watched, attempt["token"]), ""
    if answer["tasks"]:
        return str(answer["tasks"][0]["taskArn"]), ""
    text = "; ".join(" ".join(filter(None, (f.get("reason"), f.get("detail")))) for f in answer["failures"])
    if NO_ROOM.search(text):
        return "", text
    raise RuntimeError(f"ECS launched nothing: {text or 'it gave no reason'}")


def _find(watched: Watched, token: str) -> str:
    for status in ("RUNNING", "STOPPED"):
        arns = call("ecs", "ListTasks", cluster=watched.cluster, startedBy=token, desiredStatus=status)["taskArns"]
        if arns:
            return str(arns[0])
    raise RuntimeError(f"ECS says that {token} was launched, and doesn't know it")
