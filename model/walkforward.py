"""Training every fold and the final model, side by side, and putting the forecasts together."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np

from model import baselines, boost, checkpoint, fingerprint, smearing, stopping
from model.bars import Array, Bars
from model.baselines import Fits
from model.checkpoint import Boosters, Checkpoint
from model.conformal import Calibration, intervals, quantiles
from model.engine import Engine, InMemory
from model.features.registry import Feature, columns_for, names
from model.forecasts import Forecasts
from model.params import TARGETS
from model.rows import Features, Numbers, Rows
from model.settings import Settings
from model.split import Fold, rows_between
from model.targets import Targets

Progress = Callable[[str, int, float, int, bool], None]
"""Called after each job: target, fold (-1 for the final model), seconds, boosting rounds, whether it was kept."""


@dataclasses.dataclass
class Result:
    """What `run` made."""

    forecasts: Forecasts
    models: dict[str, boost.Fitted]
    """Trained on everything, by target."""
    rounds: dict[str, list[int]]
    """Boosting rounds of each fold, by target."""
    calibration: dict[str, Calibration] = dataclasses.field(default_factory=dict)
    """For the next interval: the ``model``'s, ``har``'s and ``lhar``'s."""
    smear: dict[str, float] = dataclasses.field(default_factory=dict)
    """What the exponential of the next log variance is multiplied by, for the same three."""
    baselines: Fits = dataclasses.field(default_factory=Fits)
    """Fitted on all of the data."""
    restored: int = 0
    """Boosters that came from the checkpoint."""


Job = tuple[str, int, int]
"""Target, fold (-1: final), end of training."""


@dataclasses.dataclass(frozen=True)
class _Training:
    """What every booster is trained on."""

    features: Sequence[Feature]
    matrix: Features
    targets: Targets
    settings: Settings
    engine: Engine
    kept: Boosters | None = None

    def fit(self, job: Job) -> tuple[Job, boost.Fitted, Array | None, float]:
        """Train one booster: the job, the booster, its forecasts of the tail if it is the first fold's, and seconds."""
        target, _, stop = job
        began = time.perf_counter()
        fitted, tail = boost.fit(
            target,
            self.matrix,
            columns_for(target, self.features),
            self.targets,
            stop,
            self.settings.embargo,
            self.settings.params[target],
            self.settings.seed,
            tail_forecast=_needs_tail(job),
            engine=self.engine,
            kept=self.kept.of(self.named(job)) if self.kept else None,
        )
        return job, fitted, tail, time.perf_counter() - began

    def named(self, job: Job) -> checkpoint.Job:
        """The job's name in a checkpoint."""
        return named(job, self.features, self.settings)

    def forecast(self, target: str, fitted: boost.Fitted, fold: Fold) -> tuple[Numbers, Array]:
        """The numbers of a fold's rows that can be forecast, and the forecasts."""
        har = self.targets.har
        rows = rows_between(fold.test_start, fold.test_stop, np.asarray(np.isfinite(har).all(axis=1)))
        forecast = fitted.predict_rows(Rows(self.matrix, rows, fitted.columns), har[rows])
        return rows, forecast * self.targets.scale[rows] if target == "return" else forecast


def named(job: Job, features: Sequence[Feature], settings: Settings) -> checkpoint.Job:
    """The job as a checkpoint names it, with what its booster depends on alone."""
    target, number, stop = job
    return checkpoint.Job(
        f"{target}-{'final' if number < 0 else f'fold-{number + 1}'}",
        target,
        columns_for(target, features),
        {
            "set of parameters": json.dumps(dataclasses.asdict(settings.params[target])),
            "training period or seed": json.dumps([stop, settings.embargo, settings.seed]),
        },
        _needs_tail(job),
    )


def _needs_tail(job: Job) -> bool:
    return job[1] == 0 and job[0] != "direction"


def run(
    bars: Bars,
    features: Sequence[Feature],
    matrix: Features,
    targets: Targets,
    folds: Sequence[Fold],
    settings: Settings,
    progress: Progress,
    engine: Engine | None = None,
    run_checkpoint: Checkpoint | None = None,
) -> Result:
    """Train all folds and the final models, and forecast every test fold.

    Boosters are trained side by side in threads, one thread each, if the engine (by default memory) allows it.

    Raises:
        Stopped: SIGTERM came; running boosters end at their next round.
    """
    training = _Training(features, matrix, targets, settings, engine or InMemory())
    if run_checkpoint:
        training = dataclasses.replace(training, kept=_boosters(run_checkpoint, training))
    jobs: list[Job] = [(target, -1, len(bars)) for target in TARGETS]
    jobs += [(target, fold.number, fold.train_stop) for fold in reversed(folds) for target in TARGETS]
    result = Result(Forecasts.empty(len(bars)), {}, {t: [0] * len(folds) for t in TARGETS})
    tails = {target: np.full(len(bars), np.nan) for target in TARGETS}
    restored = training.kept.restore([training.named(job) for job in jobs]) if training.kept else set()
    result.restored = len(restored)
    with contextlib.closing(_side_by_side(training, jobs)) as results:
        for job, fitted, tail, seconds in results:
            target, number, _ = job
            if tail is not None:
                tails[target][: len(tail)] = tail * targets.scale[: len(tail)] if target == "return" else tail
            if number < 0:
                result.models[target] = fitted
            else:
                _collect(result, training, target, fitted, folds[number])
            progress(target, number, seconds, fitted.rounds, training.named(job).name in restored)
    result.models = {target: result.models[target] for target in TARGETS}  # whichever was ready first
    _against_baselines(result, training, folds, tails)
    return result


