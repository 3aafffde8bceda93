"""Whether to launch, and with what: from the deployment and the record of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from reconciler.aws.calls import Aws
from reconciler.config.schema import Deploy
from reconciler.core.spec import Address
from reconciler.engine.deployment import Deployment
from reconciler.kinds import TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import ASIDE
from reconciler.lower import Names
from reconciler.lower.scheduled_function import cap_of, retry_of
from reconciler.run.cap import Limits
from reconciler.run.catalog import Catalog
from reconciler.run.crew import end_of_run
from reconciler.run.deadline import Deadline
from reconciler.run.fingerprint import fingerprint, recorded, run_inputs
from reconciler.run.follow import Follower
from reconciler.run.hand_over import Function
from reconciler.run.launch import CODE_VERSION
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.place import Place
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Rules
from reconciler.run.stored import Unreadable
from reconciler.run.supervise import Supervisor
from reconciler.run.workers import Size

NONE = Overrides()


@dataclass(frozen=True)
class Decision:
    """launch: a new task. resume: watch one that is under way. none: nothing. `why` is for people."""

    action: Literal["launch", "resume", "none"]
    why: str
    fingerprint: str
    inputs: dict[str, Any]
    run: Run | None = None


def inputs_of(
    deployment: Deployment, overrides: Overrides = NONE, base: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a run of this deployment is made of. base: what `base_of` gives, for whoever asks for many."""
    return recorded(
        overrides.onto(base or base_of(deployment), deployment.deploy.task.container), deployment.names.bucket
    )


def base_of(deployment: Deployment) -> dict[str, Any]:
    """What all runs of this deploy are made of: without overrides, and with secrets not yet replaced by marks."""
    address = Address("task-definition", str(deployment.deploy.task.family))
    task = deployment.graph.nodes[address].spec
    assert isinstance(task, TaskDefinitionSpec)
    image = deployment.image_mark or str(task.containers[0].image)
    inputs = run_inputs(task, image, deployment.data, deployment.given.marks(deployment.deploy))
    if workers := deployment.deploy.run.workers:
        inputs["workers"] = workers.model_dump(include={"engine", "count", "cpu", "memory"})
    return inputs


def decide(
    deployment: Deployment, runs: Runs, overrides: Overrides = NONE, base: dict[str, Any] | None = None
) -> Decision:
    """What `run.when` and the record of runs say. Reads one object, and all records where that can't be read. base: as
    in `inputs_of`.

    Raises Unreadable where nobody can say whether there was such a run: a training that is paid for is no answer.
    """
    inputs = inputs_of(deployment, overrides, base)
    mark = fingerprint(inputs)
    when = deployment.deploy.run.when
    if when == "never":
        return Decision("none", "`run.when` is never", mark, inputs)
    last = latest(runs, mark, overrides, inputs, give_up=when != "always")
    if last is not None and not last.state.over and last.state is not State.STOPPING:
        return Decision("resume", f"run {last.id} is under way", mark, inputs, last)
    if when == "always":
        return Decision("launch", "`run.when` is always", mark, inputs, last)
    if last is None:
        return Decision("launch", "the first with this image, data, command, environment and size", mark, inputs)
    if last.state is State.SUCCEEDED:
        return Decision("none", f"run {last.id} with the same inputs succeeded", mark, inputs, last)
    ending = "was stopped" if last.state in (State.STOPPED, State.STOPPING) else last.state.value
    return Decision("launch", f"run {last.id} with the same inputs {ending}", mark, inputs, last)


def latest(runs: Runs, mark: str, overrides: Overrides, inputs: dict[str, Any], *, give_up: bool) -> Run | None:
    """The newest run with this fingerprint; what it is made of comes from here, not from its record."""
    try:
        last = runs.latest(mark)
    except Unreadable as error:
        last = Catalog(runs).newest_of(mark)
        runs.say(f"{error}" + (f"; run {last.id} has the same inputs" if last else ""))
        if last is None and give_up:
            place = f"s3://{runs.bucket}/{error.key}"
            hint = f"look at it: aws s3 cp {place} -\nto run again what it is the record of: aws s3 rm {place}"
            raise Unreadable(error.key, f"{error.why}; it says whether this was run before", hint=hint) from None
    return replace(last, overrides=overrides, inputs=inputs) if last else None


