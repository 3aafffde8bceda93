"""What ECS does with details of task definitions and services that its emulators don't do."""

from __future__ import annotations

from typing import Any, cast

import pytest

from reconciler.core.container import Container
from reconciler.core.diff import diff
from reconciler.core.spec import Observed
from reconciler.kinds import ServiceSpec, TaskDefinitionSpec
from reconciler.kinds.ecs_service import Service
from reconciler.kinds.ecs_task_definition import TaskDefinition, request


class Answers:
    """An AWS that answers DescribeTaskDefinition with this, and keeps what it is told to do."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.answer, self.told = answer, list[tuple[str, dict[str, Any]]]()

    def find(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        return self.answer

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        self.told.append((operation, params))
        return {}


@pytest.mark.parametrize(
    ("dropped", "differs"), [([], []), (["EMPTY"], []), (["FULL"], ["FULL"]), (["EMPTY", "FULL"], ["FULL"])]
)
def test_an_empty_variable_that_aws_dropped_is_no_difference(dropped: list[str], differs: list[str]) -> None:
    container = Container(name="main", image="x", environment={"EMPTY": "", "FULL": "1"})
    want = TaskDefinitionSpec(name="f", cpu=256, memory=512, containers=(container,))
    live = request(want) | {"revision": 1, "taskDefinitionArn": "arn:aws:ecs:::f:1"}
    kept = [variable for variable in live["containerDefinitions"][0]["environment"] if variable["name"] not in dropped]
    live["containerDefinitions"] = [{**live["containerDefinitions"][0], "environment": kept}]
    seen = TaskDefinition().read(cast(Any, Answers({"taskDefinition": live})), want)
    assert seen is not None
    assert [change.path.rpartition(".")[2] for change in diff(want, seen.spec)] == differs


@pytest.mark.parametrize(("attributes", "forced"), [({}, False), ({"launch_type": "FARGATE"}, True)])
def test_what_was_made_with_a_launch_type_is_deployed_anew(attributes: dict[str, str], forced: bool) -> None:
    want, aws = ServiceSpec(name="c/s", desired_count=2), Answers()
    seen = Observed(ServiceSpec(name="c/s", desired_count=1), {"arn": "a", **attributes})
    Service().update(cast(Any, aws), want, seen, diff(want, seen.spec))
    ((operation, params),) = aws.told
    assert operation == "UpdateService"
    assert params.get("forceNewDeployment", False) is forced
