"""The section `service`, and the rules for capacity providers and GPUs."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import Field

from reconciler.config import names
from reconciler.config.base import Int, Section
from reconciler.config.rule import TextRule, only
from reconciler.core.aws_names import CAPACITY_PROVIDER
from reconciler.core.fargate import FARGATE
from reconciler.core.managed_instances import GPU_TYPES, MANAGED, MANAGED_SPOT


def _suggest(value: str) -> str:
    near = difflib.get_close_matches(value.upper().replace("-", "_"), FARGATE, 1, 0.7)
    near = near or difflib.get_close_matches(value.lower().replace("_", "-"), (MANAGED, MANAGED_SPOT), 1, 0.8)
    return near[0] if near else f"my-{only('A-Za-z0-9_-', value)}"[:255]


def _gpu(value: str) -> str:
    near = difflib.get_close_matches(value.lower().replace("nvidia", "").strip(" -_"), GPU_TYPES, 1, 0.5)
    return near[0] if near else GPU_TYPES[0]


GPU_TYPE = TextRule("a GPU that managed instances have", f"write {', '.join(GPU_TYPES)}", "|".join(GPU_TYPES), _gpu)
CAPACITY = TextRule(
    "a capacity provider",
    "write FARGATE, FARGATE_SPOT, managed, managed-spot, or the name of one of yours: letters, digits, _ and -, not "
    "beginning with aws, ecs or fargate",
    rf"FARGATE(?:_SPOT)?|{CAPACITY_PROVIDER.pattern.removesuffix('+')}{{1,255}}",
    _suggest,
)
Provider = Annotated[str, CAPACITY]


def provider_name(deploy: str, capacity: str) -> str:
    """The name of a deploy's capacity provider, which can't begin as those of AWS do."""
    name = f"{deploy}-{capacity}"
    return name if CAPACITY_PROVIDER.fits(name) else f"my_{name}"  # which no deploy's is called


class Service(Section):
    """An ECS service, which keeps tasks running. With a service, no run is launched unless `run.when` is set."""

    name: Annotated[str, names.ECS] | None = Field(
        None, description="The service's name. Default: NAME.", examples=["my-service"]
    )
    desired_count: Int = Field(1, ge=0, le=1000, description="The number of tasks that are kept running.", examples=[2])
    circuit_breaker: bool = Field(
        True,
        description="Give up a deployment whose tasks don't keep running, and return to the last one whose tasks did.",
        examples=[False],
    )
    capacity: Provider | None = Field(
        None, description="The capacity provider. Default: the first of run.capacity.", examples=["FARGATE_SPOT"]
    )