def place_of(deploy: Deploy) -> Place:
    """Where a deploy's tasks are."""
    return Place(
        str(deploy.cluster.name),
        str(deploy.task.family),
        deploy.task.container,
        str(deploy.logs.group),
        deploy.logs.stream_prefix,
    )


def launch_of(deployment: Deployment, attributes: Mapping[Address, Any], code_version: str) -> LaunchSettings:
    """What the task is launched with, once its resources are there."""
    deploy = deployment.deploy
    group = attributes[Address("security-group", str(deploy.network.security_group.name))]
    task = attributes[Address("task-definition", str(deploy.task.family))]
    workers = deploy.run.workers
    return LaunchSettings(
        deploy=deploy.name,
        cluster=str(deploy.cluster.name),
        task_definition=task.get(ASIDE, task["arn"]),  # what the file says, and not what it was rolled back to
        container=deploy.task.container,
        subnets=deployment.names.facts.subnets,
        security_group=group["id"],
        public_ip=deploy.network.public_ip,
        log_group=str(deploy.logs.group),
        log_prefix=deploy.logs.stream_prefix,
        environment={CODE_VERSION: code_version} if code_version else {},
        deadline=deadline_of(deployment),
        schedule=deployment.names.schedule,
        checkpoint=deploy.run.checkpoint,
        exec_enabled=deploy.run.exec,
        retry=retry_of(deploy) if deploy.run.retry.out_of_memory else None,
        workers=workers.capacity if workers else (),
        worker_size=Size(workers.count, workers.cpu or 0, workers.memory or 0) if workers else None,  # filled
    )


def deadline_of(deployment: Deployment) -> Deadline | None:
    """What keeps `run.max_duration` and `run.max_cost` when nobody watches; None without any."""
    deploy, names = deployment.deploy, deployment.names
    if not deploy.run.limited:
        return None
    role = names.iam(f"role/{names.stop_role}")
    return Deadline(deploy.name, str(deploy.cluster.name), role, rules_of(deploy).limits)


def runs_of(aws: Aws, names: Names, tell: Callable[[str], None]) -> Runs:
    """The record of a deploy's runs, without those that have expired. tell: told what isn't shown or kept."""
    return Runs(aws, names.bucket, tell, names.deploy.runs_kept, checkpoints=names.deploy.run.checkpoint)


def supervisor(deployment: Deployment, runs: Runs) -> Supervisor:
    """What sees the runs of a deployment through."""
    deploy = deployment.deploy
    over = partial(end_of_run, deployment.aws, deploy.name, str(deploy.cluster.name), runs.say)
    return Supervisor(deployment.aws, runs, rules_of(deploy), end_workers=over)


def function_of(deployment: Deployment) -> Function:
    """What sees the unattended runs of a deployment through."""
    return Function(deployment.names.watcher)


def left_to_function(deploy: Deploy, run: Run) -> bool:
    """Whether the deploy's function decides about a run. Of a schedule that isn't in the file there may be none."""
    return run.unattended or bool(run.schedule and deploy.schedule)


def follower(deployment: Deployment, runs: Runs, overrides: Overrides | None = None) -> Follower:
    """What looks at a run of a deployment that is left to the function. overrides: what is different for its tasks."""
    takes_back = not deployment.deploy.run.unattended
    return Follower(deployment.aws, runs, rules_of(deployment.deploy), function_of(deployment), overrides, takes_back)


def rules_of(deploy: Deploy) -> Rules:
    """The rules that a deploy.yaml has for its runs: where, how often, how long, for how much."""
    run = deploy.run
    limits = Limits(run.max_duration, cap_of(deploy), deploy.region)
    return Rules(run.capacity, retry_of(deploy), limits, run.checkpoint)
