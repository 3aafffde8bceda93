"""The GPUs of the machine, given to a container that asks for some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.local import docker_runner, gpus, process_runner, task_spec
from reconciler.local.runner import ContainerSpec, TaskSpec


def asks(count: int) -> ContainerSpec:
    return ContainerSpec("main", "i", None, ("x",), {}, None, None, 30.0, None, count)


@pytest.mark.parametrize(
    ("devices", "wanted", "given"),
    [
        ((), 1, ""),
        (("nvidia0", "nvidiactl", "nvidia-uvm"), 0, ""),
        (("nvidia0", "nvidiactl", "nvidia-uvm"), 1, "0"),
        (("nvidia0", "nvidiactl"), 2, "0"),
        (("nvidia10", "nvidia2", "nvidia0"), 2, "0,2"),
    ],
)
def test_what_a_container_gets(
    devices: tuple[str, ...], wanted: int, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in devices:
        (tmp_path / name).touch()
    assert gpus.given(wanted, tmp_path) == given
    monkeypatch.setattr(docker_runner, "given", lambda count: gpus.given(count, tmp_path))
    monkeypatch.setattr(process_runner, "given_gpus", lambda count: gpus.given(count, tmp_path))
    task = TaskSpec("t", "arn", "1", "r", "http://x", tmp_path, None, None)
    image: Any = docker_runner.LocalImage("d", "image", "docker", None)
    words, _ = docker_runner._create(task, asks(wanted), image, tmp_path)
    assert [word for word in words if word.startswith("--gpus")] == ([f'--gpus="device={given}"'] if given else [])


@pytest.mark.parametrize(
    ("definition", "wanted"),
    [
        ({}, 0),
        ({"resourceRequirements": [{"type": "GPU", "value": "2"}]}, 2),
        ({"resourceRequirements": [{"type": "GPU", "value": "ALL"}]}, 1),
        ({"resourceRequirements": [{"type": "InferenceAccelerator", "value": "device"}]}, 0),
    ],
)
def test_what_a_definition_asks_for(definition: dict[str, Any], wanted: int) -> None:
    assert task_spec.gpus(definition) == wanted
