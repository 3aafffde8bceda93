"""ECS's RunTask for one attempt: what is asked, and what an answer without a task says. Pure.

`apply`, `watch` and the function of the schedule ask the same with the same token, so that ECS gives them one task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.run.retry import Attempt

STATUSES = ("RUNNING", "STOPPED")  # ListTasks asks for one at a time
LOOKS, PAUSE = 5, 2.0  # at ECS, seconds between them, for a task that it may not show yet
OLD = 60.0  # seconds since a task was made, from which on it is an earlier launch's


class Forgotten(Exception):
    """An attempt's token has launched a task before, which ECS has forgotten. The text is its ARN, or empty."""


def run_task(
    attempt: Attempt, run_id: str, group: str, overrides: Mapping[str, Any], *, cluster: str, task_definition: str,
    subnets: Sequence[str], security_group: str, public_ip: bool,
) -> dict[str, Any]:  # fmt: skip
    """The parameters of RunTask. group: by which EventBridge's rule knows the task; empty for none."""
    # Instances of one's own can't give a task a public address.
    public = "ENABLED" if public_ip and attempt.provider in FARGATE else "DISABLED"
    network = {"subnets": list(subnets), "securityGroups": [security_group], "assignPublicIp": public}
    return {
        "cluster": cluster,
        "taskDefinition": task_definition,
        "count": 1,
        "capacityProviderStrategy": [{"capacityProvider": attempt.provider, "weight": 1}],
        "clientToken": attempt.token,
        "startedBy": attempt.token,
        "propagateTags": "TASK_DEFINITION",
        "tags": [{"key": "reconciler:run", "value": run_id}],
        "networkConfiguration": {"awsvpcConfiguration": network},
        "overrides": overrides,
        **({"group": group} if group else {}),
    }


def container(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """A container's override with these variables."""
    return {"name": name, "environment": [{"name": key, "value": environment[key]} for key in sorted(environment)]}


def why_none(answer: Mapping[str, Any]) -> str:
    """Why an answer has no task; empty when ECS gives no reason."""
    failures = answer.get("failures") or ()
    return "; ".join(" ".join(filter(None, (one.get("reason"), one.get("detail")))) for one in failures)


def is_old(task: Mapping[str, Any], now: float) -> bool:
    """Whether a task of RunTask's answer may be an earlier launch's. now: seconds since the epoch."""
    made = task.get("createdAt")
    return made is not None and now - made.timestamp() > OLD
