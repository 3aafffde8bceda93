"""What an earlier run was, in the place of today's: whether tasks of it can start. Plain values."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config import Deploy
from reconciler.config.resource_names import Facts, Names
from reconciler.core.container import Container
from reconciler.core.errors import UserError
from reconciler.kinds import TaskDefinitionSpec
from reconciler.run.earlier import check_launchable, first_of, pinned, placed
from reconciler.run.retry import Event
from tests.run.samples import attempt, run

ACCOUNT = "123456789012"
ECR = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:token-abcdef"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/tiny/ETA"
GPU = {"resourceRequirements": [{"type": "GPU", "value": "2"}]}


def names(**more: Any) -> Names:
    file = {"name": "tiny", "image": {"uri": f"{ECR}/tiny:1"}} | more
    return Names(Deploy.model_validate(file).filled(), Facts(ACCOUNT, "aws", "vpc-1", ()))


def spec(*, compatibilities: tuple[str, ...] = ("FARGATE",), cpu: int = 256, memory: int = 512, arm: bool = False,
         **box: Any) -> TaskDefinitionSpec:  # fmt: skip
    known: dict[str, Any] = {"name": "main", "image": f"{ECR}/tiny@sha256:{'a' * 64}"}
    return TaskDefinitionSpec(
        name="tiny", cpu=cpu, memory=memory, compatibilities=compatibilities,
        cpu_architecture="ARM64" if arm else "X86_64", containers=(Container(**known | box),),
    )  # fmt: skip


TODAY = spec(secrets={"T": f"{SECRET}:key::", "ETA": PARAMETER})
ON_MANAGED = {"run": {"capacity": "managed"}, "task": {"cpu": 1024, "memory": 2048}}
ON_GPUS = {"run": {"capacity": "managed"}, "task": {"cpu": 4096, "memory": 16384, "gpu": 1, "gpu_type": "t4"}}
OWN = {"run": {"capacity": "mine"}}
MANAGED: dict[str, Any] = {"compatibilities": ("MANAGED_INSTANCES",)}
# What the file has besides, what the run was, and why no task of it would start.
CASES: list[tuple[dict[str, Any], TaskDefinitionSpec, str]] = [
    ({}, TODAY, ""),
    ({}, spec(), ""),
    ({}, spec(secrets={"OTHER": f"{SECRET}:another::"}), ""),
    ({}, spec(secrets={"GONE": f"{PARAMETER}2"}), f"got GONE from {PARAMETER}2, which the role tiny-"),
    ({}, spec(secrets={"GONE": SECRET.replace("token", "other")}), "got GONE from arn:aws:secretsmanager"),
    ({}, spec(image="python:3.13-slim"), ""),
    ({}, spec(image=f"{ECR}/other:1"), "is in a repository that the role tiny-task-execution-role may not pull from"),
    ({}, spec(image=f"{ECR.replace('12', '99')}/tiny:1"), "may not pull from"),
    ({"task": {"execution_role": {"managed_policy": True}}}, spec(image=f"{ECR}/other:1"), ""),
    ({}, spec(cpu=2048, memory=4096, arm=True), ""),
    ({}, spec(cpu=2048, memory=100_000), "2048 CPU units and 100000 MiB, which Fargate, where tasks run now, hasn't"),
    ({}, spec(extra=GPU), "had a GPU, and Fargate, where tasks run now, has none"),
    (ON_MANAGED, spec(**MANAGED, cpu=1024, memory=2048), ""),
    (ON_MANAGED, spec(**MANAGED, cpu=65536, memory=2048), "which is more than the managed instances may have now"),
    (ON_MANAGED, spec(**MANAGED, cpu=1024, memory=400_000), "which is more than the managed instances may have now"),
    (ON_MANAGED, spec(**MANAGED, cpu=1024, memory=2048, arm=True), "on ARM64, and the managed instances have X86_64"),
    (ON_MANAGED, spec(**MANAGED, cpu=1024, memory=2048, extra=GPU), "2 GPUs, and the managed instances have at most 0"),
    (ON_GPUS, spec(**MANAGED, cpu=1024, memory=2048, extra=GPU), "2 GPUs, and the managed instances have at most 1"),
    (ON_GPUS, spec(**MANAGED, cpu=4096, memory=16384), ""),
    (OWN, spec(compatibilities=("EC2",), cpu=65536, memory=400_000, extra=GPU), ""),
]  # fmt: skip


@pytest.mark.parametrize(("more", "then", "why"), CASES)
def test_whether_a_task_of_it_can_start(more: dict[str, Any], then: TaskDefinitionSpec, why: str) -> None:
    if not why:
        check_launchable(names(**more), run(), then, TODAY)
        return
    with pytest.raises(UserError) as caught:
        check_launchable(names(**more), run(), then, TODAY)
    assert why in str(caught.value)


def test_its_place_is_todays_and_the_rest_its_own() -> None:
    own: dict[str, Any] = {"environment": {"A": "1"}, "command": ("old",), "secrets": {"ETA": PARAMETER}}
    then = spec(cpu=512, memory=1024, log_driver="awslogs", log_options={"awslogs-group": "/gone"}, **own)
    then = then.model_copy(update={"task_role": "old", "execution_role": "old", "tags": {"a": "old"}})
    then = then.model_copy(update={"ephemeral_storage": 50})
    today = spec(name="trainer", log_driver="awslogs", log_options={"awslogs-group": "/ecs/tiny"}, stop_timeout=90)
    today = today.model_copy(update={"task_role": "new", "execution_role": "newer", "tags": {"a": "new"}})
    definition = placed(run(container="main"), then, today)
    (box,) = definition.containers
    assert (box.name, box.log_options, box.stop_timeout) == ("trainer", {"awslogs-group": "/ecs/tiny"}, 90)
    assert (definition.task_role, definition.execution_role, definition.tags) == ("new", "newer", {"a": "new"})
    assert (box.command, box.environment, box.secrets) == (("old",), {"A": "1"}, {"ETA": PARAMETER})
    assert (definition.cpu, definition.memory, definition.ephemeral_storage, box.image) == (
        512,
        1024,
        50,
        then.containers[0].image,
    )
    managed = today.model_copy(update={"compatibilities": ("MANAGED_INSTANCES",)})
    moved = placed(run(container="main"), then, managed)
    assert (moved.ephemeral_storage, moved.compatibilities) == (None, ("MANAGED_INSTANCES",)), "only Fargate has it"
    # A record from before it had the name means the only container; one that names another is refused.
    assert placed(run(), then, today) == definition
    with pytest.raises(UserError, match="has no container other"):
        placed(run(container="other"), then, today)


def test_an_image_is_named_by_what_the_run_had() -> None:
    earlier_run = run(attempts=(attempt(event=Event.SUCCESS, image="sha256:b"),))
    assert pinned(earlier_run, "repo/tiny@sha256:a") == ("repo/tiny@sha256:a", [])
    assert pinned(earlier_run, "host:5000/tiny:latest") == ("host:5000/tiny@sha256:b", [])
    assert pinned(earlier_run, "python") == ("python@sha256:b", [])
    image, (told,) = pinned(run(), "python:3.13")
    assert image == "python:3.13"
    assert "its record doesn't say which image python:3.13 was" in told


def test_which_run_is_the_first() -> None:
    runs = {f"r{number}": run(id=f"r{number}", like=f"r{number + 1}") for number in range(20)} | {"r3": run(id="r3")}
    assert first_of(runs["r0"], runs.__getitem__).id == "r3"
    with pytest.raises(UserError, match="run r4 repeats a run that repeats another, and so on, 10 times or more"):
        first_of(runs["r4"], runs.__getitem__)
