"""The section `service`, and the rule for capacity providers."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import Field

from reconciler.config import names
from reconciler.config.base import Int, Section
from reconciler.config.rule import Rule, only
from reconciler.core.fargate import FARGATE


def _suggest(value: str) -> str:
    near = difflib.get_close_matches(value.upper().replace("-", "_"), FARGATE, 1, 0.7)
    return near[0] if near else f"my-{only('A-Za-z0-9_-', value)}"[:255]


CAPACITY = Rule(
    "a capacity provider",
    "write FARGATE, FARGATE_SPOT, or the name of one of yours: letters, digits, _ and -, not beginning with aws, ecs "
    "or fargate",
    r"FARGATE(?:_SPOT)?|(?!(?:[aA][wW][sS]|[eE][cC][sS]|[fF][aA][rR][gG][aA][tT][eE]))[A-Za-z0-9_-]{1,255}",
    _suggest,
)
Provider = Annotated[str, CAPACITY]


class Service(Section):
    """An ECS service: tasks that are kept running. With it nothing is launched, unless `run.when` says so."""

    name: Annotated[str, names.ECS] | None = Field(
        None, description="The service's name. Default: NAME.", examples=["my-service"]
    )
    desired_count: Int = Field(1, ge=0, le=1000, description="So many tasks are kept running.", examples=[2])
    circuit_breaker: bool = Field(
        True,
        description="Give up a deployment whose tasks don't stay up, and go back to the last one that did.",
        examples=[False],
    )
    capacity: Provider | None = Field(
        None, description="Where they run. Default: the first of run.capacity.", examples=["FARGATE_SPOT"]
    )


def on_ec2(providers: tuple[str, ...]) -> tuple[str, ...]:
    """Those of these capacity providers that aren't Fargate's."""
    return tuple(one for one in providers if one not in FARGATE)
