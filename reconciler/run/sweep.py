"""The combinations of `run.sweep`, each as environment variables. Pure: the same sweep gives the same combinations."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence

from reconciler.config.run import Range, Sweep
from reconciler.core.errors import UserError
from reconciler.core.secret import KNOWN
from reconciler.core.text import line

DIGITS = 6  # significant ones of a random number
SHOWN = 8  # values of a variable, in a message


def combinations(sweep: Sweep) -> list[dict[str, str]]:
    """One mapping of variables for each task, without doubles, in a stable order."""
    unique: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
    for combination in (*_grid(sweep), *_list(sweep), *_random(sweep)):
        unique.setdefault(frozenset(combination.items()), combination)
    return list(unique.values())


def chosen(candidates: Sequence[Mapping[str, str]], given: Mapping[str, str]) -> list[dict[str, str]]:
    """The combinations that have the values which the command line gives for what the sweep varies.

    Raises UserError when none has them: a value beside a sweep would be overwritten by each of its tasks.
    """
    matching = [
        dict(combination)
        for combination in candidates
        if all(combination.get(name, value) == value for name, value in given.items())
    ]
    if matching:
        return matching
    name = next(name for name in given if any(name in combination for combination in candidates))
    values = list(
        dict.fromkeys(KNOWN.shown(name, combination[name]) for combination in candidates if name in combination)
    )
    examples = ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
    given_text = " ".join(f"{key}={KNOWN.shown(key, value)}" for key, value in given.items())
    raise UserError(
        f"--env {given_text}: no combination of run.sweep has that; its {name} is {examples}",
        hint="take values that it has, or leave them out to run the whole sweep",
    )


def copies(count: int) -> list[dict[str, str]]:
    """`count` tasks of the same: each gets RUN_INDEX, from 0, and RUN_COUNT."""
    return [{"RUN_INDEX": str(index), "RUN_COUNT": str(count)} for index in range(count)]


def _grid(sweep: Sweep) -> Iterator[dict[str, str]]:
    if sweep.grid:
        for values in itertools.product(*sweep.grid.values()):
            yield dict(zip(sweep.grid, values, strict=True))


def _list(sweep: Sweep) -> Iterator[dict[str, str]]:
    yield from (dict(combination) for combination in sweep.list)


def _random(sweep: Sweep) -> Iterator[dict[str, str]]:
    if sweep.random is None:
        return
    # Not for secrets; a generator of our own, so that nothing else moves it.
    generator = random.Random(sweep.random.seed)  # noqa: S311  # nosec B311
    for _ in range(sweep.random.count):
        ranges = {name: _draw(generator, interval) for name, interval in sorted(sweep.random.ranges.items())}
        choices = {name: generator.choice(values) for name, values in sorted(sweep.random.choices.items())}
        yield ranges | choices


def _draw(generator: random.Random, interval: Range) -> str:
    low, high = (math.log(interval.min), math.log(interval.max)) if interval.log else (interval.min, interval.max)
    number = generator.uniform(low, high)
    number = math.exp(number) if interval.log else number
    if interval.integer:
        return str(min(max(round(number), math.ceil(interval.min)), math.floor(interval.max)))
    return f"{number:.{DIGITS}g}"


def label(parameters: Mapping[str, str]) -> str:
    """A combination for people, on one line."""
    return line(" ".join(f"{name}={value}" for name, value in parameters.items()))
