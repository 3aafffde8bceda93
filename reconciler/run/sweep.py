"""The combinations of `run.sweep`, each as environment variables. Pure: the same sweep gives the same combinations."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping

from reconciler.config.sweep import Range, Sweep

DIGITS = 6  # significant ones of a random number


def combinations(sweep: Sweep) -> list[dict[str, str]]:
    """One mapping of variables for each task, without doubles, in a stable order."""
    found: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
    for one in (*_grid(sweep), *_list(sweep), *_random(sweep)):
        found.setdefault(frozenset(one.items()), one)
    return list(found.values())


def copies(count: int) -> list[dict[str, str]]:
    """`count` tasks of the same: each gets RUN_INDEX, from 0, and RUN_COUNT."""
    return [{"RUN_INDEX": str(index), "RUN_COUNT": str(count)} for index in range(count)]


def _grid(sweep: Sweep) -> Iterator[dict[str, str]]:
    if sweep.grid:
        for values in itertools.product(*sweep.grid.values()):
            yield dict(zip(sweep.grid, values, strict=True))


def _list(sweep: Sweep) -> Iterator[dict[str, str]]:
    yield from (dict(one) for one in sweep.list)


def _random(sweep: Sweep) -> Iterator[dict[str, str]]:
    if sweep.random is None:
        return
    # Not for secrets; a generator of our own, so that nothing else moves it.
    generator = random.Random(sweep.random.seed)  # noqa: S311  # nosec B311
    for _ in range(sweep.random.count):
        ranges = {name: _draw(generator, one) for name, one in sorted(sweep.random.ranges.items())}
        choices = {name: generator.choice(values) for name, values in sorted(sweep.random.choices.items())}
        yield ranges | choices


def _draw(generator: random.Random, one: Range) -> str:
    low, high = (math.log(one.min), math.log(one.max)) if one.log else (one.min, one.max)
    drawn = generator.uniform(low, high)
    drawn = math.exp(drawn) if one.log else drawn
    if one.integer:
        return str(min(max(round(drawn), math.ceil(one.min)), math.floor(one.max)))
    return f"{drawn:.{DIGITS}g}"


def label(parameters: Mapping[str, str]) -> str:
    """A combination for people."""
    return " ".join(f"{name}={value}" for name, value in parameters.items())
