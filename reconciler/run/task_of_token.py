"""The task that an attempt's token has launched, as ECS knows it.

The same for a client and for the deploy's function, which has nothing but boto3: `calls` is either's way to AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.run_paths import is_task_arn, task_id
from reconciler.run.run_task import STATUSES

LOOKS, PAUSE = 5, 2.0  # at ECS, seconds between them, for a task that it may not show yet
CONFLICT = "ConflictException"  # RunTask's answer to a token that was used with other parameters
Calls = Any  # reconciler.aws.calls.Aws, or the module reconciler.scheduled.aws


class Forgotten(Exception):
    """A token has launched a task before, which ECS has forgotten. The text is its ARN, or empty."""


def find_task(calls: Calls, cluster: str, token: str, named: Sequence[str] = ()) -> Mapping[str, Any] | None:
    """The task with this token as startedBy, running or stopped within the last hour or so; None where ECS knows none.

    named: ARNs under which it is looked for first. It is as ECS describes it, or has its ARN alone where ECS lists it
    and doesn't describe it yet. Raises what calls raise.
    """
    for task in described(calls, cluster, named):
        if task.get("startedBy") == token:
            return task
    for arns in _listed(calls, cluster, token):
        for task in described(calls, cluster, [arn for arn in arns if arn not in named]):
            if task.get("startedBy") == token:
                return task
        if arns:
            return {"taskArn": arns[0]}
    return None


def _listed(calls: Calls, cluster: str, token: str) -> Iterator[Sequence[str]]:
    for status in STATUSES:
        answer = calls.find("ecs", "ListTasks", cluster=cluster, startedBy=token, desiredStatus=status)
        yield (answer or {}).get("taskArns") or ()


def described(calls: Calls, cluster: str, arns: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Those of these tasks that ECS knows, a hundred at most. Raises what calls raise."""
    answer = calls.find("ecs", "DescribeTasks", cluster=cluster, tasks=list(map(task_id, arns))) if arns else None
    return (answer or {}).get("tasks") or ()


def look_for(
    calls: Calls, cluster: str, token: str, named: Sequence[str], looks: int, sleep: Callable[[float], None]
) -> Mapping[str, Any] | None:
    """As `find_task`, for a task that ECS may not describe at the first of so many looks.

    Raises what calls and `sleep` raise.
    """
    task = None
    for look in range(looks):
        if look:
            sleep(PAUSE)
        task = find_task(calls, cluster, token, named)
        if task and "lastStatus" in task:
            break
    return task


def launched_before(
    calls: Calls, cluster: str, token: str, named: Sequence[str], sleep: Callable[[float], None]
) -> Mapping[str, Any]:
    """The task that a token has launched before, which AWS names or not. Raises Forgotten, and what `look_for` does."""
    if task := look_for(calls, cluster, token, named, LOOKS, sleep):
        return task
    raise Forgotten(next(iter(named), ""))


def named_tasks(error: Exception) -> tuple[str, ...]:
    """The ARNs of tasks that a refusal of RunTask names: those which its token has launched before."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return tuple(filter(is_task_arn, getattr(error, "resources", ()) or response.get("resourceIds") or ()))
