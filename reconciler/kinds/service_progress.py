"""How far a service's deployment is, and what became of its tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.aws.calls import Aws

BAD = re.compile("fail|unable|roll")  # what an event of a service that isn't well says


def progress(aws: Aws, place: Mapping[str, str], live: Mapping[str, Any]) -> str:
    """Empty for a service that is steady. place: cluster and service."""
    deployments = live.get("deployments") or ()
    first = primary(live)
    steady = first.get("rolloutState", "COMPLETED") == "COMPLETED" and len(deployments) < 2
    if steady and live["runningCount"] == live["desiredCount"]:
        return ""
    failed = f", {first['failedTasks']} failed" if first.get("failedTasks") else ""
    text = f"{first.get('runningCount', 0)} of {live['desiredCount']} tasks run{failed}"
    if any(one.get("rolloutState") == "FAILED" or one.get("failedTasks") for one in deployments):
        text = "; ".join(filter(None, (text, _why(aws, place, live))))
    return text


def primary(live: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment that is to stay."""
    return next((one for one in live.get("deployments") or () if one["status"] == "PRIMARY"), {})


def last_failure(live: Mapping[str, Any]) -> str:
    """What ECS says of the last deployment that failed, which it names; empty for none."""
    said = (event["message"] for event in live.get("events") or ())
    return next((message for message in said if "deployment failed" in message), "")


def _why(aws: Aws, place: Mapping[str, str], live: Mapping[str, Any]) -> str:
    """How the last of its tasks ended, and what ECS says."""
    listed = {"cluster": place["cluster"], "serviceName": place["service"], "desiredStatus": "STOPPED"}
    arns = (aws.find("ecs", "ListTasks", **listed) or {}).get("taskArns", ())
    answer = aws.find("ecs", "DescribeTasks", cluster=place["cluster"], tasks=arns[:100]) if arns else None
    # Not those that ECS stopped to make room for others.
    own = [t for t in (answer or {}).get("tasks", ()) if t.get("stopCode") != "ServiceSchedulerInitiated"]
    ended = sorted(own, key=lambda task: str(task.get("stoppedAt", "")))
    said = [one["message"] for one in live.get("events") or () if BAD.search(one["message"])]
    return "; ".join([*(_ended(task) for task in ended[-1:]), *said[:1]])


def _ended(task: Mapping[str, Any]) -> str:
    containers = task.get("containers", ())
    codes = [f"exit code {c['exitCode']}" for c in containers if c.get("exitCode") is not None]
    reasons = [c["reason"] for c in containers if c.get("reason")]
    words = dict.fromkeys(filter(None, (task.get("stoppedReason", ""), *reasons, *codes)))
    return f"task {task['taskArn'].rpartition('/')[2]} stopped: {', '.join(words)}"
