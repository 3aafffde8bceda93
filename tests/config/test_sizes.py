"""The ways to write task.cpu and task.memory."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.config.task import Task


@pytest.mark.parametrize(
    ("cpu", "units"),
    [
        (256, 256), ("1024", 1024), ("1 vCPU", 1024), ("1vcpu", 1024), (".25 vCPU", 256), (".5 vCPU", 512),
        ("0.5 vCPU", 512), (1, 1024), (0.5, 512), ("0.25", 256), ("2", 2048), (32, 32768),
        ("16 vCPU", 16384), (" 2 VCPU ", 2048), ("4 vcpus", 4096), ("1.0 vCPU", 1024), (1024.0, 1024),
    ],
)  # fmt: skip
def test_cpu(cpu: object, units: int) -> None:
    assert Task.model_validate({"cpu": cpu}).cpu == units


@pytest.mark.parametrize(
    ("memory", "mib"),
    [
        (2048, 2048), ("2048", 2048), ("2GB", 2048), ("2 GB", 2048), ("2 gb", 2048), ("0.5GB", 512), (".5 GB", 512),
        ("2G", 2048),
        ("2GiB", 2048), ("2048 MiB", 2048), ("2048MB", 2048), ("2048m", 2048), (2048.0, 2048),
    ],
)  # fmt: skip
def test_memory(memory: object, mib: int) -> None:
    assert Task.model_validate({"memory": memory}).memory == mib


@pytest.mark.parametrize(
    "value", [True, None, "", "vCPU", "1 vCPU x", "1e3", "-1", -1, 0, float("nan"), float("inf"), [], {}, "٣"]
)
def test_neither(value: object) -> None:
    for field in ("cpu", "memory"):
        with pytest.raises(ValidationError):
            Task.model_validate({field: value})
