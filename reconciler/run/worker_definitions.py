"""Make what a run with workers needs: its certificate as a secret, and the definitions of its tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.aws.calls import Aws
from reconciler.core.container import Container
from reconciler.core.errors import ReconcilerError
from reconciler.core.secret import KNOWN
from reconciler.core.workers import (
    ADDRESS,
    CERTIFICATES,
    COUNT,
    ENCRYPTED,
    SCHEDULER,
    STOP,
    WORKER,
    port_of,
    secret_name,
)
from reconciler.kinds import TaskDefinition, TaskDefinitionSpec
from reconciler.run.certificate import DAYS, new_certificate
from reconciler.run.crew import WORKERS_TAG
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.own_definition import own, register
from reconciler.run.run import Run
from reconciler.run.workers import Size, scheduler_command

NO_PAUSE = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False", "DASK_LOGGING__DISTRIBUTED": "warning"}
DASK = ("python", "-m", "dask")


def prepare(aws: Aws, launch: LaunchSettings, run: Run, size: Size) -> Run:
    """Make what a run with workers needs: its certificate as a secret, and definitions of its own, since a secret is
    named nowhere else. Returns the run with its definition. To do it again does no harm. Raises AwsError,
    ReconcilerError.
    """
    name = put_certificate(aws, launch.deploy, run)
    live = TaskDefinition(plain=True).revision(aws, launch.task_definition)
    if live is None:
        raise ReconcilerError(f"there is no task definition {launch.task_definition}", hint="run `apply`")
    for_workers, for_program = definitions(live.spec, launch, run, size, aws.arn("ssm", f"parameter{name}"))
    arn = register(aws, for_workers, launch.deploy)
    spec = for_program.model_copy(update={"tags": {**for_program.tags, WORKERS_TAG: arn}})
    return replace(run, task_definition=register(aws, spec, launch.deploy), container=launch.container)


def put_certificate(aws: Aws, deploy: str, run: Run) -> str:
    """Have a certificate for a run's tasks, that there is or another. Returns its parameter's name. Raises AwsError."""
    name, pem = secret_name(deploy, run.id), new_certificate(run.id)
    KNOWN.add(pem)
    # AWS deletes it if nobody ever does, once the certificate has expired. Only advanced parameters have that.
    end = f"{datetime.fromtimestamp(aws.clock.now() + DAYS * 86_400, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    over = [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": end}}]
    aws.ensure(
        "ssm",
        "PutParameter",
        Name=name,
        Value=pem,
        Type="SecureString",
        Description=f"TLS of run {run.id}",
        Tier="Advanced",
        Policies=json.dumps(over),
    )
    return name


def definitions(
    spec: TaskDefinitionSpec, launch: LaunchSettings, run: Run, size: Size, secret: str
) -> tuple[TaskDefinitionSpec, TaskDefinitionSpec]:
    """What a run's workers are launched with, and what its program is, with the scheduler beside it. Pure.

    spec: the deploy's definition; secret: the ARN of what has the run's certificate.
    """
    program = next(container for container in spec.containers if container.name == launch.container)
    environment = {**NO_PAUSE, **program.environment, ENCRYPTED: "True"}
    dask = {
        "secrets": dict(sorted((program.secrets | dict.fromkeys(CERTIFICATES, secret)).items())),
        "environment": dict(sorted(environment.items())),
    }

    def beside(name: str, command: tuple[str, ...]) -> Container:
        changed = {"name": name, "entrypoint": DASK, "command": command, "extra": {}, **dask}
        return program.model_copy(update=changed)

    variables = {ADDRESS: f"tls://127.0.0.1:{port_of(run.id)}", COUNT: str(size.count)}
    wait = {"dependsOn": [{"containerName": SCHEDULER, "condition": "START"}]}
    changed = {**dask, "environment": dict(sorted({**environment, **variables}.items()))}
    main = program.model_copy(update={**changed, "extra": {**program.extra, **wait}})
    other_containers = [container for container in spec.containers if container.name != launch.container]
    # A program may shut it down and go on: only its own end is that of the task.
    scheduler = beside(SCHEDULER, scheduler_command(run.id)).model_copy(update={"essential": False})
    base = own(spec, launch.deploy)
    worker = {"cpu": size.cpu, "memory": size.memory, "compatibilities": ("FARGATE",), "extra": {}}
    worker_container = beside(WORKER, ("worker", "--help"))  # each is launched with a command of its own
    alone = {"containers": (worker_container.model_copy(update={"stop_timeout": STOP}),)}
    return (
        base.model_copy(update={**worker, **alone}),
        base.model_copy(update={"containers": (main, *other_containers, scheduler)}),
    )
