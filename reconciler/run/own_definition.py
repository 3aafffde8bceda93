"""The task definitions that single runs have for themselves: of one that repeats another, of one with workers.

They are in a family beside the deploy's, which neither the schedule nor a plan looks at.
"""

from __future__ import annotations

from reconciler.aws.calls import Aws
from reconciler.core.errors import UserError
from reconciler.core.run_paths import again_family
from reconciler.core.spec import OWNER_TAG
from reconciler.kinds import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import AGAIN_TAG, REVISION, request
from reconciler.run.run import Run


def own(spec: TaskDefinitionSpec, deploy: str) -> TaskDefinitionSpec:
    """A definition of the deploy's family, in that beside it."""
    tags = {key: value for key, value in spec.tags.items() if key != OWNER_TAG} | {AGAIN_TAG: deploy}
    return spec.model_copy(update={"name": again_family(spec.name), "tags": tags})


def has_own(run: Run, task_definition: str) -> bool:
    """Whether a run's definition is one of that family, whatever else its record says. task_definition: ARN of the
    deploy's.
    """
    place, _, family = task_definition.rpartition("/")
    name, _, number = run.task_definition.rpartition(":")
    return name == f"{place}/{again_family(family.partition(':')[0])}" and bool(REVISION.fullmatch(number))


def register(aws: Aws, spec: TaskDefinitionSpec, deploy: str) -> str:
    """The ARN of a revision that is this, a new one unless the newest is. Raises UserError where somebody else has a
    family of that name; AwsError.
    """
    live = TaskDefinition(plain=True).observe(aws, [spec]).get(spec.name)
    if live is not None and live.spec.tags.get(AGAIN_TAG) != deploy:
        raise UserError(
            f"there is a task definition {spec.name}, which isn't this deploy's", hint="give task.family another name"
        )
    if live is not None and live.spec == spec:
        return live.attributes["arn"]
    return str(aws.call("ecs", "RegisterTaskDefinition", **request(spec))["taskDefinition"]["taskDefinitionArn"])
