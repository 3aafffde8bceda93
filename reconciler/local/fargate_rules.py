"""What RegisterTaskDefinition refuses for Fargate."""

from __future__ import annotations

import re
from typing import Any

from reconciler.core.fargate import SIZES


def units(value: object, size: int, names: str) -> int | None:
    """1024, "1 vCPU" or "2GB" as a whole number of units, of which the named unit has `size`; None if it is none."""
    match = re.fullmatch(rf"\s*(\d+|\d*\.\d+)\s*({names})?\s*", str(value), re.IGNORECASE)
    if match is None:
        return None
    number = float(match[1]) * (size if match[2] else 1)
    return int(number) if number == int(number) else None


def check_fargate(cpu: object, memory: object, network_mode: object) -> tuple[int, int]:
    """(CPU units, MiB) of a Fargate task definition. Raises ValueError with AWS's words for what is wrong."""
    if cpu is None or memory is None:
        raise ValueError(f"Fargate requires that '{'cpu' if cpu is None else 'memory'}' be defined at the task level.")
    if network_mode != "awsvpc":
        raise ValueError("Fargate only supports network mode 'awsvpc'.")
    cpu_units, mib = units(cpu, 1024, "vcpu"), units(memory, 1024, "gb")
    if cpu_units is None or mib is None or mib not in SIZES.get(cpu_units, ()):
        raise ValueError("No Fargate configuration exists for given values.")
    return cpu_units, mib


def check_execution_role_given(containers: list[dict[str, Any]], role_arn: str | None) -> None:
    """Raises ValueError where ECS itself needs a role for a container and the task definition has none."""
    for container in containers if not role_arn else ():
        needs = [
            ("log driver awslogs", (container.get("logConfiguration") or {}).get("logDriver") == "awslogs"),
            ("ECR images", ".dkr.ecr." in str(container.get("image"))),
            ("secrets", bool(container.get("secrets"))),
        ]
        for feature, needed in needs:
            if needed:
                raise ValueError(f"Fargate requires task definition to have execution role ARN to support {feature}.")


def check_containers(containers: list[dict[str, Any]], mib: int) -> None:
    """Raises ValueError where a container asks for more memory than its task has."""
    for container in containers:
        if int(container.get("memory") or container.get("memoryReservation") or 0) > mib:
            raise ValueError(
                f"Invalid setting for container '{container.get('name')}'. 'memory' is larger than the task's memory."
            )
