"""How a finished model does on hours that came after its training: does it still hold up?"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from model import (
    baselines,
    boost,
    data,
    evaluate,
    features,
    linear,
    parquet,
    plausible,
    predict,
    same_hours,
    store,
    targets,
)
from model.bars import Bars
from model.conformal import Calibration, quantiles
from model.errors import InputError
from model.forecasts import Forecasts
from model.reading import AS_IT_IS, Reading

MINIMUM = 100
SEED = 0


def check(
    model_uri: str,
    data_uri: str,
    how: Reading = AS_IT_IS,
    now: dt.datetime | None = None,
    history_uri: str = "",
) -> dict[str, Any]:
    """Score the model of a run on every hour after the last one that it was trained on.

    Nothing is fitted: models, HAR, logistic regression, base rate and the quantiles of the
    interval are those of the run. Only the empirical interval, a baseline, follows the new data.

    Args:
        model_uri: OUTPUT_URI of a training run.
        data_uri: bars that reach beyond its data, with `targets.MINIMUM_HISTORY` hours before.
        how: what the files themselves can't show.
        now: the present; by default the clock's.
        history_uri: earlier bars, for data that has too few before the hours to score; those of the run will do.

    Returns:
        ``first``, ``last``, ``warm_up_hours`` (later hours that couldn't be scored, since too few came before them) and
        the scores as in metrics.json.

    Raises:
        InputError: model, program and data don't fit together, or there are too few later hours.
    """
    content = predict.read_manifest(model_uri)
    models = predict.read_models(model_uri, content)
    bars = _bars(model_uri, content, data_uri, history_uri, how, now)
    if content["data"].get("has_flow") and not bars.flow:
        raise InputError(f"the model was trained on data with order flow, and {history_uri or data_uri} has none")
    trained = np.datetime64(content["data"]["last"].removesuffix("Z"))
    new = np.flatnonzero(bars.time >= trained).astype(np.int64)
    new = new[new < len(bars) - 1]
    rows = new[new >= targets.MINIMUM_HISTORY]
    warm_up = len(new) - len(rows)
    if len(rows) < MINIMUM:
        raise InputError(
            f"{data_uri} has {len(rows)} hours after {trained}Z, where the model's data ends, with "
            f"{targets.MINIMUM_HISTORY} hours of history: at least {MINIMUM} are needed"
            + (f"; {warm_up} more lack the history, which --history gives" if warm_up else "")
        )
    coverage = float(content["price_interval"]["coverage"])
    labels = targets.make(bars)
    forecast = forecasts(models, content, bars, labels, rows, coverage)
    scores = evaluate.score(bars, labels, forecast, rows, coverage, SEED)
    return {
        "first": f"{bars.time[rows[0]] + np.timedelta64(1, 'h')}Z",
        "last": f"{bars.time[rows[-1]] + np.timedelta64(1, 'h')}Z",
        "warm_up_hours": warm_up,
        "coverage_nominal": coverage,
        "metrics": evaluate.flat(scores),
        **scores.to_json(),
    }


def _bars(
    model_uri: str, content: dict[str, Any], data_uri: str, history_uri: str, how: Reading, now: dt.datetime | None
) -> Bars:
    dataset = predict.read_data(content, data_uri, how, now)
    known = _known_closes(model_uri, content)
    _of_one_series(known, dataset.bars, data_uri)
    if history_uri:
        earlier = predict.read_data(content, history_uri, how, now)
        _of_one_series(known, earlier.bars, history_uri)
        dataset = data.joined(earlier, dataset)
    return dataset.bars


def _known_closes(model_uri: str, content: dict[str, Any]) -> pd.Series:
    """The closes that the run forecast from; none of a model that was copied without its forecasts."""
    source = store.join(model_uri, parquet.PREDICTIONS)
    raw, _ = store.read_versioned(source)
    if raw is None:
        return pd.Series([], pd.DatetimeIndex([], dtype="datetime64[us]"), dtype=np.float64)
    return parquet.forecasts(predict.as_named(raw, model_uri, parquet.PREDICTIONS, content), source)["close"]


def _of_one_series(known: pd.Series, bars: Bars, source: str) -> None:
    """Hold the bars against the closes that the run forecast from, where both have an hour.

    Raises:
        InputError: too many closes differ: another series, or its times are off.
    """
    ours = pd.Series(bars.close, (bars.time + np.timedelta64(1, "h")).astype("datetime64[us]"))
    hours = known.index.intersection(ours.index)
    a, b = (np.asarray(closes.loc[hours].to_numpy(), dtype=np.float64) for closes in (known, ours))
    apart = np.abs(a / b - 1) > plausible.SAME
    if apart.sum() > same_hours.MAX_OTHER * len(hours):
        at = int(np.flatnonzero(apart)[0])
        raise InputError(
            f"{source} has other closes than the model's own data in {int(apart.sum())} of {len(hours)} common hours, "
            f"{b[at]:g} for {a[at]:g} before {np.datetime64(hours[at], 's')}Z: it is of another series, or its times "
            "are in another zone (DATA_TIMEZONE)"
        )


def outcomes(model_uri: str, data_uri: str, how: Reading = AS_IT_IS) -> pd.DataFrame:
    """Forecasts of a finished model beside what came, as in predictions.parquet, indexed by `hour`.

    Of the hours after its training that have history enough; they may be none.

    Raises:
        InputError: model, program and data don't fit together.
    """
    content = predict.read_manifest(model_uri)
    models = predict.read_models(model_uri, content)
    bars = _bars(model_uri, content, data_uri, "", how, None)
    if content["data"].get("has_flow") and not bars.flow:
        raise InputError(f"{model_uri} was trained on data with order flow, and {data_uri} has none")
    trained = np.datetime64(content["data"]["last"].removesuffix("Z"))
    rows = np.flatnonzero(bars.time >= trained).astype(np.int64)
    rows = rows[rows >= targets.MINIMUM_HISTORY - 1]
    labels = targets.make(bars)
    forecast = forecasts(models, content, bars, labels, rows, float(content["price_interval"]["coverage"]))
    return parquet.table(bars, labels, forecast).set_index("hour")


def forecasts(
    models: dict[str, boost.Fitted],
    content: dict[str, Any],
    bars: Bars,
    labels: targets.Targets,
    rows: npt.NDArray[np.int64],
    coverage: float,
) -> Forecasts:
    """What a finished model and its baselines forecast at `rows`; nothing is fitted.

    Args:
        models: the boosters, by target.
        content: the manifest.
        bars: with history before the first of `rows`.
        labels: of `bars`.
        rows: numbers of bars.
        coverage: nominal, of the empirical interval.
    """
    matrix = features.build(bars, features.select(bool(content["data"].get("has_flow"))))
    usable = rows[np.isfinite(labels.har[rows]).all(axis=1)]
    part, har = matrix[usable], labels.har[usable]
    forecast = Forecasts.empty(len(bars))
    forecast.fold[usable] = 0
    forecast.p_up[usable] = models["direction"].predict(part, har)
    forecast.ret[usable] = models["return"].predict(part, har) * labels.scale[usable]
    fits = content["baselines"]
    hour = labels.week_hour
    forecast.lv_lhar[usable] = linear.Seasonal.from_json(fits["seasonal_har"]).predict(
        labels.lhar[usable], hour[usable]
    )
    booster, share = models["volatility"].predict(part, har), float(content["volatility"]["seasonal_har_share"])
    forecast.lv[usable] = baselines.blend(booster, forecast.lv_lhar[usable], share)
    start = models["volatility"].start
    if start is not None:
        forecast.lv_har[usable] = start.predict(har)
    smear = content["volatility"]["smear"]
    forecast.var, forecast.var_har, forecast.var_lhar = (
        np.exp(lv) * smear[name]
        for name, lv in (("model", forecast.lv), ("har", forecast.lv_har), ("lhar", forecast.lv_lhar))
    )
    forecast.p_base[usable] = fits["base_rate"]
    if fits["logistic"]:
        logistic = linear.Linear.from_json(fits["logistic"])
        forecast.p_logistic[usable] = linear.sigmoid(logistic.predict(part[:, models["direction"].columns]))
    _bounds(forecast, content, labels)
    forecast.base_lower, forecast.base_upper = quantiles(labels.ret, coverage)
    return forecast


def _bounds(forecast: Forecasts, content: dict[str, Any], labels: targets.Targets) -> None:
    """Every interval from the calibration that the run ended with."""
    hour, none = labels.week_hour % 24, np.zeros(len(forecast.lv))
    of, intervals = Calibration.from_json, content["baselines"]["intervals"]
    forecast.lower, forecast.upper = of(content["price_interval"]).bounds(forecast.ret, np.exp(forecast.lv / 2), hour)
    forecast.har_lower, forecast.har_upper = of(intervals["har"]).bounds(none, np.exp(forecast.lv_har / 2), hour)
    forecast.lhar_lower, forecast.lhar_upper = of(intervals["lhar"]).bounds(none, np.exp(forecast.lv_lhar / 2), hour)


def as_text(result: dict[str, Any]) -> str:
    """The scores for reading."""
    lines = [f"{result['hours']:,} hours, {result['first']} to {result['last']}, none of them trained on", ""]
    if result["warm_up_hours"]:
        lines.insert(
            1,
            f"{result['warm_up_hours']:,} later hours before them went to the warm-up: they have less than "
            f"{targets.MINIMUM_HISTORY} hours of history; --history gives earlier bars",
        )
    for comparison in result["comparisons"]:
        skill, p_value = comparison["skill"], comparison["diebold_mariano"]["p_value"]
        if skill["value"] is None:
            continue
        span = f"{skill['low']:+.2%} to {skill['high']:+.2%}"
        lines.append(
            f"{comparison['target']:<15} {comparison['baseline']:<20} {comparison['verdict']:<13} "
            f"saved {skill['value']:+.2%} ({span}), p {p_value:.3f}"
        )
    auc, cover = result["estimates"]["direction_auc"], result["estimates"]["price_coverage"]
    nominal = result["coverage_nominal"]
    lines += [
        "",
        f"direction AUC {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f})",
        f"interval coverage {cover['value']:.4f} ({cover['low']:.4f} to {cover['high']:.4f}), nominal {nominal}",
    ]
    return "\n".join(lines)
