"""The `run:` section: when a task is launched, on what, how often again, for how long, how varied, with whom."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reconciler.config import names
from reconciler.config.base import DOLLARS, AsWritten, Int, Number, OneOrMore, Section, bad
from reconciler.config.service import Provider
from reconciler.config.task_size import Cpu, Memory
from reconciler.core.durations import DAY, seconds_of


def _duration(value: Any) -> Any:
    """Seconds, of a number or of text such as `90m`."""
    seconds = seconds_of(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if seconds is None:
        raise bad("{value} is not a duration", "write seconds, or text such as 90m, 2h or 1d")
    return seconds


_Text = Annotated[str, Field(pattern=r"^\s*[0-9]+\s*[smhd]?\s*$")]
Duration = Annotated[int, BeforeValidator(_duration, json_schema_input_type=int | _Text)]


class Retry(Section):
    """How often a task is launched again, by what ended it. A retry is a new task of the same run."""

    no_capacity: Int = Field(
        2, ge=0, le=100, description="Retries on each capacity provider when it has no room.", examples=[5]
    )
    interruption: Int = Field(
        2, ge=0, le=100, description="Retries on each capacity provider after a Spot interruption.", examples=[5]
    )
    error: Int = Field(0, ge=0, le=100, description="Retries after the program failed.", examples=[1])
    out_of_memory: Int = Field(
        0,
        ge=0,
        le=10,
        description="Retries with the next size that has more memory, after ECS ended the task for lack of "
        "memory. 0: such an end counts as the program's failure.",
        examples=[2],
    )
    exit_codes: tuple[Int, ...] = Field(
        (), description="The exit codes after which `error` retries; empty for every code except 0.", examples=[[75]]
    )
    backoff: Duration = Field(
        10,
        ge=0,
        le=3600,
        description="The first pause before a retry; it doubles, up to five minutes.",
        examples=["30s"],
    )
    within: Duration | None = Field(
        None, ge=1, le=36_500 * DAY, description="No retry later than this after the first launch.", examples=["6h"]
    )
    max_cost: Number | None = Field(
        None,
        gt=0,
        le=DOLLARS,
        description="No retry after the run's tasks have cost this much, in US dollars.",
        examples=[5.0],
    )


def _days(value: Any) -> Any:
    """Seconds, of a text such as `90d`."""
    seconds = _duration(value)
    if seconds % DAY:
        raise bad("{value} is not a whole number of days", "write the unit too: 90d is 90 days")
    if not DAY <= seconds <= 36_500 * DAY:
        raise bad("{value} is not from 1 to 36,500 days", "write a number of days: 90d is 90 days")
    return seconds


Days = Annotated[int, BeforeValidator(_days, json_schema_input_type=int | _Text)]


class Runs(Section):
    """What happens to runs after their end."""

    keep: Days | None = Field(
        None,
        description="Keep runs and their results for this many days after their end; then S3 deletes them, and "
        "the same inputs may be run again. Default: for ever.",
        examples=["90d"],
    )


COMBINATIONS = 10_000  # at most, of all kinds together
Name = Annotated[str, names.ENV]
Values = Annotated[tuple[str, ...], Field(min_length=1)]


class Range(Section):
    """A number between two others."""

    min: Number = Field(description="The smallest value.", examples=[0.01])
    max: Number = Field(description="The largest value.", examples=[0.3])
    log: bool = Field(False, description="Draw evenly on a logarithmic scale.", examples=[True])
    integer: bool = Field(False, description="Draw whole numbers.", examples=[True])


class RandomSweep(Section):
    """Combinations drawn at random; the same seed draws the same."""

    count: Int = Field(ge=1, le=1000, description="The number of combinations to draw.", examples=[20])
    seed: Int = Field(0, ge=0, description="The seed of the random numbers.", examples=[7])
    ranges: dict[Name, Range] = Field(
        {},
        description="For each environment variable, the range to draw from.",
        examples=[{"ETA": {"min": 0.01, "max": 0.3, "log": True}}],
    )
    choices: Annotated[dict[Name, Values], AsWritten()] = Field(
        {}, description="For each environment variable, the values to draw from.", examples=[{"MAX_DEPTH": [3, 5, 7]}]
    )


class Sweep(Section):
    """One task for each combination: those of `grid`, of `list` and of `random` together."""

    grid: Annotated[dict[Name, Values], AsWritten()] = Field(
        {},
        description="Values for each environment variable; every combination of them is a task.",
        examples=[{"MAX_DEPTH": [3, 5, 7], "ETA": [0.1, 0.3]}],
    )
    list: Annotated[tuple[dict[Name, str], ...], AsWritten()] = Field(
        (), description="Combinations, each written out.", examples=[[{"MAX_DEPTH": 3, "ETA": 0.1}]]
    )
    random: RandomSweep | None = Field(
        None, description="Combinations drawn at random.", examples=[{"count": 20, "choices": {"ETA": [0.1, 0.3]}}]
    )
    max_parallel: Int = Field(10, ge=1, le=1000, description="How many tasks may run at the same time.", examples=[20])
    max_cost: Number | None = Field(
        None,
        gt=0,
        le=DOLLARS,
        description="The most that one `apply` of the sweep may cost in US dollars, all of its runs together: "
        "docs/cost.md.",
        examples=[20.0],
    )
    metric: str | None = Field(
        None, min_length=1, description="The metric by which the table is sorted.", examples=["rmse"]
    )
    goal: Literal["min", "max"] = Field(
        "min", description="Whether a lower or a higher value is better.", examples=["max"]
    )


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


class Run(Section):
    """The training run that `apply` launches and watches."""

    when: Literal["changed", "always", "never"] = Field(
        "changed",
        description="`changed`: launch a run unless one with the same image, data, command, environment and "
        "size succeeded. Default: `never` with a service.",
        examples=["always"],
    )
    capacity: Annotated[tuple[Provider, ...], OneOrMore()] = Field(
        ("FARGATE",),
        min_length=1,
        description="Capacity providers, in the order in which they are tried: Fargate's, `managed` and "
        "`managed-spot` (ECS Managed Instances, made for this deploy), or the names of your own.",
        examples=[["FARGATE_SPOT", "FARGATE"]],
    )
    retry: Retry = Field(Retry(), description="How often a task is retried, and when not.", examples=[{"error": 1}])
    max_duration: Duration | None = Field(
        None,
        ge=60,
        le=14 * 86400,
        description="Stop a task after this long, even when nobody watches it.",
        examples=["2h"],
    )
    max_memory: Memory | None = Field(
        None,
        description="MiB, or text like `2GB`: the most memory that `retry.out_of_memory` gives an attempt. "
        "Default: the largest that Fargate has, or that managed instances may have.",
        examples=["32GB"],
    )
    max_cost: Number | None = Field(
        None,
        gt=0,
        le=DOLLARS,
        description="Stop the run when its tasks, all attempts together, have cost this much in US dollars by "
        "the list prices that `cost` uses, even when nobody watches it.",
        examples=[2.0],
    )
    checkpoint: bool = Field(
        False,
        description="Give the program CHECKPOINT_URI, a place in the bucket which is the same for each attempt of "
        "a run and which it may read, write and delete, and RUN_ATTEMPT, the attempt's number. "
        "docs/checkpoints.md explains it.",
        examples=[True],
    )
    unattended: bool = Field(
        False,
        description="Let a Lambda function of this deploy manage each run: launch it, retry it, enforce its "
        "limits, record its end and send the notifications. You may stop watching at any time. "
        "docs/unattended.md explains it.",
        examples=[True],
    )
    exec: bool = Field(
        False,
        description="Let `exec RUN` open a shell in a run's task: it is launched with ECS Exec, and its role "
        "may use Systems Manager (ssmmessages).",
        examples=[True],
    )
    on_interrupt: Literal["stop", "detach"] = Field(
        "stop",
        description="What Ctrl-C or a cancelled CI job does to the task if nobody can answer a question. "
        "Default: `detach` for unattended runs.",
        examples=["detach"],
    )
    sweep: Sweep | None = Field(
        None,
        description="One task for each combination of parameters instead of one task.",
        examples=[{"grid": {"MAX_DEPTH": [3, 5, 7], "ETA": [0.1, 0.3]}, "metric": "rmse"}],
    )
    workers: Workers | None = Field(
        None,
        description="Worker tasks of the same image, on which each run's program trains. "
        "DASK_SCHEDULER_ADDRESS gives it their scheduler, DASK_WORKERS their number. "
        "docs/workers.md explains it.",
        examples=[{"engine": "dask", "count": 4, "cpu": "4 vCPU", "memory": "16GB"}],
    )
    promote: Literal["volatility", "qlike", "direction", "return", "interval"] | None = Field(
        None,
        description="After the training, the program makes the run's model the champion if it is better by "
        "this metric than the present one; for this it may read and write models/*. "
        "docs/promotion.md explains it.",
        examples=["volatility"],
    )
    results: str | None = Field(
        "results",
        min_length=1,
        description="Copy a run's results to this folder, relative to the folder of deploy.yaml; null copies nothing.",
        examples=["output"],
    )

    @property
    def capped(self) -> bool:
        """Whether there is a limit in dollars."""
        return self.max_cost is not None or (self.sweep is not None and self.sweep.max_cost is not None)

    @property
    def limited(self) -> bool:
        """Whether each task has a deadline that holds when nobody watches."""
        return self.max_duration is not None or self.capped


def most(sweep: Sweep) -> int:
    """How many combinations there are, those that are there twice counted twice; without making them."""
    grid = math.prod(len(values) for values in sweep.grid.values()) if sweep.grid else 0
    return grid + len(sweep.list) + (sweep.random.count if sweep.random else 0)


def varied(sweep: Sweep) -> tuple[str, ...]:
    """The variables that it sets, each once."""
    drawn = (*sweep.grid, *(key for combination in sweep.list for key in combination))
    drawn += (*sweep.random.ranges, *sweep.random.choices) if sweep.random else ()
    return tuple(dict.fromkeys(drawn))
