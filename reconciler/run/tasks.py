"""The record of a scheduled run, as the function that watches it writes it (reconciler/watcher). Pure.

It is what `reconciler.run.record.Run` reads, in JSON's types, and needs nothing but Python's own library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.keys import SCHEDULED, output_prefix
from reconciler.prices import task_cost
from reconciler.run.judge import judge
from reconciler.run.retry import Event
from reconciler.watched import Watched

FARGATE = ("FARGATE", "FARGATE_SPOT")
STATES = {Event.SUCCESS: "succeeded", Event.STOPPED: "stopped"}

Record = dict[str, Any]


def scheduled_id(watched: Watched, due: str) -> str:
    """The id of the run that was due at this time, as Scheduler writes it: the same whenever it is called for that.

    ECS takes a token once in an account, so it is another than that of a deploy with the same times.
    Raises ValueError for what isn't a time.
    """
    moment = datetime.fromisoformat(due).astimezone(UTC)
    whose = hashlib.sha256(f"{watched.deploy} {watched.schedule}".encode()).hexdigest()
    return f"{SCHEDULED}{moment:%Y%m%d-%H%M%S}-{whose[:8]}"


def new_run(watched: Watched, run_id: str, now: float) -> Record:
    """A run with an attempt that isn't launched yet. now: seconds since the epoch."""
    run: Record = {
        "version": 1,
        "id": run_id,
        "fingerprint": "",
        "state": "launching",
        "created": now,
        "inputs": {
            "cpu": watched.cpu, "memory": watched.memory, "architecture": watched.architecture,
            "ephemeral_storage": watched.disk,
        },
        "output": f"s3://{watched.bucket}/{output_prefix(run_id)}",
        "cluster": watched.cluster,
        "container": watched.container,
        "task_definition": watched.family,
        "log_group": watched.log_group,
        "log_prefix": watched.log_prefix,
        "attempts": [],
        "exit_code": None,
        "reason": "",
        "cost": None,
        "metrics": {},
        "sweep": "",
        "schedule": watched.schedule,
    }  # fmt: skip
    return with_attempt(run, watched.capacity[0], now)


def with_attempt(run: Record, provider: str, now: float) -> Record:
    """The run with one more attempt, which isn't launched yet."""
    number = len(run["attempts"]) + 1
    attempt = {
        "number": number, "provider": provider, "token": f"{run['id']}-{number}", "launched": now, "task_arn": "",
        "event": None, "exit_code": None, "reason": "", "started": None, "stopped": None,
    }  # fmt: skip
    return run | {"attempts": [*run["attempts"], attempt]}


def changed(run: Record, number: int, what: Mapping[str, Any]) -> Record:
    """The run with something else in the attempt of this number."""
    return run | {"attempts": [one | what if one["number"] == number else one for one in run["attempts"]]}


def end_of(task: Mapping[str, Any], container: str) -> Record:
    """What an attempt has once its task has stopped, as DescribeTasks shows it."""
    ended = judge(task, (container,))
    return {
        "task_arn": task["taskArn"], "event": ended.event.value, "exit_code": ended.exit_code, "reason": ended.reason,
        "started": ended.started, "stopped": ended.stopped,
    }  # fmt: skip


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