def _boosters(run_checkpoint: Checkpoint, training: _Training) -> Boosters:
    """The kept boosters of this run, and only those that it would train itself."""
    data = fingerprint.inputs(training.matrix, training.targets)
    return Boosters(run_checkpoint, made_for(training.settings, data, training.engine.place), names(training.features))


def made_for(settings: Settings, data: str, place: str) -> checkpoint.MadeFor:
    """What every booster of a run depends on; `data` is a checksum of what is learnt, `place` where it is."""
    return {
        "program": f"{fingerprint.program()} {settings.code_version}",
        "set of libraries": json.dumps(fingerprint.versions()),
        "kind of processor": fingerprint.processor(),
        "data": data,
        "number of machines": place,
    }


def _side_by_side(training: _Training, jobs: Sequence[Job]) -> Generator[tuple[Job, boost.Fitted, Array | None, float]]:
    """What the jobs made, as each of them ends.

    Raises:
        Stopped: SIGTERM came.
    """
    threads = training.settings.threads if training.engine.side_by_side else 1
    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting = {pool.submit(training.fit, job) for job in jobs}
        try:
            while waiting:
                ended, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in ended:
                    outcome = future.result()
                    if stopping.requested():
                        raise stopping.Stopped
                    yield outcome
        except BaseException:
            training.engine.close()
            pool.shutdown(cancel_futures=True)
            if training.kept:
                training.kept.tell()
            raise


def _collect(result: Result, training: _Training, target: str, fitted: boost.Fitted, fold: Fold) -> None:
    """Put a fold's forecasts into their place."""
    forecasts = result.forecasts
    result.rounds[target][fold.number] = fitted.rounds
    rows, forecast = training.forecast(target, fitted, fold)
    {"direction": forecasts.p_up, "return": forecasts.ret, "volatility": forecasts.lv}[target][rows] = forecast
    if target == "direction":
        forecasts.fold[rows] = fold.number


def _against_baselines(result: Result, training: _Training, folds: Sequence[Fold], tails: Mapping[str, Array]) -> None:
    """The baselines' forecasts, the blend with the seasonal HAR, variances and intervals.

    Args:
        result: with the boosters' forecasts; gets the rest.
        training: what the boosters were trained on.
        folds: the test folds.
        tails: forecasts of the tail of the first fold's training period, by target, from which calibration begins.
    """
    forecasts, targets, settings = result.forecasts, training.targets, training.settings
    columns, half_life = columns_for("direction", training.features), settings.params["direction"].half_life
    rate, logistic = baselines.direction(training.matrix, columns, targets, folds, half_life, forecasts)
    har, lhar, seasonal = baselines.volatility(targets, folds, settings.embargo)
    result.baselines = Fits(rate, logistic, seasonal)
    lv = baselines.blend(np.where(np.isnan(forecasts.lv), tails["volatility"], forecasts.lv), lhar)
    tested = ~np.isnan(forecasts.fold)
    for name, forecast in (("lv", lv), ("lv_har", har), ("lv_lhar", lhar)):
        getattr(forecasts, name)[tested] = forecast[tested]
    logs = {"model": lv, "har": har, "lhar": lhar}
    _variances(result, targets, logs, folds)
    ret = np.where(np.isnan(forecasts.ret), tails["return"], forecasts.ret)
    _intervals(result, targets, ret, logs, settings.coverage)


def _variances(result: Result, targets: Targets, logs: Mapping[str, Array], folds: Sequence[Fold]) -> None:
    """Forecasts of the variance from those of its log."""
    f = result.forecasts
    for name, into in (("model", f.var), ("har", f.var_har), ("lhar", f.var_lhar)):
        into[:], result.smear[name] = smearing.by_fold(targets.lv, logs[name], folds)


def _intervals(result: Result, targets: Targets, ret: Array, logs: Mapping[str, Array], coverage: float) -> None:
    """Conformal bounds from the forecasts of the test folds and, before them, of the first fold's tail."""
    forecasts = result.forecasts
    tested, hour = ~np.isnan(forecasts.fold), targets.week_hour % 24
    base = quantiles(targets.ret, coverage)
    forecasts.base_lower[tested], forecasts.base_upper[tested] = base[0][tested], base[1][tested]
    bounds = {
        "model": (forecasts.lower, forecasts.upper),
        "har": (forecasts.har_lower, forecasts.har_upper),
        "lhar": (forecasts.lhar_lower, forecasts.lhar_upper),
    }
    for name, (lower, upper) in bounds.items():
        sigma = np.exp(logs[name] / 2)
        center = ret if name == "model" else np.zeros(len(ret))
        low, high, result.calibration[name] = intervals(center, sigma, targets.ret, hour, coverage)
        lower[tested], upper[tested] = low[tested], high[tested]
