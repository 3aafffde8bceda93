"""The training run on data in parts; see `model.train` for that of one process."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from model import (
    boost,
    checkpoint,
    features,
    linear,
    log,
    outputs,
    parquet,
    progress,
    report,
    split,
    stopping,
    store,
    walkforward,
)
from model.bars import of_each
from model.baselines import Fits
from model.boost import Fitted
from model.checkpoint import Boosters, Checkpoint
from model.cluster import OnCluster
from model.features.registry import columns_for
from model.forecasts import Forecasts
from model.linear import Linear
from model.params import TARGETS
from model.parts import files, scores
from model.parts.fits import OfTarget, PeriodInPieces, Variances
from model.parts.forecasts import Forecast, Segment
from model.parts.pieces import Hours, Pieces, joined
from model.rows import Features
from model.run import Run
from model.settings import Settings
from model.split import Fold
from model.store import Output
from model.walkforward import Result

LATEST = 100_000
"""Hours at the end that the process that trains holds with their forecasts, for the report."""


def train(settings: Settings, now: dt.datetime | None = None) -> Run:
    """Train, evaluate and write everything to ``settings.output``, on the workers at ``settings.scheduler``.

    Returns:
        The run, with the last `LATEST` hours alone; scores and counts are of all.

    Raises:
        InputError: data or configuration can't be used.
        ModelError: the workers, S3 or the disk fail.
        Stopped: SIGTERM came.
    """
    stages, out = progress.Stages(), Output(settings.output)
    moment = now or dt.datetime.now(dt.UTC)
    progress.begins(settings)
    run_checkpoint = Checkpoint(settings.checkpoint) if settings.checkpoint else None
    listed = files.listed(settings.data)
    moment = run_checkpoint.began(files.fingerprint(listed), moment) if run_checkpoint else moment
    with contextlib.closing(OnCluster(settings.scheduler, workers=settings.workers)) as cluster:
        log.get().info("trained by Dask workers", scheduler=settings.scheduler, workers=len(cluster.workers))
        with stages("data read, features built by the workers") as values:
            pieces = Pieces(cluster, listed, settings.reading, moment)
            values |= {"hours": len(pieces), "pieces": len(pieces.parts), "features": len(pieces.selection)}
        folds = split.walk_forward(len(pieces), settings.folds, settings.first_train, settings.embargo)
        out.begin()
        with stages("models trained") as values:
            training = Training(settings, pieces, folds, run_checkpoint)
            training.run()
            values |= {"boosters": 3 * (len(folds) + 1)}
        with stages("hours forecast by the workers"):
            forecast = training.forecast()
        return _finish(settings, pieces, folds, training.result, forecast, out, stages)


def _finish(
    settings: Settings,
    pieces: Pieces,
    folds: list[Fold],
    result: Result,
    forecast: Forecast,
    out: Output,
    stages: progress.Stages,
) -> Run:
    """From forecasts to outputs."""
    late, matrix, result.forecasts = _latest(pieces, forecast, LATEST)
    with stages("forecasts scored") as values:
        names = scores.Names.of(late, result.forecasts, settings.coverage)
        overall, by_fold, recent = scores.score(forecast, names, len(folds), settings.coverage, settings.seed)
        values |= {"hours": overall.hours}
    dataset = pieces.data(late.bars)
    run = Run(
        settings,
        dataset,
        pieces.selection,
        matrix,
        late.targets,
        folds,
        result,
        overall,
        by_fold,
        recent,
        stages.seconds,
        {},
    )
    with stages("forecasts explained"):
        run.shap |= {target: report.mean_abs(run, target) for target in result.models}
    with stages("results written") as values:
        if dataset.earlier:
            _write_predictions(pieces, forecast, out)
        outputs.write(run, out)
        values |= {"output": out.uri, "files": len(out.written)}
    progress.result(run)
    return run


class Training:
    """The boosters and baselines of every fold, one target after another."""

    def __init__(self, settings: Settings, pieces: Pieces, folds: Sequence[Fold], kept: Checkpoint | None) -> None:
        self.settings, self.pieces, self.folds = settings, pieces, folds
        self.result = Result(Forecasts.empty(0), {}, {target: [0] * len(folds) for target in TARGETS})
        common = walkforward.made_for(settings, pieces.sha256, pieces.cluster.place)
        self._kept = Boosters(kept, common, features.names(pieces.selection)) if kept else None
        self._fitted: dict[tuple[str, int], Fitted] = {}
        self._tails: dict[str, Fitted] = {}
        self._logistic: dict[int, tuple[Linear, float]] = {}
        """By fold; -1 is that of all hours."""
        self._periods = {-1: len(pieces), **{fold.number: fold.train_stop for fold in folds}}

    def run(self) -> None:
        """Train everything.

        Raises:
            Stopped: SIGTERM came.
        """
        every = [(t, n, stop) for t in TARGETS for n, stop in self._periods.items()]
        jobs = {job: walkforward.named(job, self.pieces.selection, self.settings) for job in every}
        restored = self._kept.restore(list(jobs.values())) if self._kept else set()
        self.result.restored = len(restored)
        say = progress.boosters(len(jobs))
        try:
            for target in TARGETS:
                rows = OfTarget(self.pieces, target, columns_for(target, self.pieces.selection))
                for number, stop in self._periods.items():
                    began, job = time.perf_counter(), jobs[target, number, stop]
                    fitted = self._fit(rows, number, stop, job)
                    say(target, number, time.perf_counter() - began, fitted.rounds, job.name in restored)
        except BaseException:
            if self._kept:
                self._kept.tell()
            raise

    def _fit(self, rows: OfTarget, number: int, stop: int, job: checkpoint.Job) -> Fitted:
        """One booster, with the baseline that needs the same rows."""
        target, params = rows.target, self.settings.params[rows.target]
        period = PeriodInPieces(rows, stop, self.settings.embargo, params, self.settings.seed)
        fitted, _ = boost.fit_period(period, job.with_early, self._kept.of(job) if self._kept else None)
        if stopping.requested():
            raise stopping.Stopped
        if job.with_early:
            self._tails[target] = period.tails[0]
        if target == "direction":
            weighed = rows.stretch(0, stop, params.half_life)
            self._logistic[number] = linear.logistic_of(weighed), weighed.mean_label
        if number < 0:
            self.result.models[target] = fitted
        else:
            self._fitted[target, number] = fitted
            self.result.rounds[target][number] = fitted.rounds
        return fitted

    def forecast(self) -> Forecast:
        """Have the workers forecast the test folds, and the tail that calibrates."""
        variances, first = Variances(self.pieces), self.folds[0]
        head_stop, tail_start = split.tail(first.train_stop, self.settings.embargo)
        segments = [Segment(tail_start, first.train_stop, None, self._tails, *variances.fit(head_stop))]
        for fold in self.folds:
            boosters = {target: self._fitted[target, fold.number] for target in TARGETS}
            fits = variances.fit(fold.train_stop)
            segments.append(
                Segment(fold.test_start, fold.test_stop, fold.number, boosters, *fits, *self._logistic[fold.number])
            )
        _, seasonal = variances.fit(len(self.pieces))
        forecasts = Forecast(self.pieces, segments, self.settings.coverage)
        logistic, rate = self._logistic[-1]
        self.result.baselines = Fits(rate, logistic, seasonal)
        self.result.calibration, self.result.smear = forecasts.calibration, forecasts.smear
        return forecasts


# What workers do.


Late = tuple[Hours, Features, Forecasts]
"""Some hours with their features and forecasts."""


def _last(piece: Hours, matrix: Features, forecasts: Forecasts | None, first: int) -> Late:
    """The hours of a piece from the one numbered `first` on."""
    span = slice(piece.within(0, first)[1], len(piece))

    def cut(values: Any) -> Any:
        return values[span].copy()

    late = Hours(piece.start + span.start, piece.bars.map(cut), of_each(cut, piece.targets))
    return late, cut(matrix), of_each(cut, forecasts or Forecasts.empty(len(piece)))


def _encoded(piece: Hours, f: Forecasts) -> bytes:
    """The forecasts of a piece as a Parquet file; empty without forecasts."""
    rows = parquet.table(piece.bars, piece.targets, f)
    return b"" if rows.empty else parquet.encode(rows)


def _write(encoded: bytes, uri: str, name: str) -> dict[str, str]:
    """Write a file, unless it is empty; its name and checksum."""
    out = Output(uri)
    if encoded:
        out.write(name, encoded)
    return out.written


# What the process that trains does.


def _write_predictions(pieces: Pieces, forecast: Forecast, out: Output) -> None:
    """Write all forecasts, a file a piece: to S3 the workers do, to a folder of this machine this process."""
    names = {k: f"predictions/{number:05}.parquet" for number, k in enumerate(forecast.over)}
    if store.is_s3(out.uri):
        encoded = {k: pieces.submit(k, _encoded, pieces.hours[k], forecast.by_piece[k]) for k in forecast.over}
        for checksums in pieces.gather(
            [pieces.submit(k, _write, encoded[k], out.uri, names[k]) for k in forecast.over]
        ):
            out.written |= checksums
        return
    for k in forecast.over:
        (content,) = pieces.gather([pieces.submit(k, _encoded, pieces.hours[k], forecast.by_piece[k])])
        if content:
            out.write(names[k], content)


def _latest(pieces: Pieces, forecast: Forecast, count: int) -> Late:
    """The last hours of all, with their features and forecasts."""
    first = max(0, len(pieces) - count)
    over = pieces.over(first, len(pieces))
    futures = [
        pieces.submit(k, _last, pieces.hours[k], pieces.matrix[k], forecast.by_piece.get(k), first) for k in over
    ]
    late: list[Late] = pieces.gather(futures)
    hours, matrices, forecasts = zip(*late, strict=True)

    def whole(*parts: Any) -> Any:
        return np.concatenate(parts)

    outcomes = of_each(whole, *(piece.targets for piece in hours))
    bars = joined([piece.bars for piece in hours])
    return Hours(first, bars, outcomes), np.concatenate(matrices), of_each(whole, *forecasts)
