"""The training run: read, check, features, walk-forward, final models, evaluation, outputs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from model import (
    data,
    evaluate,
    features,
    outputs,
    place,
    progress,
    report,
    split,
    stopping,
    store,
    targets,
    tracking,
    walkforward,
)
from model.bars import Bars
from model.checkpoint import Checkpoint
from model.data import Data
from model.engine import Engine
from model.evaluate import Scores
from model.features import Feature
from model.forecasts import Forecasts
from model.parts import files
from model.rows import Features
from model.run import Run
from model.settings import Settings
from model.split import Fold
from model.store import Output
from model.targets import Targets


def train(settings: Settings, now: dt.datetime | None = None) -> Run:
    """Train, evaluate and write everything to ``settings.output``; the manifest comes last.

    Args:
        settings: what to do.
        now: the present, which decides whether the last hour of the data is over.

    Raises:
        InputError: data or configuration can't be used.
        ModelError: S3 or the disk fails.
    """
    if settings.scheduler and files.is_folder(settings.data):
        from model.parts import train as of_parts

        return of_parts.train(settings, now)
    stages = progress.Stages()
    out = Output(settings.output)
    moment = now or dt.datetime.now(dt.UTC)
    progress.begins(settings)
    checkpoint = Checkpoint(settings.checkpoint) if settings.checkpoint else None
    with stages("data read and checked") as values:
        tables = data.tables(settings.data, settings.reading)
        moment = checkpoint.began(data.checksum([table.sha256 for table in tables]), moment) if checkpoint else moment
        dataset = data.checked(tables, settings.reading, moment)
        del tables
        values |= {
            "rows": dataset.rows,
            "first": dataset.span[0],
            "last": dataset.span[1],
            **{name: count for name, count in dataset.repairs.items() if count},
        }
    folds = split.walk_forward(len(dataset.bars), settings.folds, settings.first_train, settings.embargo)
    selection = features.select(bool(dataset.bars.flow))
    with place.choose(len(dataset.bars), len(selection), settings.memory, settings.scheduler, settings.workers) as (
        engine,
        into,
    ):
        return _work(settings, dataset, folds, selection, into, engine, out, stages, checkpoint)


def _work(
    settings: Settings,
    dataset: Data,
    folds: list[Fold],
    selection: list[Feature],
    into: Features | None,
    engine: Engine,
    out: Output,
    stages: progress.Stages,
    checkpoint: Checkpoint | None,
) -> Run:
    """From features to outputs; `into` is where the matrix goes if not into memory."""
    out.begin()
    with stages("features built") as values:
        matrix = features.build(dataset.bars, selection, into=into)
        labels = targets.make(dataset.bars)
        values |= {"features": len(selection), "hours": len(dataset.bars)}
    with stages("models trained") as values:
        result = walkforward.run(
            dataset.bars,
            selection,
            matrix,
            labels,
            folds,
            settings,
            progress.boosters(3 * (len(folds) + 1)),
            engine,
            checkpoint,
        )
        values |= {"boosters": 3 * (len(folds) + 1)}
    with stages("forecasts scored") as values:
        overall, by_fold, recent = scored(dataset.bars, labels, result.forecasts, settings)
        values |= {"hours": overall.hours}
    run = Run(settings, dataset, selection, matrix, labels, folds, result, overall, by_fold, recent, stages.seconds, {})
    with stages("forecasts explained"):
        run.shap |= {target: report.mean_abs(run, target) for target in result.models}
    with stages("results written") as values:
        outputs.write(run, out)
        values |= {"output": out.uri, "files": len(out.written)}
    progress.result(run)
    return run


def scored(
    bars: Bars, labels: Targets, forecasts: Forecasts, settings: Settings
) -> tuple[Scores, list[Scores], Scores]:
    """The scores of the whole test, of each fold, and of the last `evaluate.RECENT` folds together."""
    tested = np.flatnonzero(~np.isnan(forecasts.fold)).astype(np.int64)
    fold = forecasts.fold[tested]

    def of(rows: npt.NDArray[np.int64]) -> Scores:
        return evaluate.score(bars, labels, forecasts, rows, settings.coverage, settings.seed)

    overall = of(tested)
    by_fold = [of(tested[fold == k]) for k in range(settings.folds)]
    return overall, by_fold, of(tested[fold >= settings.folds - evaluate.RECENT])


def train_tracked(settings: Settings, env: Mapping[str, str]) -> Run:
    """`train`, tracked in MLflow when MLFLOW_TRACKING_URI is set.

    Raises:
        InputError, ModelError: as `train`; the MLflow run is then closed as failed.
    """
    tags = {"run_id": settings.run_id, "code_version": settings.code_version, "mlflow.source.name": "python -m model"}
    tracked = tracking.open_run(env, settings.run_id or "train", tags)
    if tracked is None:
        return train(settings)
    try:
        run = train(settings)
    except stopping.Stopped:
        tracking.abandon(tracked, "KILLED")
        raise
    except BaseException:
        tracking.abandon(tracked, "FAILED")
        raise
    files = {
        name: store.read_bytes(store.join(settings.output, name))
        for name in outputs.TRACKED
        if name != outputs.REPORT or not run.data.earlier
    }
    tracking.finish(tracked, outputs.tracked_params(run), outputs.tracked_metrics(run), files)
    return run
