"""Training every fold and the final model, side by side, and putting the forecasts together."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np

from model import boost, linear, stopping
from model.bars import Array, Bars
from model.conformal import quantiles
from model.engine import Engine, InMemory
from model.features.registry import Feature, columns_for
from model.params import TARGETS
from model.rows import Features, Numbers, Rows, present
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
    lower: Array
    upper: Array
    """Bounds of the log return."""
    base_lower: Array
    base_upper: Array
    """The same from past returns alone (persistence with an empirical interval)."""

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
    calibration: tuple[float, float]
    """The scores' quantiles after the last bar, for the next forecast."""
    base_rate: float = np.nan
    """Share of rises in all of the data: the simplest forecast of direction."""
    logistic: linear.Linear | None = None
    """Logistic regression on the inputs of direction, fitted on all of the data."""


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
    result = Result(Forecasts.empty(len(bars)), {}, {t: [0] * len(folds) for t in TARGETS}, (np.nan, np.nan))
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
    _baselines(matrix, columns_for("direction", features), targets, folds, result)
    _intervals(result, targets, scored, settings.coverage)
    return result


def _baselines(matrix: Features, columns: Numbers, targets: Targets, folds: Sequence[Fold], result: Result) -> None:
    """Fit HAR, and logistic regression and the base rate on the inputs of direction, as each booster is fitted."""
    f = result.forecasts
    known = np.isfinite(targets.up) & present(matrix)
    har_known = np.isfinite(targets.lv) & np.isfinite(targets.har).all(axis=1)

    def logistic(stop: int) -> tuple[linear.Linear, float]:
        rows = rows_between(0, stop, known)
        up = targets.up[rows]
        return linear.logistic(Rows(matrix, rows, columns), up), float(up.mean())

    for fold in folds:
        test = slice(fold.test_start, fold.test_stop)
        fitted, f.p_base[test] = logistic(fold.train_stop)
        f.p_logistic[test] = linear.sigmoid(fitted.predict(Rows(matrix, np.arange(test.start, test.stop), columns)))
        rows = rows_between(0, fold.train_stop, har_known)
        f.lv_har[test] = linear.least_squares(targets.har[rows], targets.lv[rows]).predict(targets.har[test])
    result.logistic, result.base_rate = logistic(len(known))


def _intervals(result: Result, targets: Targets, scored: tuple[Array, Array], coverage: float) -> None:
    """Conformal bounds from the forecasts of the test folds and, before them, of the first fold's tail."""
    f = result.forecasts
    ret = np.where(np.isnan(f.ret), scored[0], f.ret)
    sigma = np.exp(np.where(np.isnan(f.lv), scored[1], f.lv) / 2)
    low, high = quantiles((targets.ret - ret) / sigma, coverage)
    tested = ~np.isnan(f.fold)
    f.lower[tested] = (ret + low * sigma)[tested]
    f.upper[tested] = (ret + high * sigma)[tested]
    base_low, base_high = quantiles(targets.ret, coverage)
    f.base_lower[tested], f.base_upper[tested] = base_low[tested], base_high[tested]
    result.calibration = (float(low[-1]), float(high[-1]))
