"""Launch a task, once.

The run is recorded before `RunTask` is called, and its id is `clientToken` and `startedBy`. A launch whose answer was
lost, or whose caller was stopped, is found again by either and not made a second time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.aws import Aws
from reconciler.errors import ReconcilerError
from reconciler.run.record import Run, Runs, State, output_prefix
from reconciler.spec import OWNER_TAG


@dataclass(frozen=True)
class Launch:
    """What a task is launched with. task_definition: ARN; environment: for this run alone."""

    deploy: str
    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_group: str
    public_ip: bool
    capacity: tuple[str, ...]
    log_group: str
    environment: Mapping[str, str]


class NoCapacity(ReconcilerError):
    """AWS has no room for the task now."""


def new_run(runs: Runs, launch: Launch, fingerprint: str, inputs: dict[str, Any], now: float) -> Run:
    """A run that isn't launched yet. Its id is its time and the start of its fingerprint."""
    run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{fingerprint[:8]}"
    return Run(
        id=run_id,
        fingerprint=fingerprint,
        state=State.LAUNCHING,
        created=now,
        inputs=inputs,
        output=f"s3://{runs.bucket}/{output_prefix(run_id)}",
        cluster=launch.cluster,
        task_definition=launch.task_definition,
        capacity=launch.capacity[0],
        log_group=launch.log_group,
    )


def start(aws: Aws, runs: Runs, launch: Launch, run: Run) -> Run:
    """Launch the run's task, unless it was launched already. Returns the run with its task.

    Raises NoCapacity when no capacity provider has room; AwsError, ReconcilerError.
    """
    runs.put(run)
    arn = find_task(aws, run) or _run_task(aws, launch, run)
    run = run.model_copy(update={"task_arn": arn, "state": State.RUNNING})
    runs.put(run)
    return run


def find_task(aws: Aws, run: Run) -> str | None:
    """The task of a run by its mark, running or stopped within the last hour or so."""
    for status in ("RUNNING", "STOPPED"):
        found = aws.find(
            "ecs", "ListTasks", cluster=run.cluster, startedBy=run.id, desiredStatus=status
        )
        if found and found["taskArns"]:
            return str(found["taskArns"][0])
    return None


def _run_task(aws: Aws, launch: Launch, run: Run) -> str:
    problem = ""
    for provider in launch.capacity:
        environment = dict(launch.environment) | {"OUTPUT_URI": run.output, "RUN_ID": run.id}
        answer = aws.call(
            "ecs",
            "RunTask",
            cluster=launch.cluster,
            taskDefinition=launch.task_definition,
            count=1,
            capacityProviderStrategy=[{"capacityProvider": provider, "weight": 1}],
            # Other parameters with the same token are refused, so each provider has its own.
            clientToken=f"{run.id}-{provider}",
            startedBy=run.id,
            propagateTags="TASK_DEFINITION",
            tags=[{"key": OWNER_TAG, "value": launch.deploy}, {"key": "reconciler:run", "value": run.id}],
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(launch.subnets),
                    "securityGroups": [launch.security_group],
                    "assignPublicIp": "ENABLED" if launch.public_ip else "DISABLED",
                }
            },
            overrides={
                "containerOverrides": [
                    {
                        "name": launch.container,
                        "environment": [{"name": k, "value": v} for k, v in sorted(environment.items())],
                    }
                ]
            },
        )
        if answer.get("tasks"):
            return str(answer["tasks"][0]["taskArn"])
        failures = answer.get("failures") or [{}]
        problem = failures[0].get("detail") or failures[0].get("reason") or "ECS started no task and gave no reason"
        if not is_capacity(failures):
            raise ReconcilerError(f"ECS launched nothing: {problem}", hint="run the command again")
    raise NoCapacity(
        f"no capacity for the task with {' or '.join(launch.capacity)}: {problem}",
        hint="try again later, or name more in deploy.yaml under run.capacity",
    )


def is_capacity(failures: list[dict[str, Any]]) -> bool:
    """Whether a launch failed for want of room."""
    text = " ".join(f"{one.get('reason', '')} {one.get('detail', '')}" for one in failures)
    return "RESOURCE:" in text or "Capacity is unavailable" in text
