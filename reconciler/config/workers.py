"""The section `run.workers`: the tasks that a run's program trains on, beside its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.config.base import Int, OneOrMore, Section
from reconciler.config.task_size import Cpu, Memory


class Workers(Section):
    """Worker tasks of each run. docs/workers.md explains them."""

    engine: Literal["dask"] = Field(
        "dask",
        description="The software that connects them. The image needs its packages (for `dask`, Dask's "
        "distributed) and Python as `python`.",
        examples=["dask"],
    )
    count: Int = Field(description="The number of worker tasks of each run.", ge=1, le=100, examples=[4])
    cpu: Cpu | None = Field(
        None, description="CPU units of each, or text like `4 vCPU`. Default: those of the task.", examples=["4 vCPU"]
    )
    memory: Memory | None = Field(
        None, description="MiB of each, or text like `16GB`. Default: those of the task.", examples=["16GB"]
    )
    capacity: Annotated[tuple[Literal["FARGATE", "FARGATE_SPOT"], ...], OneOrMore()] = Field(
        ("FARGATE",),
        min_length=1,
        description="Capacity providers for the workers, in the order in which they are tried: if one has no "
        "room, and after a worker was lost.",
        examples=[["FARGATE_SPOT", "FARGATE"]],
    )
