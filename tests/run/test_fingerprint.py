"""What makes a run another run, and what doesn't."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from reconciler.core.container import Container
from reconciler.core.errors import UserError
from reconciler.core.managed_instances import requirements
from reconciler.core.spec import Address, Ref
from reconciler.kinds import ObjectSpec, TaskDefinitionSpec
from reconciler.run.fingerprint import fingerprint, run_inputs
from reconciler.run.launch import new_run
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.overrides import parse
from reconciler.run.run import Overrides
from reconciler.run.run_record import Runs

IMAGE = "inputs:abc"
DATA = (ObjectSpec(name="bucket/data/a.csv", sha256="1" * 64), ObjectSpec(name="bucket/data/b.csv", sha256="2" * 64))


def spec(container: dict[str, Any] | None = None, **more: Any) -> TaskDefinitionSpec:
    main = Container(**({"name": "main", "image": "x", "environment": {"A": "1", "B": "2"}} | (container or {})))
    return TaskDefinitionSpec(**({"name": "t", "cpu": 1024, "memory": 2048, "containers": (main,)} | more))


def mark(task: TaskDefinitionSpec, image: str = IMAGE, data: tuple[ObjectSpec, ...] = DATA) -> str:
    return fingerprint(run_inputs(task, image, data))


BASE = mark(spec())


@pytest.mark.parametrize(
    "other",
    [
        mark(spec(), image="inputs:abd"),
        mark(spec(), data=(DATA[0],)),
        mark(spec(), data=(DATA[0], DATA[1].model_copy(update={"sha256": "3" * 64}))),
        mark(spec({"environment": {"A": "1", "B": "3"}})),
        mark(spec({"environment": {"A": "1"}})),
        mark(spec({"command": ("python", "-m", "model")})),
        mark(spec({"entrypoint": ("/bin/sh",)})),
        mark(spec({"secrets": {"TOKEN": "arn:aws:ssm:us-east-1:1:parameter/t"}})),
        mark(spec(cpu=2048, memory=4096)),
        mark(spec(memory=4096)),
        mark(spec(ephemeral_storage=50)),
        mark(spec(cpu_architecture="ARM64")),
    ],
)
def test_another_run(other: str) -> None:
    assert other != BASE


@pytest.mark.parametrize(
    "same",
    [
        mark(spec({"environment": {"B": "2", "A": "1"}})),
        mark(spec(), data=DATA[::-1]),
        mark(spec({"image": "another:tag"})),  # its content counts, not what it is called
        mark(spec({"log_driver": "awslogs", "log_options": {"awslogs-group": "g"}})),
        mark(spec(tags={"team": "x"})),
        mark(spec(name="another-family")),
        mark(spec(task_role="arn:aws:iam::1:role/r")),
    ],
)
def test_the_same_run(same: str) -> None:
    assert same == BASE


def test_a_parameters_value_is_part_of_it() -> None:
    given = Container(name="main", image="x", environment={"A": "1", "P": Ref(Address("parameter", "/t/P"), "value")})
    task = spec().model_copy(update={"containers": (given,)})
    inputs = run_inputs(task, IMAGE, DATA, {"P": "0.1"})
    assert inputs["containers"]["main"]["environment"] == {"A": "1"}, "it stands among the parameters"
    assert fingerprint(inputs) != fingerprint(run_inputs(task, IMAGE, DATA, {"P": "0.2"}))
    # What is overridden doesn't count.
    same = [Overrides(environment={"P": "9"}).onto(run_inputs(task, IMAGE, DATA, {"P": p}), "main") for p in "12"]
    assert same[0] == same[1]


def test_overrides_are_part_of_it() -> None:
    inputs = run_inputs(spec(), IMAGE, DATA)
    for overrides in (
        Overrides(environment={"A": "2"}), Overrides(environment={"C": "1"}), Overrides(cpu=2048, memory=4096),
        Overrides(memory=4096), Overrides(command=("sh",)),
    ):  # fmt: skip
        assert fingerprint(overrides.onto(inputs, "main")) != BASE
    assert fingerprint(Overrides().onto(inputs, "main")) == BASE
    # What the file says already is no other run.
    assert fingerprint(Overrides(environment={"A": "1"}, cpu=1024, memory=2048).onto(inputs, "main")) == BASE
    assert fingerprint(inputs) == BASE, "the inputs themselves stay as they were"


def test_overrides_from_the_command_line() -> None:
    overrides = parse(["A=1", "B=x=y", "C="], "2 vCPU", "8GB", ["python", "-V"], (1024, 2048))
    assert overrides == Overrides(
        environment={"A": "1", "B": "x=y", "C": ""}, cpu=2048, memory=8192, command=("python", "-V")
    )
    assert parse([], "", "", None, (1024, 2048)) == Overrides()


@pytest.mark.parametrize(
    ("cpu", "memory", "fargate", "wrong"),
    [
        ("3 vCPU", "", False, ""),
        ("", "5000", False, ""),
        ("64 vCPU", "", False, "--cpu 65536: a managed instance of this deploy has at most 16384 CPU units"),
        ("", "100GB", False, "--memory 102400: a managed instance of this deploy has at most 31129 MiB"),
        ("", "4", False, "--memory 4: a container needs 6 MiB or more"),
        ("x", "", False, "--cpu x: not an amount that a managed instance has"),
        ("3 vCPU", "", True, "--cpu 3072: not a size that Fargate has"),
        ("", "60GB", True, "--cpu 4096 --memory 61440: Fargate has no such size"),
        ("8 vCPU", "16GB", True, ""),
        ("16 vCPU", "40GB", True, "--memory 40960: a managed instance of this deploy has at most 31129 MiB"),
    ],
)
def test_a_size_is_one_of_where_it_may_run(cpu: str, memory: str, fargate: bool, wrong: str) -> None:
    managed = requirements(4096, 8192)
    with pytest.raises(UserError) if wrong else nullcontext() as caught:
        parse([], cpu, memory, None, (4096, 8192), (), managed, fargate=fargate)
    assert str(caught.value if caught else "") == wrong


@pytest.mark.parametrize(
    ("env", "cpu", "memory", "message", "hint"),
    [
        (["A"], "", "", "--env A: not NAME=VALUE", "EPOCHS=20"),
        (["1A=2"], "", "", "--env 1A: not NAME=VALUE", "EPOCHS=20"),
        (["OUTPUT_URI=x"], "", "", "each run gets its own OUTPUT_URI", "leave it out"),
        (["A=\udcff"], "", "", "--env A: '\\udcff' isn't text in UTF-8", "as a file"),
        ([], "1000", "", "--cpu 1000: not a size", "256, 512, 1024"),
        ([], "", "lots", "--memory lots: not a size", "2048, 3072"),
        ([], "4096", "", "--cpu 4096 --memory 2048: Fargate has no such size", "8192"),
        ([], "", "16GB", "--cpu 1024 --memory 16384: Fargate has no such size", "8192"),
    ],
)
def test_overrides_that_make_no_sense(env: list[str], cpu: str, memory: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(env, cpu, memory, None, (1024, 2048))
    assert message in str(refused.value)
    assert hint in refused.value.hint


def test_two_runs_within_a_second_have_two_ids() -> None:
    runs, launch = Runs(None, "b"), LaunchSettings("d", "c", "arn", "main", (), "", True, "g", "p", {})  # type: ignore[arg-type]
    ids = [""]
    for _ in range(3):
        ids.append(new_run(runs, launch, BASE, {}, 0.0, previous=ids[-1]).id)
    first = f"19700101-000000-{BASE[:8]}"
    assert ids[1:] == [first, f"{first}-2", f"{first}-3"]
    assert new_run(runs, launch, BASE, {}, 1.0, previous=ids[-1]).id == f"19700101-000001-{BASE[:8]}"


def test_runs_beside_each_other_have_two_ids_though_their_fingerprints_begin_alike() -> None:
    runs, launch = Runs(None, "b"), LaunchSettings("d", "c", "arn", "main", (), "", True, "g", "p", {})  # type: ignore[arg-type]
    first, other = f"19700101-000000-{BASE[:8]}", BASE[:8] + "0" * 56
    for taken, previous, expected in (
        ({first: other}, "", f"{first}-2"),
        ({first: other, f"{first}-2": other}, "", f"{first}-3"),
        ({f"{first}-2": other}, first, f"{first}-3"),
        ({first: BASE}, "", first),  # of the same, which is one run
    ):
        assert new_run(runs, launch, BASE, {}, 0.0, previous=previous, taken=taken).id == expected
