"""ECS's RunTask for one attempt: what is asked, and what an answer without a task says. Pure.

`apply`, `watch` and the function of the schedule ask the same with the same token, so that ECS gives them one task.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.errors import ReconcilerError
from reconciler.core.fargate import FARGATE
from reconciler.core.run_paths import each_run
from reconciler.run import checkpoint
from reconciler.run.retry import NO_ROOM, Attempt
from reconciler.run.run import Overrides, Run

STATUSES = ("RUNNING", "STOPPED")  # ListTasks asks for one at a time
STOPPED = ("STOPPED", "DELETED")  # states of a task that has ended: the second is one that ECS is about to forget
OLD = 60.0  # seconds since a task was made, from which on it is an earlier launch's


class NotLaunched(ReconcilerError):
    """ECS launched nothing; the text says why."""


def run_task(
    attempt: Attempt,
    run_id: str,
    group: str,
    overrides: Mapping[str, Any],
    *,
    cluster: str,
    task_definition: str,
    subnets: Sequence[str],
    security_group: str,
    public_ip: bool,
    exec_enabled: bool = False,
) -> dict[str, Any]:
    """The parameters of RunTask. group: by which EventBridge's rule knows the task; empty for none.

    exec_enabled: a shell may be opened in it.
    """
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
        **({"enableExecuteCommand": True} if exec_enabled else {}),
        **({"group": group} if group else {}),
    }


def task_overrides(
    run: Run, attempt: Attempt, overrides: Overrides, name: str, *, with_checkpoint: bool
) -> dict[str, Any]:
    """What is different for an attempt's task. overrides: for this run; name: of the container."""
    variables = {**overrides.environment, "OUTPUT_URI": run.output, "RUN_ID": run.id}
    if with_checkpoint:
        variables |= checkpoint.variables(run.output, attempt.number)
    container: dict[str, Any] = {
        "name": name,
        "environment": [{"name": key, "value": variables[key]} for key in sorted(variables)],
    }
    if overrides.command is not None:
        container["command"] = list(overrides.command)
    sizes = {"cpu": attempt.cpu or overrides.cpu, "memory": attempt.memory or overrides.memory}
    return {"containerOverrides": [container], **{key: str(size) for key, size in sizes.items() if size is not None}}


def program_of(task: Mapping[str, Any], otherwise: str) -> str:
    """The name of the container in which a task's program runs: the one that was told of the run at its launch. The
    file may name it otherwise since. otherwise: where ECS doesn't say.
    """
    containers = (task.get("overrides") or {}).get("containerOverrides") or ()
    matches = (c for c in containers if "RUN_ID" in [pair["name"] for pair in c.get("environment") or ()])
    return next((str(c["name"]) for c in matches), otherwise)


def read_overrides(task: Mapping[str, Any], otherwise: str, everywhere: Collection[str] = ()) -> Overrides:
    """What was given for a run, from a task of its as ECS describes it. otherwise: see `program_of`; everywhere:
    variables that each launch gives.
    """
    overrides: Mapping[str, Any] = task.get("overrides") or {}
    container = program_of(task, otherwise)
    containers: Sequence[Mapping[str, Any]] = overrides.get("containerOverrides") or ()
    own_override = next((override for override in containers if override.get("name") == container), {})
    environment = {str(pair["name"]): str(pair["value"]) for pair in own_override.get("environment") or ()}
    sizes = {name: int(overrides[name]) for name in ("cpu", "memory") if overrides.get(name)}
    command = tuple(own_override["command"]) if own_override.get("command") else None
    # Whether it has a checkpoint is what the task says, not what the file says now.
    reserved = (*each_run("CHECKPOINT_URI" in environment), *everywhere)
    return Overrides(environment={k: v for k, v in environment.items() if k not in reserved}, command=command, **sizes)


def launched(answer: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """What RunTask has answered: (task, ""), or (None, why) where there is no room for it. Raises NotLaunched."""
    for task in answer.get("tasks") or ():
        return task, ""
    failures = answer.get("failures") or ()
    why = "; ".join(" ".join(filter(None, (failure.get("reason"), failure.get("detail")))) for failure in failures)
    if NO_ROOM.search(why):
        return None, why
    raise NotLaunched(
        f"ECS launched nothing: {why or 'it gave no reason'}", hint="nothing runs now; run the command again"
    )


def has_stopped(task: Mapping[str, Any]) -> bool:
    """Whether a task as ECS describes it has ended."""
    return task.get("lastStatus") in STOPPED


def with_size_of(run: Run, task: Mapping[str, Any]) -> Run:
    """The run with the size that ECS says its newest attempt's task has, unless the attempt has one of its own: the
    definition of a rollback may have another size than the file.
    """
    if run.attempts[-1].memory is not None or not (task.get("cpu") and task.get("memory")):
        return run
    return replace(run, inputs={**run.inputs, "cpu": int(task["cpu"]), "memory": int(task["memory"])})


def counted(attempt: Attempt, task: Mapping[str, Any]) -> Attempt:
    """An attempt that counts from when ECS made its task: its launch may be long after it was recorded."""
    created = task.get("createdAt")
    return attempt if created is None else replace(attempt, launched=max(attempt.launched, created.timestamp()))


def is_old(task: Mapping[str, Any], now: float) -> bool:
    """Whether a task of RunTask's answer may be an earlier launch's. now: seconds since the epoch."""
    created = task.get("createdAt")
    return created is not None and now - created.timestamp() > OLD
