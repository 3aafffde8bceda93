"""Tasks that can't be started stop as they do on ECS: TaskFailedToStart, the reason in both places, no exit code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_fixtures import ACCOUNT, REGION, EmbeddedAws, unique


def failed(embedded_aws: EmbeddedAws, *containers: dict[str, Any]) -> Any:
    task = embedded_aws.finished(embedded_aws.launch(embedded_aws.register(*containers)))
    assert task["stopCode"] == "TaskFailedToStart"
    assert "startedAt" not in task
    assert all("exitCode" not in container for container in task["containers"])
    return task


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/nowhere:latest", "nowhere:latest: not found"),
        (f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/nowhere@sha256:{'0' * 64}", "not found"),
        ("python:3.13-slim", "not an ECR image reference"),
    ],
)
def test_an_image_that_is_not_there(embedded_aws: EmbeddedAws, image: str, why: str) -> None:
    task = failed(embedded_aws, embedded_aws.container(image))
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert why in task["stoppedReason"]
    assert task["containers"][0]["reason"] == task["stoppedReason"]


def test_an_image_is_found_by_its_tag_and_gone_when_deleted_from_ecr(embedded_aws: EmbeddedAws) -> None:
    repository = unique("repo")
    embedded_aws.put_image({}, cmd=["echo", "found"], repository=repository, tag="v1")
    reference = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}:v1"
    arn = embedded_aws.launch(embedded_aws.register(embedded_aws.container(reference)))
    task = embedded_aws.finished(arn)
    assert task["containers"][0]["imageDigest"].startswith("sha256:")
    assert embedded_aws.lines(arn) == ["found"]
    embedded_aws.client("ecr").batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])
    assert "not found" in failed(embedded_aws, embedded_aws.container(reference))["stoppedReason"]


@pytest.mark.parametrize("command", [["no-such-program"], ["/no/such/program"], ["./note"]])
def test_a_command_that_can_not_be_run(embedded_aws: EmbeddedAws, command: list[str]) -> None:
    image = embedded_aws.put_image({"note": "not a program"}, cmd=command)
    task = failed(embedded_aws, embedded_aws.container(image))
    assert task["stoppedReason"] == "Task failed to start"
    assert task["containers"][0]["reason"].startswith("CannotStartContainerError: ")
    assert f'exec: "{command[0]}"' in task["containers"][0]["reason"]


def test_no_command_at_all(embedded_aws: EmbeddedAws) -> None:
    task = failed(embedded_aws, embedded_aws.container(embedded_aws.put_image({})))
    assert "no command specified" in task["containers"][0]["reason"]


def test_a_log_group_that_is_not_there(embedded_aws: EmbeddedAws) -> None:
    options = {"awslogs-group": "/nowhere", "awslogs-region": REGION, "awslogs-stream-prefix": "p"}
    container = embedded_aws.container(embedded_aws.python_image("pass"))
    container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    task = failed(embedded_aws, container)
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args: ")
    assert "The specified log group does not exist." in task["stoppedReason"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mode": "fast"}, "modes blocking and non-blocking"),
        ({"mode": "blocking", "max-buffer-size": "1m"}, "buffer"),
        ({"awslogs-multiline-pattern": "("}, "awslogs-multiline-pattern: it is no regular expression"),
    ],
)  # fmt: skip
def test_log_options_that_the_driver_refuses(embedded_aws: EmbeddedAws, options: dict[str, str], why: str) -> None:
    container = embedded_aws.container(embedded_aws.python_image("pass"))
    container["logConfiguration"]["options"] |= options
    task = failed(embedded_aws, container)
    assert why in task["stoppedReason"]


@pytest.mark.parametrize("source", ["/no/such/parameter", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:nothing"])
def test_a_secret_that_is_not_there(embedded_aws: EmbeddedAws, source: str) -> None:
    container = embedded_aws.container(
        embedded_aws.python_image("pass"), secrets=[{"name": "SECRET", "valueFrom": source}]
    )
    task = failed(embedded_aws, container)
    assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets or registry auth: ")


def test_the_other_containers_end_when_one_can_not_start(embedded_aws: EmbeddedAws) -> None:
    sleeper = embedded_aws.container(embedded_aws.put_image({}, cmd=["sleep", "60"]), "sleeper")
    broken = embedded_aws.container(embedded_aws.put_image({}, cmd=["no-such-program"]), "broken")
    task = embedded_aws.finished(embedded_aws.launch(embedded_aws.register(sleeper, broken)))
    assert task["stopCode"] == "TaskFailedToStart"
    containers = {container["name"]: container for container in task["containers"]}
    assert containers["sleeper"]["exitCode"] == 143
    assert "exitCode" not in containers["broken"]
