"""Launch a task, once.

An attempt is recorded before `RunTask` is called, and its token is `clientToken` and `startedBy`. A launch whose
answer was lost, or whose caller was stopped, is found again by either and not made a second time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, ReconcilerError
from reconciler.core.run_paths import output_prefix
from reconciler.core.secret import KNOWN, MASK
from reconciler.run.deadline import Deadline
from reconciler.run.overrides import Overrides
from reconciler.run.retry import NO_ROOM, Attempt, Event
from reconciler.run.run_record import Run, Runs
from reconciler.run.run_task import STATUSES, container, run_task, why_none
from reconciler.run.state import State


@dataclass(frozen=True)
class Launch:
    """What every task of a deploy is launched with. task_definition: ARN; environment: beside that of the run."""

    deploy: str
    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_group: str
    public_ip: bool
    log_group: str
    log_prefix: str
    environment: Mapping[str, str]
    deadline: Deadline | None = None


def new_run(
    runs: Runs,
    launch: Launch,
    fingerprint: str,
    inputs: dict[str, Any],
    now: float,
    overrides: Overrides = Overrides(),  # noqa: B008  frozen
    *,
    before: str = "",
    sweep: str = "",
) -> Run:
    """A run that isn't launched yet. Its id is its time and the start of its fingerprint.

    before: the id of the run before with this fingerprint; sweep: the id of the sweep that it is part of.
    """
    run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{fingerprint[:8]}"
    if before.startswith(run_id):
        run_id = f"{run_id}-{int(before.removeprefix(run_id).lstrip('-') or 1) + 1}"  # two within a second
    return Run(
        id=run_id,
        fingerprint=fingerprint,
        state=State.LAUNCHING,
        created=now,
        inputs=inputs,
        output=f"s3://{runs.bucket}/{output_prefix(run_id)}",
        cluster=launch.cluster,
        container=launch.container,
        task_definition=launch.task_definition,
        log_group=launch.log_group,
        log_prefix=launch.log_prefix,
        overrides=overrides,
        sweep=sweep,
    )


def start(aws: Aws, runs: Runs, launch: Launch, run: Run, provider: str) -> Run:
    """Launch the run's next attempt, or find the one that was recorded and maybe launched.

    Returns the run with the attempt: with its task, or ended for want of capacity. Raises AwsError, ReconcilerError.
    """
    attempt = run.attempts[-1] if run.attempts and run.attempts[-1].event is None else None
    if attempt is not None and attempt.task_arn:
        return run
    arn = None
    if attempt is None:
        number = len(run.attempts) + 1
        attempt = Attempt(number=number, provider=provider, token=f"{run.id}-{number}", launched=aws.clock.now())
        run = run.with_attempt(attempt)
        runs.put(run)
    else:
        arn = find_task(aws, run.cluster, attempt.token)
    if launch.deadline:
        launch.deadline.make(aws, attempt)
    if arn is None:
        run = _unsealed(aws, run)
        arn, reason = _run_task(aws, launch, run, attempt)
        if not arn:
            if launch.deadline:
                launch.deadline.remove(aws, attempt)
            return run.with_attempt(replace(attempt, event=Event.NO_CAPACITY, reason=reason))
    if launch.deadline:
        launch.deadline.aim(aws, attempt, arn)
    run = run.with_attempt(replace(attempt, task_arn=arn))
    run = run.model_copy(update={"state": State.RUNNING})
    runs.put(run)
    return run


def _unsealed(aws: Aws, run: Run) -> Run:
    """The run with the secrets that its record doesn't have, as ECS still knows them of an earlier attempt.

    Raises ReconcilerError when it doesn't.
    """
    if not run.overrides.sealed:
        return run
    arns = [attempt.task_arn for attempt in reversed(run.attempts) if attempt.task_arn]
    found = aws.find("ecs", "DescribeTasks", cluster=run.cluster, tasks=arns[:1]) if arns else None
    for task in found["tasks"] if found else ():
        for one in task.get("overrides", {}).get("containerOverrides", ()):
            if one.get("name") == run.container:
                given = {pair["name"]: pair["value"] for pair in one.get("environment", ())}
                environment = {name: given.get(name, value) for name, value in run.overrides.environment.items()}
                command = one.get("command", run.overrides.command)
                update = {"environment": environment, "command": None if command is None else tuple(command)}
                known = run.overrides.model_copy(update=update)
                KNOWN.learn_all(known.model_dump(mode="json"))
                if not known.sealed:
                    return run.model_copy(update={"overrides": known})
    secret = ", ".join(name for name, value in run.overrides.environment.items() if MASK in value)
    raise ReconcilerError(
        f"run {run.id} was launched with secrets that its record doesn't have: {secret or 'in its command'}",
        hint="run the same `apply` again, with the same --env and --command: it goes on with this run",
    )


def find_task(aws: Aws, cluster: str, token: str) -> str | None:
    """The task of an attempt by its mark, running or stopped within the last hour or so."""
    for status in STATUSES:
        found = aws.find("ecs", "ListTasks", cluster=cluster, startedBy=token, desiredStatus=status)
        if found and found["taskArns"]:
            return str(found["taskArns"][0])
    return None


def stop_task(aws: Aws, runs: Runs, run: Run, reason: str) -> None:
    """Have a run's task stopped: SIGTERM, and SIGKILL after the stop timeout. Recorded first. Raises AwsError."""
    runs.put(run.model_copy(update={"state": State.STOPPING}))
    aws.find("ecs", "StopTask", cluster=run.cluster, task=run.task_arn, reason=reason)


def _run_task(aws: Aws, launch: Launch, run: Run, attempt: Attempt) -> tuple[str, str]:
    """(ARN, "") of the task, or ("", why) when there is no room for it."""
    try:
        answer = aws.call("ecs", "RunTask", **_request(launch, run, attempt))
    except AwsError as error:
        # Launched before, with something else that differs: this token's task is this attempt's.
        arn = find_task(aws, run.cluster, attempt.token) if error.code == "ConflictException" else None
        if arn is None:
            raise
        return arn, ""
    if answer.get("tasks"):
        return str(answer["tasks"][0]["taskArn"]), ""
    text = why_none(answer)
    if NO_ROOM.search(text):
        return "", text
    raise ReconcilerError(
        f"ECS launched nothing: {text or 'it gave no reason'}", hint="nothing runs now; run the command again"
    )


def _request(launch: Launch, run: Run, attempt: Attempt) -> dict[str, Any]:
    given = run.overrides
    variables = {**launch.environment, **given.environment, "OUTPUT_URI": run.output, "RUN_ID": run.id}
    command = {} if given.command is None else {"command": list(given.command)}
    sizes = {"cpu": given.cpu, "memory": given.memory}
    overrides = {
        "containerOverrides": [container(launch.container, variables) | command],
        **{name: str(size) for name, size in sizes.items() if size is not None},
    }
    return run_task(
        attempt, run.id, run.schedule, overrides, cluster=launch.cluster, task_definition=launch.task_definition,
        subnets=launch.subnets, security_group=launch.security_group, public_ip=launch.public_ip,
    )  # fmt: skip
