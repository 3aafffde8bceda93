"""The training run: read, check, features, walk-forward, final models, evaluation, outputs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from model import (
    __version__,
    data,
    evaluate,
    features,
    log,
    manifest,
    parquet,
    report,
    split,
    store,
    targets,
    walkforward,
)
from model.bars import Bars
from model.data import Data
from model.evaluate import Scores
from model.features import Feature
from model.settings import Settings
from model.split import Fold
from model.store import Output
from model.targets import Targets
from model.walkforward import Result


@dataclasses.dataclass
class Run:
    """Everything that a finished training run knows; what the reports are made from."""

    settings: Settings
    data: Data
    features: list[Feature]
    matrix: np.ndarray
    targets: Targets
    folds: list[Fold]
    result: Result
    overall: Scores
    by_fold: list[Scores]
    created: str
    seconds: dict[str, float]
    shap: dict[str, list[tuple[str, float]]]
    """For each target its features and their mean absolute SHAP values, largest first."""

    @property
    def bars(self) -> Bars:
        """The checked bars."""
        return self.data.bars


class Stages:
    """Logs each stage as it begins and keeps its time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.current = ""

    @contextmanager
    def __call__(self, name: str, **values: Any) -> Iterator[dict[str, Any]]:
        """Time a stage; values put into the yielded dict are logged at its end."""
        self.current = name
        found: dict[str, Any] = dict(values)
        began = time.perf_counter()
        yield found
        self.seconds[name] = round(time.perf_counter() - began, 3)
        log.get().info(name, seconds=self.seconds[name], **found)


def train(settings: Settings, now: dt.datetime | None = None) -> Run:
    """Train, evaluate and write everything to ``settings.output``; the manifest comes last.

    Args:
        settings: what to do.
        now: the present, which decides whether the last hour of the data is over.

    Raises:
        InputError: data or configuration can't be used.
        ModelError: S3 or the disk fails.
    """
    stages = Stages()
    out = Output(settings.output)
    moment = now or dt.datetime.now(dt.UTC)
    log.get().info(
        "training begins",
        data=settings.data,
        output=settings.output,
        version=__version__,
        threads=settings.threads,
        seed=settings.seed,
        run_id=settings.run_id or None,
    )
    with stages("data read and checked") as found:
        with store.fetched(settings.data) as path:
            loaded = data.load(path, settings.timezone, moment)
        found |= {
            "rows": loaded.rows,
            "first": loaded.span[0],
            "last": loaded.span[1],
            **{name: count for name, count in loaded.repairs.items() if count},
        }
    folds = split.walk_forward(len(loaded.bars), settings.folds, settings.first_train, settings.embargo)
    out.begin()
    with stages("features built") as found:
        chosen = features.select(bool(loaded.bars.flow))
        matrix = features.build(loaded.bars, chosen)
        labels = targets.make(loaded.bars)
        found |= {"features": len(chosen), "hours": len(loaded.bars)}
    with stages("models trained") as found:
        result = walkforward.run(loaded.bars, chosen, matrix, labels, folds, settings, _progress(settings, len(folds)))
        found |= {"boosters": 3 * (len(folds) + 1)}
    with stages("forecasts scored") as found:
        tested = np.flatnonzero(~np.isnan(result.forecasts.fold)).astype(np.int64)
        overall = evaluate.score(loaded.bars, labels, result.forecasts, tested, settings.coverage, settings.seed)
        by_fold = [
            evaluate.score(
                loaded.bars,
                labels,
                result.forecasts,
                tested[result.forecasts.fold[tested] == k],
                settings.coverage,
                settings.seed,
            )
            for k in range(len(folds))
        ]
        found |= {"hours": overall.hours}
    created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    run = Run(settings, loaded, chosen, matrix, labels, folds, result, overall, by_fold, created, stages.seconds, {})
    with stages("forecasts explained"):
        run.shap |= {target: report.mean_abs(run, target) for target in result.models}
    with stages("results written") as found:
        write(run, out)
        found |= {"output": out.uri, "files": len(out.written)}
    _say(run)
    return run


def _progress(settings: Settings, folds: int) -> walkforward.Progress:
    total = 3 * (folds + 1)
    count = 0

    def report(target: str, fold: int, seconds: float, rounds: int) -> None:
        nonlocal count
        count += 1
        log.get().info(
            "trained",
            target=target,
            fold="final" if fold < 0 else fold + 1,
            rounds=rounds,
            seconds=round(seconds, 2),
            progress=f"{count}/{total}",
        )

    return report


def metrics(run: Run) -> dict[str, Any]:
    """The content of metrics.json; its ``metrics`` is flat, a number a name."""
    return {
        "metrics": evaluate.flat(run.overall),
        "coverage_nominal": run.settings.coverage,
        "overall": run.overall.to_json(),
        "folds": [
            {
                "fold": f.number + 1,
                "train_until": f"{run.bars.time[f.train_stop - 1]}Z",
                "test_from": f"{run.bars.time[f.test_start]}Z",
                "test_until": f"{run.bars.time[f.test_stop - 1]}Z",
                **s.to_json(),
            }
            for f, s in zip(run.folds, run.by_fold, strict=True)
        ],
    }


def to_bytes(content: object) -> bytes:
    """JSON with an end of line; NaN isn't JSON and is refused."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def write(run: Run, out: Output) -> None:
    """Write every output file, the manifest last."""
    for target, fitted in run.result.models.items():
        out.write(f"{target}.ubj", fitted.save(features.names(run.features)))
    out.write("metrics.json", to_bytes(metrics(run)))
    out.write("predictions.parquet", parquet.encode(parquet.table(run.bars, run.targets, run.result.forecasts)))
    for name, drawn in report.standalone(run).items():
        out.write(name, drawn)
    out.write("model-card.md", report.card(run))
    out.write("report.html", report.page(run))
    out.finish(to_bytes(manifest.make(run, out)))


def _say(run: Run) -> None:
    """The last lines: what was found, plainly."""
    e = run.overall.estimates
    auc = e["direction_auc"]
    for c in run.overall.comparisons:
        log.get().info(
            f"result: {c.target}: {c.verdict}",
            against=c.baseline,
            saved=f"{c.skill.value:+.1%}",
            interval95=f"{c.skill.low:+.1%} to {c.skill.high:+.1%}",
            of=c.measure,
        )
    cover = e["price_coverage"]
    log.get().info(
        "result: direction AUC",
        value=round(auc.value, 4),
        interval95=f"{auc.low:.4f} to {auc.high:.4f}",
        accuracy=round(e["direction_accuracy"].value, 4),
    )
    log.get().info(
        "result: interval coverage",
        value=round(cover.value, 4),
        nominal=run.settings.coverage,
        interval95=f"{cover.low:.4f} to {cover.high:.4f}",
    )
    log.get().info("done", output=run.settings.output, seconds=round(sum(run.seconds.values()), 1))
