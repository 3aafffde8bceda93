"""What an earlier run was: the revision of the task definition that it was launched with, and its image.

A record may say anything. So the revision has to be one of the deploy's own family, and ECS says what it holds.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.aws.calls import Aws
from reconciler.config.resource_names import Names
from reconciler.core.container import Container
from reconciler.core.errors import UserError
from reconciler.core.fargate import SIZES
from reconciler.core.managed_instances import Requirements
from reconciler.core.spec import Observed
from reconciler.image.manifest import get_manifest
from reconciler.kinds import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import REVISION
from reconciler.lower.execution import PRIVATE, repository_of
from reconciler.run.run import Run

FIRST = 10  # runs from one that names another to the one that names none
NO_DEFINITION = "make it anew from its commit: check that out, then `apply`"


def first_of(run: Run, find: Callable[[str], Run]) -> Run:
    """The run that it repeats, or that this one repeats, and so on; the run itself where it repeats none."""
    first = run
    for _ in range(FIRST):
        if not first.like:
            return first
        first = find(first.like)
    raise UserError(f"run {run.id} repeats a run that repeats another, and so on, {FIRST} times or more")


def definition_of(aws: Aws, names: Names, run: Run) -> Observed[TaskDefinitionSpec]:
    """The revision that a run was launched with. Raises UserError where that doesn't exist any more, or isn't ours."""
    family = str(names.deploy.task.family)
    prefix = names.arn("ecs", f"task-definition/{family}:")
    if not run.task_definition.startswith("arn:"):
        raise UserError(f"the record of run {run.id} doesn't say with which task definition", hint=NO_DEFINITION)
    if "workers" in run.inputs:
        raise UserError(
            f"run {run.id} had workers (run.workers): its definition is of no use without them, and it can't be "
            "launched like that yet",
            hint=NO_DEFINITION,
        )
    number = run.task_definition.removeprefix(prefix)
    if not REVISION.fullmatch(number):
        raise UserError(
            f"run {run.id} was launched with {run.task_definition}, which is no revision of {family}",
            hint="the record was changed, or task.family in deploy.yaml was since the run",
        )
    live = TaskDefinition().revision(aws, f"{family}:{number}")
    if live is None:
        raise UserError(
            f"run {run.id} was launched with {family}:{number}, which was deleted from ECS", hint=NO_DEFINITION
        )
    return live


def placed(run: Run, spec: TaskDefinitionSpec, today: TaskDefinitionSpec) -> TaskDefinitionSpec:
    """A run's definition, `spec`, in the place of today's: its own image, command, variables, secrets and size; today's
    container's name, log, roles and kinds of capacity. Raises UserError.
    """
    log = today.containers[0]
    box = _container(run, spec, log.name).model_copy(
        update={
            "name": log.name,
            "log_driver": log.log_driver,
            "log_options": log.log_options,
            "stop_timeout": log.stop_timeout,
        }
    )
    return spec.model_copy(
        update={
            "containers": (box,),
            "execution_role": today.execution_role,
            "task_role": today.task_role,
            "compatibilities": today.compatibilities,
            "extra": today.extra,
            "tags": today.tags,
            "ephemeral_storage": spec.ephemeral_storage if "FARGATE" in today.compatibilities else None,
        }
    )


def _container(run: Run, spec: TaskDefinitionSpec, name: str) -> Container:
    """The container of the program. name: today's, which a record from before it had the name means."""
    for container in spec.containers:
        if container.name == (run.container or name) or (not run.container and len(spec.containers) == 1):
            return container
    raise UserError(f"the definition of run {run.id}, a revision of {spec.name}, has no container {run.container}")


def pinned(run: Run, image: str) -> tuple[str, list[str]]:
    """The image by digest, as the run had it, and what isn't known of it."""
    if "@" in image:
        return image, []
    digest = next((attempt.image for attempt in reversed(run.attempts) if attempt.image), "")
    if not digest:
        return image, [f"its record doesn't say which image {image} was: it is what that names now"]
    head, slash, last = image.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{digest}", []


def check_launchable(names: Names, run: Run, spec: TaskDefinitionSpec, today: TaskDefinitionSpec) -> None:
    """Raises UserError where no task of a definition in today's place would start. today: what `apply` has made."""
    role, box = f"the role {names.deploy.task.execution_role.name}", spec.containers[0]
    secret_arns = {_secret_arn(arn) for container in today.containers for arn in container.secrets.values()}
    for variable, arn in sorted(box.secrets.items()):
        if _secret_arn(arn) not in secret_arns:
            raise UserError(
                f"run {run.id} got {variable} from {arn}, which {role} may not read any more",
                hint="write it in parameters or task.secrets of deploy.yaml again",
            )
    repository = repository_of(names, str(box.image))
    repositories = {repository_of(names, str(container.image)) for container in today.containers}
    if repository and repository not in repositories and not names.deploy.task.execution_role.managed_policy:
        raise UserError(
            f"the image of run {run.id}, {box.image}, is in a repository that {role} may not pull from",
            hint="write task: {execution_role: {managed_policy: true}} in deploy.yaml: then it may pull each",
        )
    managed = names.deploy.requirements if names.deploy.managed_providers else None
    if why := _too_large(spec, managed):
        raise UserError(f"run {run.id} {why}", hint=NO_DEFINITION)


def _secret_arn(arn: str) -> str:
    """A secret's ARN as policies name it: without a key in it, and without a version."""
    return ":".join(arn.split(":")[:7])


def _too_large(spec: TaskDefinitionSpec, managed: Requirements | None) -> str:
    """Why today's capacity has no room for a definition, whenever; empty where it may."""
    needs = spec.containers[0].extra.get("resourceRequirements") or ()
    gpus = sum(int(requirement["value"]) for requirement in needs if requirement.get("type") == "GPU")
    size = f"had {spec.cpu} CPU units and {spec.memory} MiB"
    if "FARGATE" in spec.compatibilities:
        if gpus:
            return "had a GPU, and Fargate, where tasks run now, has none"
        return "" if spec.memory in SIZES.get(spec.cpu, ()) else f"{size}, which Fargate, where tasks run now, hasn't"
    if managed is None:
        return ""
    if spec.cpu_architecture != managed.platform:
        return f"ran on {spec.cpu_architecture}, and the managed instances have {managed.platform}"
    if spec.cpu > managed.vcpus.max * 1024 or spec.memory > managed.memory.max:
        return f"{size}, which is more than the managed instances may have now"
    most = managed.gpus.max if managed.gpus else 0
    return f"had {gpus} GPUs, and the managed instances have at most {most} now" if gpus > most else ""


def check_image(aws: Aws, names: Names, run: Run, image: str) -> None:
    """Raises UserError for an image by digest of this account's ECR that doesn't exist any more."""
    repository, _, digest = image.partition("@")
    match = PRIVATE.fullmatch(repository)
    if not digest or not match or (match["account"], match["region"]) != (names.facts.account, names.deploy.region):
        return  # which ECS says, if it is gone
    if get_manifest(aws, match["name"], imageDigest=digest) is None:
        raise UserError(
            f"the image of run {run.id} isn't in ECR any more: {image}",
            hint=f"{NO_DEFINITION}; image.repository.keep_images in deploy.yaml says how many are kept",
        )
