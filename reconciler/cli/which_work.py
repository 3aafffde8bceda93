"""Which work an `apply` is to do: one task, one like an earlier run's, or many."""

from __future__ import annotations

from reconciler.cli.like import LikeWork
from reconciler.cli.sweep import SweepWork
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal
from reconciler.cli.work import RunWork, SingleWork, ThisRun
from reconciler.core.errors import UserError
from reconciler.core.plain_json import plain
from reconciler.core.run_paths import each_run
from reconciler.core.secret import KNOWN
from reconciler.core.workers import VARIABLES
from reconciler.engine.deployment import Deployment
from reconciler.run.certificate import check_can_make
from reconciler.run.hand_over import check_no_secret
from reconciler.run.job import runs_of
from reconciler.run.overrides import parse
from reconciler.run.sweep import chosen, combinations, copies


def work_of(target: Target, deployment: Deployment, this_run: ThisRun, terminal: Terminal) -> RunWork:
    """What the file and the command line ask for. Raises UserError."""
    task, runs = deployment.deploy.task, runs_of(deployment.aws, deployment.names, terminal.note)
    own_variables = (*each_run(deployment.deploy.run.checkpoint), *(VARIABLES if deployment.deploy.run.workers else ()))
    managed = [provider in deployment.deploy.managed_providers for provider in deployment.deploy.run.capacity]
    overrides = parse(
        this_run.env,
        this_run.cpu,
        this_run.memory,
        this_run.command,
        (task.cpu, task.memory),
        own_variables,
        deployment.deploy.requirements if any(managed) else None,
        fargate=not all(managed),
    )
    KNOWN.learn_all(plain(overrides))
    secret = {
        name for name, parameter in deployment.deploy.parameters.items() if parameter.give_as == "secret"
    } | task.secrets.keys()
    sweep, unattended = deployment.deploy.run.sweep, deployment.deploy.run.unattended
    on_interrupt, count = this_run.on_interrupt, this_run.count
    if this_run.detach and not unattended:
        raise UserError(
            "--detach: nobody would manage the run",
            hint="write in deploy.yaml run: {unattended: true}, which has a function of the deploy do it",
        )
    if unattended and count is not None:
        raise UserError("--count: its tasks are launched by this command, and the file says run.unattended")
    if deployment.deploy.run.workers:
        check_can_make()
        if count is not None:
            raise UserError("--count: its tasks have no workers yet, and the file says run.workers")
    if unattended:
        check_no_secret(overrides, runs.bucket)
    if this_run.like:
        return LikeWork(
            target, deployment, runs, terminal, on_interrupt, overrides, this_run.like, detach=this_run.detach
        )
    if clashes := sorted(secret & overrides.environment.keys()):
        raise UserError(
            f"--env {clashes[0]}: it is given to the task as a secret, and ECS takes the secret's value",
            hint=f"write in deploy.yaml parameters: {{{clashes[0]}: {{give_as: environment, …}}}}",
        )
    if count is not None:
        return SweepWork(target, deployment, runs, terminal, on_interrupt, overrides, copies(count), count, None)
    if sweep is not None:
        sweep_combinations = chosen(combinations(sweep), overrides.environment)
        return SweepWork(
            target, deployment, runs, terminal, on_interrupt, overrides, sweep_combinations, sweep.max_parallel, sweep
        )
    return SingleWork(target, deployment, runs, terminal, on_interrupt, overrides, detach=this_run.detach)
