"""Choosing hyperparameters on the earliest part of the data, before the first test fold.

Each candidate is scored by a walk-forward inside the first training period: the rows that the
evaluation tests on are not in the data that a sweep is given.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from model import boost, data, evaluate, features, log, params, split, stopping, store, targets
from model.bars import Bars
from model.errors import InputError
from model.features import Feature
from model.params import TARGETS, Params
from model.rows import Features
from model.settings import Settings

SPACE: dict[str, list[float]] = {
    "max_depth": [2, 3, 4, 5, 6],
    "eta": [0.01, 0.02, 0.03, 0.05],
    "subsample": [0.5, 0.7, 0.9],
    "colsample": [0.15, 0.3, 0.5],
    "min_child_weight": [20, 50, 150, 400],
    "reg_lambda": [1, 10, 50],
    "half_life": [0, 4380, 8760, 17520],
}
"""What a random sweep draws from."""
INNER_FOLDS = 3


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Hyperparameters that differ from the settings, and the loss per inner fold, by target."""

    values: Mapping[str, float]
    loss: dict[str, list[float]]


def candidates(grid: Mapping[str, Sequence[float]] | None, count: int, seed: int) -> list[dict[str, float]]:
    """The settings as they are, then every point of `grid`, or `count` random ones from `SPACE`.

    Raises:
        InputError: the grid has an unknown name or no values.
    """
    if grid is not None:
        for name, values in grid.items():
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                raise InputError(f"--grid: {name} must have a list of values, not {values!r}")
        points = itertools.product(*grid.values())
        return [{}, *(dict(zip(grid, point, strict=True)) for point in points)]
    rng = np.random.default_rng(seed)
    return [{}, *({name: float(rng.choice(values)) for name, values in SPACE.items()} for _ in range(count))]


def early_part(bars: Bars, settings: Settings) -> Bars:
    """The bars before the embargo of the first test fold; a sweep gets nothing else."""
    first = split.walk_forward(len(bars), settings.folds, settings.first_train, settings.embargo)[0]
    return bars.slice(0, first.train_stop)


def sweep(
    settings: Settings,
    names: Sequence[str],
    grid: Mapping[str, Sequence[float]] | None,
    count: int,
    now: dt.datetime | None = None,
) -> dict[str, Any]:
    """Score candidates for the targets `names`; write ``sweep.json`` and ``best.json`` to the output.

    Returns:
        The content of sweep.json. best.json is a PARAMS_FILE.

    Raises:
        InputError: bad data, grid or settings.
    """
    combinations = candidates(grid, count, settings.seed)
    tables = [params.apply(settings.params, values, "--grid") for values in combinations]
    dataset = data.load_uri(settings.data, settings.reading, now)
    out = store.Output(settings.output)
    out.prepare()
    early = early_part(dataset.bars, settings)
    log.get().info(
        "sweep begins", candidates=len(combinations), targets=", ".join(names), last_hour=f"{early.time[-1]}Z"
    )
    results = _scored(Trial.of(early, settings), combinations, tables, names)
    best = {name: min(results, key=lambda c: float(np.mean(c.loss[name]))) for name in names}
    content = {
        "data_sha256": dataset.sha256,
        "first": f"{early.time[0]}Z",
        "last": f"{early.time[-1]}Z",
        "seed": settings.seed,
        "inner_folds": INNER_FOLDS,
        "candidates": [{"values": dict(c.values), "loss": c.loss} for c in results],
        "best": {
            name: dataclasses.asdict(params.apply(settings.params, c.values, "")[name]) for name, c in best.items()
        },
    }
    out.write("sweep.json", (json.dumps(content, indent=2) + "\n").encode())
    out.write("best.json", (json.dumps(content["best"], indent=2) + "\n").encode())
    for name, candidate in best.items():
        now_loss, best_loss = float(np.mean(results[0].loss[name])), float(np.mean(candidate.loss[name]))
        log.get().info(
            "best", target=name, loss=best_loss, saved=f"{1 - best_loss / now_loss:+.2%}", **candidate.values
        )
    return content


@dataclasses.dataclass(frozen=True)
class Trial:
    """What every candidate is scored on."""

    settings: Settings
    features: Sequence[Feature]
    matrix: Features
    labels: targets.Targets
    folds: Sequence[split.Fold]

    @classmethod
    def of(cls, early: Bars, settings: Settings) -> Trial:
        """The inner walk-forward on the bars before the first test fold."""
        selection = features.select(bool(early.flow))
        folds = split.walk_forward(len(early), INNER_FOLDS, settings.first_train, settings.embargo)
        return cls(settings, selection, features.build(early, selection), targets.make(early), folds)

    def loss(self, target: str, hyperparameters: Params, fold: split.Fold) -> float:
        """The loss of one booster on the test hours of a fold; NaN once SIGTERM has come."""
        if stopping.requested():
            return np.nan
        columns, embargo, seed = features.columns_for(target, self.features), self.settings.embargo, self.settings.seed
        fitted, _ = boost.fit(
            target, self.matrix, columns, self.labels, fold.train_stop, embargo, hyperparameters, seed
        )
        rows = slice(fold.test_start, fold.test_stop)
        y = boost.label(target, self.labels)[rows]
        forecast = fitted.predict(self.matrix[rows], self.labels.har[rows])
        loss = evaluate.log_loss(y, forecast) if target == "direction" else (y - forecast) ** 2
        return float(np.nanmean(np.where(np.isfinite(y), loss, np.nan)))


def _scored(
    trial: Trial,
    combinations: Sequence[Mapping[str, float]],
    tables: Sequence[Mapping[str, Params]],
    names: Sequence[str],
) -> list[Candidate]:
    """Every candidate with its losses, folds side by side. tables: the candidates' hyperparameters by target."""
    results = [Candidate(values, {name: [] for name in names}) for values in combinations]
    with ThreadPoolExecutor(max_workers=trial.settings.threads) as pool:
        for number, (candidate, table) in enumerate(zip(results, tables, strict=True)):
            for name in names:
                candidate.loss[name].extend(pool.map(functools.partial(trial.loss, name, table[name]), trial.folds))
            log.get().info(
                "candidate scored",
                progress=f"{number + 1}/{len(results)}",
                **candidate.values,
                **{name: round(float(np.mean(loss)), 6) for name, loss in candidate.loss.items()},
            )
    return results


def parse_grid(text: str | None) -> dict[str, list[float]] | None:
    """A grid from JSON such as ``{"max_depth": [2, 3], "eta": [0.02]}``.

    Raises:
        InputError: not such an object.
    """
    if text is None:
        return None
    grid = store.parse_json(text, "--grid")
    if not isinstance(grid, dict) or not grid:
        raise InputError('--grid must be an object such as {"max_depth": [2, 3]}')
    return grid


def parse_targets(text: str) -> list[str]:
    """Target names from a list with commas.

    Raises:
        InputError: an unknown name.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in TARGETS]:
        raise InputError(f"--targets: unknown {unknown[0]!r}; known: {', '.join(TARGETS)}")
    return names
