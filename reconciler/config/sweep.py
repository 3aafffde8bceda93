"""The `run.sweep` section: one task for each combination of parameters."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from reconciler.config import names
from reconciler.config.base import DOLLARS, AsWritten, Int, Number, Section

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


def most(sweep: Sweep) -> int:
    """How many combinations there are, those that are there twice counted twice; without making them."""
    grid = math.prod(len(values) for values in sweep.grid.values()) if sweep.grid else 0
    return grid + len(sweep.list) + (sweep.random.count if sweep.random else 0)


def varied(sweep: Sweep) -> tuple[str, ...]:
    """The variables that it sets, each once."""
    drawn = (*sweep.grid, *(key for combination in sweep.list for key in combination))
    drawn += (*sweep.random.ranges, *sweep.random.choices) if sweep.random else ()
    return tuple(dict.fromkeys(drawn))
