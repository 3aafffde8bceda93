"""From ECS's tasks to the record of their run: scheduled runs, which nobody here launched. Pure.

The function that watches them writes it (reconciler/watcher), so it is a mapping as the record holds it, in JSON's
types, and needs nothing but Python's own library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.keys import SCHEDULED, output_prefix
from reconciler.prices import task_cost
from reconciler.run.judge import judge
from reconciler.run.retry import Event
from reconciler.watched import Watched

FARGATE = ("FARGATE", "FARGATE_SPOT")
STATES = {Event.SUCCESS: "succeeded", Event.STOPPED: "stopped"}

Record = dict[str, Any]


def environment_of(task: Mapping[str, Any]) -> dict[str, str]:
    """The variables that a task was launched with, beside its definition's."""
    overrides = (task.get("overrides") or {}).get("containerOverrides") or ()
    return {one["name"]: one["value"] for each in overrides for one in each.get("environment") or ()}


def run_id_of(task: Mapping[str, Any]) -> str:
    """The id of the run that a scheduled task belongs to."""
    return environment_of(task).get("RUN_ID") or f"{SCHEDULED}{task['taskArn'].rpartition('/')[2][:16]}"


def number_of(task: Mapping[str, Any]) -> int:
    """Which attempt a task is: the schedule launches the first, and later ones carry it in their mark."""
    run_id, _, number = str(task.get("startedBy") or "").rpartition("-")
    return int(number) if run_id == run_id_of(task) and number.isdigit() else 1


def attempt_of(task: Mapping[str, Any], container: str) -> Record:
    """One attempt of a run, as DescribeTasks shows its task."""
    number = number_of(task)
    found: Record = {
        "number": number,
        "provider": task.get("capacityProviderName") or task.get("launchType") or "",
        "token": f"{run_id_of(task)}-{number}",
        "launched": task["createdAt"].timestamp(),
        "task_arn": task["taskArn"],
        "event": None,
        "exit_code": None,
        "reason": "",
        "started": None,
        "stopped": None,
    }
    if task["lastStatus"] == "STOPPED":
        ended = judge(task, (container,))
        found |= {
            "event": ended.event.value, "exit_code": ended.exit_code, "reason": ended.reason,
            "started": ended.started, "stopped": ended.stopped,
        }  # fmt: skip
    return found


def run_of(watched: Watched, task: Mapping[str, Any], before: Sequence[Record] = ()) -> Record:
    """The run whose newest attempt is this task. before: its attempts until then.

    Once that has ended it is over, unless somebody launches another.
    """
    run_id, attempt = run_id_of(task), attempt_of(task, watched.container)
    attempts = [*(one for one in before if one["number"] < attempt["number"]), attempt]
    given = environment_of(task)
    event = attempt["event"]
    run: Record = {
        "version": 1,
        "id": run_id,
        "fingerprint": "",
        "state": "running" if event is None else STATES.get(Event(event), "failed"),
        "created": attempts[0]["launched"],
        "inputs": {
            "cpu": int(task["cpu"]), "memory": int(task["memory"]), "architecture": watched.architecture,
            "ephemeral_storage": watched.disk,
        },
        "output": given.get("OUTPUT_URI") or f"s3://{watched.bucket}/{output_prefix(run_id)}",
        "cluster": watched.cluster,
        "container": watched.container,
        "task_definition": task["taskDefinitionArn"],
        "log_group": watched.log_group,
        "log_prefix": watched.log_prefix,
        "attempts": attempts,
        "exit_code": attempt["exit_code"],
        "reason": "" if event == Event.SUCCESS else attempt["reason"],
        "cost": None,
        "metrics": {},
        "sweep": "",
        "schedule": watched.schedule,
    }  # fmt: skip
    return run if event is None else run | {"cost": cost_of(watched, run)}


def cost_of(watched: Watched, run: Record) -> float | None:
    """What the ended tasks of a run have cost, in US dollars; None where that isn't known."""
    total = 0.0
    for one in run["attempts"]:
        if not one["task_arn"]:
            continue
        if one["provider"] not in FARGATE or one["stopped"] is None:
            return None
        seconds = one["stopped"] - (one["started"] or one["stopped"])
        sizes = run["inputs"]["cpu"], run["inputs"]["memory"]
        cost = task_cost(watched.region, watched.architecture, *sizes, seconds, watched.disk)
        if cost is None:
            return None
        total += cost
    return total


def seconds_of(run: Record) -> float | None:
    """How long its programs ran, all attempts together."""
    both = [one for one in run["attempts"] if one["started"] is not None and one["stopped"] is not None]
    return sum(one["stopped"] - one["started"] for one in both) if both else None


def metrics_in(text: bytes) -> dict[str, float]:
    """The numbers in the `metrics.json` that a program wrote."""
    try:
        written = json.loads(text)
    except (ValueError, UnicodeDecodeError):
        return {}
    found = written.get("metrics", written) if isinstance(written, dict) else {}
    if not isinstance(found, dict):
        return {}
    numbers = {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {key: float(value) for key, value in numbers.items()}
