"""Where the newest task of a run logs. The file may have said something else at its launch than it says now.

A record may say anything. So what it says is believed where the file says the same; else the task definition that the
run was launched with says it, which has to be one of the deploy's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import again_family
from reconciler.kinds.ecs_task_definition import REVISION
from reconciler.run.place import NotOurs, Place
from reconciler.run.run import Run


def log_place(aws: Aws, place: Place, run: Run) -> Place:
    """The place with the log group, prefix and container of a run. Raises NotOurs where nobody knows; AwsError."""
    current = (place.log_group, place.log_prefix, place.container)
    recorded = (run.log_group or current[0], run.log_prefix or current[1], run.container or current[2])
    if recorded == current:
        return place
    if run_place := of_definition(aws, replace(place, container=recorded[2]), run.task_definition):
        return run_place
    raise NotOurs(
        f"the record says that run {run.id} logged to {' '.join(recorded)}, this deploy logs to {' '.join(current)} "
        f"(group, prefix, container), and ECS has no task definition of {place.family} that says so",
        hint="the record was changed, or `logs` or task.container in deploy.yaml were and its definition was deleted",
    )


def of_definition(aws: Aws, place: Place, arn: str) -> Place | None:
    """The place with the log group and prefix that a task definition says for the container; None where it isn't the
    deploy's, isn't there any more or doesn't say so. Raises AwsError.
    """
    family, _, number = arn.rpartition("/")[2].partition(":")
    if family not in (place.family, again_family(place.family)) or not REVISION.fullmatch(number):
        return None
    answer = aws.find("ecs", "DescribeTaskDefinition", taskDefinition=f"{family}:{number}")
    for box in (answer or {}).get("taskDefinition", {}).get("containerDefinitions", ()):
        if box["name"] == place.container and (options := _log_options(box)):
            return replace(place, log_group=options["awslogs-group"], log_prefix=options["awslogs-stream-prefix"])
    return None


def _log_options(box: Mapping[str, Any]) -> Mapping[str, str]:
    """The options of a container whose log a run reads; empty for any other."""
    options: Mapping[str, str] = (box.get("logConfiguration") or {}).get("options") or {}
    return options if {"awslogs-group", "awslogs-stream-prefix"} <= options.keys() else {}
