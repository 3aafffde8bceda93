"""What an earlier run was: the revision of the task definition that it was launched with, and its image.

A record may say anything. So the revision has to be one of the deploy's own family, and ECS says what it holds.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.aws.calls import Aws
from reconciler.config.resource_names import Names
from reconciler.core.errors import UserError
from reconciler.core.spec import Observed
from reconciler.image.manifest import get_manifest
from reconciler.kinds import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import REVISION
from reconciler.lower.execution import PRIVATE
from reconciler.run.run import Run

FIRST = 10  # runs from one that names another to the one that names none
NO_DEFINITION = "make it anew from its commit: check that out, then `apply`"


def first_of(run: Run, find: Callable[[str], Run]) -> Run:
    """The run that it repeats, or that this one repeats, and so on; the run itself where it repeats none."""
    for _ in range(FIRST):
        if not run.like:
            return run
        run = find(run.like)
    raise UserError(f"the record of run {run.id} names others without an end")


def definition_of(aws: Aws, names: Names, run: Run) -> Observed[TaskDefinitionSpec]:
    """The revision that a run was launched with. Raises UserError where that doesn't exist any more, or isn't ours."""
    family = str(names.deploy.task.family)
    ours = names.arn("ecs", f"task-definition/{family}:")
    if not run.task_definition.startswith("arn:"):
        raise UserError(f"the record of run {run.id} doesn't say with which task definition", hint=NO_DEFINITION)
    if "workers" in run.inputs:
        raise UserError(
            f"run {run.id} had workers (run.workers): its definition is of no use without them, and it can't be "
            "launched like that yet",
            hint=NO_DEFINITION,
        )
    number = run.task_definition.removeprefix(ours)
    if not REVISION.fullmatch(number):
        raise UserError(
            f"run {run.id} was launched with {run.task_definition}, which is no revision of {family}",
            hint="the record was changed, or task.family in deploy.yaml was since the run",
        )
    found = TaskDefinition().revision(aws, f"{family}:{number}")
    if found is None:
        raise UserError(
            f"run {run.id} was launched with {family}:{number}, which was deleted from ECS", hint=NO_DEFINITION
        )
    return found


def check_image(aws: Aws, names: Names, run: Run, image: str) -> None:
    """Raises UserError for an image by digest of this account's ECR that doesn't exist any more."""
    repository, _, digest = image.partition("@")
    found = PRIVATE.fullmatch(repository)
    if not digest or not found or (found["account"], found["region"]) != (names.facts.account, names.deploy.region):
        return  # which ECS says, if it is gone
    if get_manifest(aws, found["name"], imageDigest=digest) is None:
        raise UserError(
            f"the image of run {run.id} isn't in ECR any more: {image}",
            hint=f"{NO_DEFINITION}; image.repository.keep_images in deploy.yaml says how many are kept",
        )
