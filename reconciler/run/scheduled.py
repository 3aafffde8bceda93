"""Runs that the schedule started. Nobody recorded them: they are what ECS says of the tasks of the schedule's group.

ECS knows a task for about an hour after its end; a run that a `watch` came to by then is recorded, like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.config.service import on_ec2
from reconciler.lower.events import SCHEDULED
from reconciler.prices import task_cost
from reconciler.run.judge import judge
from reconciler.run.record import Run, Runs, State, output_prefix
from reconciler.run.retry import Attempt
from reconciler.run.supervise import STATES

AT_ONCE = 100  # tasks that DescribeTasks takes


def scheduled_runs(aws: Aws, deploy: Deploy, runs: Runs) -> list[Run]:
    """Those that ECS knows of, with the metrics of what succeeded. None without a schedule. Raises AwsError."""
    if deploy.schedule is None:
        return []
    cluster, family = str(deploy.cluster.name), str(deploy.task.family)
    listed = aws.each(
        lambda status: (
            aws.find_all("ecs", "ListTasks", "taskArns", cluster=cluster, family=family, desiredStatus=status) or []
        ),
        ("RUNNING", "STOPPED"),
    )
    arns = sorted({arn for some in listed for arn in some})
    batches = [arns[first : first + AT_ONCE] for first in range(0, len(arns), AT_ONCE)]
    answers = aws.each(lambda some: aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=some), batches)
    tasks = [task for answer in answers for task in (answer or {}).get("tasks", ())]
    found = [_run(deploy, runs.bucket, task) for task in tasks if task.get("group") == deploy.schedule.name]
    good = [run for run in found if run.state is State.SUCCEEDED]
    metrics = dict(zip((run.id for run in good), aws.each(runs.metrics, good), strict=True))
    return [run.model_copy(update={"metrics": metrics.get(run.id, {})}) for run in found]


def _run(deploy: Deploy, bucket: str, task: Mapping[str, Any]) -> Run:
    """The run of a task, as DescribeTasks shows it."""
    overrides = (task.get("overrides") or {}).get("containerOverrides") or ()
    given = {one["name"]: one["value"] for each in overrides for one in each.get("environment") or ()}
    run_id = given.get("RUN_ID") or f"{SCHEDULED}{task['taskArn'].rpartition('/')[2][:16]}"
    attempt = Attempt(
        number=1,
        provider=task.get("capacityProviderName") or task.get("launchType") or "",
        token=task.get("startedBy") or "",
        launched=task["createdAt"].timestamp(),
        task_arn=task["taskArn"],
    )
    cpu, memory, disk = int(task["cpu"]), int(task["memory"]), deploy.task.ephemeral_storage
    run = Run(
        id=run_id,
        fingerprint="",
        state=State.RUNNING,
        created=attempt.launched,
        inputs={"cpu": cpu, "memory": memory, "architecture": deploy.task.platform, "ephemeral_storage": disk},
        output=given.get("OUTPUT_URI") or f"s3://{bucket}/{output_prefix(run_id)}",
        cluster=str(deploy.cluster.name),
        container=deploy.task.container,
        task_definition=task["taskDefinitionArn"],
        log_group=str(deploy.logs.group),
        log_prefix=deploy.logs.stream_prefix,
        attempts=(attempt,),
        schedule=str(deploy.schedule.name if deploy.schedule else ""),
    )
    if task["lastStatus"] != "STOPPED":
        return run
    ended = judge(task, (deploy.task.container,))
    attempt = attempt.model_copy(
        update={"event": ended.event, "exit_code": ended.exit_code, "reason": ended.reason,
                "started": ended.started, "stopped": ended.stopped}
    )  # fmt: skip
    run = run.with_attempt(attempt)
    state = STATES.get(ended.event, State.FAILED)
    seconds = (ended.stopped or 0.0) - (ended.started or ended.stopped or 0.0)
    fargate = not on_ec2((attempt.provider,))
    cost = task_cost(deploy.region, deploy.task.platform, cpu, memory, seconds, disk) if fargate else None
    reason = "" if state is State.SUCCEEDED else ended.reason
    return run.model_copy(update={"state": state, "exit_code": ended.exit_code, "reason": reason, "cost": cost})
