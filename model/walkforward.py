"""Training every fold and the final model, side by side, and putting the forecasts together."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np

from model import baselines, boost, smearing, stopping
from model.bars import Array, Bars
from model.baselines import Fits
from model.conformal import Calibration, intervals, quantiles
from model.engine import Engine, InMemory
from model.features.registry import Feature, columns_for
from model.params import TARGETS
from model.rows import Features, Rows
from model.settings import Settings
from model.split import Fold, rows_between
from model.targets import Targets

Progress = Callable[[str, int, float, int], None]
"""Called after each job: target, fold (-1 for the final model), seconds, boosting rounds."""


@dataclasses.dataclass
class Forecasts:
    """Out-of-sample forecasts, one row per hour of the bars, NaN outside of the test folds.

    Row t is made at the end of hour t about hour t+1.
    """

    fold: Array
    p_up: Array
    p_logistic: Array
    p_base: Array
    ret: Array
    lv: Array
    lv_har: Array
    lv_lhar: Array
    """Of the log variance: the model's, HAR's and the seasonal HAR's."""
    var: Array
    var_har: Array
    var_lhar: Array
    """Of the variance."""
    lower: Array
    upper: Array
    """Bounds of the log return."""
    base_lower: Array
    base_upper: Array
    """The same from past returns alone (persistence with an empirical interval)."""
    har_lower: Array
    har_upper: Array
    """The same with HAR's volatility, made as the model's."""
    lhar_lower: Array
    lhar_upper: Array
    """The same with the seasonal HAR's volatility, made as the model's."""

    @classmethod
    def empty(cls, rows: int) -> Forecasts:
        """All NaN."""
        return cls(*(np.full(rows, np.nan) for _ in dataclasses.fields(cls)))


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


Job = tuple[str, int, int]
"""Target, fold (-1: final), end of training."""


def run(
    bars: Bars,
    features: Sequence[Feature],
    matrix: Features,
    targets: Targets,
    folds: Sequence[Fold],
    settings: Settings,
    progress: Progress,
    engine: Engine | None = None,
) -> Result:
    """Train all folds and the final models, and forecast every test fold.

    Boosters are trained side by side in threads, one thread each, if the engine (by default memory) allows it.

    Raises:
        Stopped: SIGTERM came; running boosters end at their next round.
    """
    engine = engine or InMemory()
    jobs: list[Job] = [(target, -1, len(bars)) for target in TARGETS]
    jobs += [(target, fold.number, fold.train_stop) for fold in reversed(folds) for target in TARGETS]
    result = Result(Forecasts.empty(len(bars)), {}, {t: [0] * len(folds) for t in TARGETS})
    scored = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    har_ok = np.asarray(np.isfinite(targets.har).all(axis=1))

    def work(job: Job) -> tuple[Job, boost.Fitted, Array | None, float]:
        target, number, stop = job
        began = time.perf_counter()
        fitted, tail = boost.fit(
            target,
            matrix,
            columns_for(target, features),
            targets,
            stop,
            settings.embargo,
            settings.params[target],
            settings.seed,
            tail_forecast=number == 0 and target != "direction",
            engine=engine,
        )
        return job, fitted, tail, time.perf_counter() - began

    def collect(job: Job, fitted: boost.Fitted, tail: Array | None) -> None:
        target, number, _ = job
        if number < 0:
            result.models[target] = fitted
            return
        fold = folds[number]
        result.rounds[target][number] = fitted.rounds
        rows = rows_between(fold.test_start, fold.test_stop, har_ok)
        forecast = fitted.predict_rows(Rows(matrix, rows, fitted.columns), targets.har[rows])
        f = result.forecasts
        if target == "direction":
            f.p_up[rows] = forecast
            f.fold[rows] = number
        elif target == "return":
            f.ret[rows] = forecast * targets.scale[rows]
        else:
            f.lv[rows] = forecast
        if tail is not None:
            kept = tail * targets.scale[: len(tail)] if target == "return" else tail
            scored[0 if target == "return" else 1][: len(tail)] = kept

    with ThreadPoolExecutor(max_workers=settings.threads if engine.side_by_side else 1) as pool:
        waiting = {pool.submit(work, job) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    job, fitted, tail, seconds = future.result()
                    if stopping.requested():
                        raise stopping.Stopped
                    collect(job, fitted, tail)
                    progress(job[0], job[1], seconds, fitted.rounds)
        except BaseException:
            engine.close()
            pool.shutdown(cancel_futures=True)
            raise
    f, half_life = result.forecasts, settings.params["direction"].half_life
    rate, logistic = baselines.direction(matrix, columns_for("direction", features), targets, folds, half_life, f)
    har, lhar, seasonal = baselines.volatility(targets, folds, settings.embargo)
    result.baselines = Fits(rate, logistic, seasonal)
    lv = baselines.blend(np.where(np.isnan(f.lv), scored[1], f.lv), lhar)
    tested = ~np.isnan(f.fold)
    for name, forecast in (("lv", lv), ("lv_har", har), ("lv_lhar", lhar)):
        getattr(f, name)[tested] = forecast[tested]
    _variances(result, targets, {"model": lv, "har": har, "lhar": lhar}, folds)
    ret = np.where(np.isnan(f.ret), scored[0], f.ret)
    _intervals(result, targets, ret, {"model": lv, "har": har, "lhar": lhar}, settings.coverage)
    return result


def _variances(result: Result, targets: Targets, logs: Mapping[str, Array], folds: Sequence[Fold]) -> None:
    """Forecasts of the variance from those of its log."""
    f = result.forecasts
    for name, into in (("model", f.var), ("har", f.var_har), ("lhar", f.var_lhar)):
        into[:], result.smear[name] = smearing.by_fold(targets.lv, logs[name], folds)


def _intervals(result: Result, targets: Targets, ret: Array, logs: Mapping[str, Array], coverage: float) -> None:
    """Conformal bounds from the forecasts of the test folds and, before them, of the first fold's tail."""
    f = result.forecasts
    tested, hour = ~np.isnan(f.fold), targets.week_hour % 24
    base = quantiles(targets.ret, coverage)
    f.base_lower[tested], f.base_upper[tested] = base[0][tested], base[1][tested]
    bounds = {"model": (f.lower, f.upper), "har": (f.har_lower, f.har_upper), "lhar": (f.lhar_lower, f.lhar_upper)}
    for name, (lower, upper) in bounds.items():
        sigma = np.exp(logs[name] / 2)
        center = ret if name == "model" else np.zeros(len(ret))
        low, high, result.calibration[name] = intervals(center, sigma, targets.ret, hour, coverage)
        lower[tested], upper[tested] = low[tested], high[tested]
