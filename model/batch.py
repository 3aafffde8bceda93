"""Forecasts of a finished model for every hour of a file."""

from __future__ import annotations

import datetime as dt
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from model import later, parquet, predict, store, targets
from model.errors import InputError
from model.reading import AS_IT_IS, Reading
from model.store import Output


def table(model_uri: str, data_uri: str, how: Reading = AS_IT_IS, now: dt.datetime | None = None) -> pd.DataFrame:
    """One row for each hour that can be forecast, the one after the last bar included.

    `hour` is the start of the forecast hour (UTC), forecast at that moment from `close`. `trained_on` tells the hours
    that the model has learnt from: there it isn't a forecast but a memory, and says nothing about skill.

    Args:
        model_uri: OUTPUT_URI of a training run.
        data_uri: bars, with `targets.MINIMUM_HISTORY` hours before the first that is forecast.
        how: to read the data.
        now: the present; by default the clock's.

    Raises:
        InputError: model, program and data don't fit together, or no hour has history enough.
    """
    content = predict.read_manifest(model_uri)
    models = predict.read_models(model_uri, content)
    bars = predict.read_data(content, data_uri, how, now).bars
    if content["data"].get("has_flow") and not bars.flow:
        raise InputError(f"the model was trained on data with order flow, and {data_uri} has none")
    rows = np.arange(min(targets.MINIMUM_HISTORY - 1, len(bars)), len(bars))
    if not len(rows):
        raise InputError(f"{data_uri} has {len(bars)} hours: the features need {targets.MINIMUM_HISTORY}")
    labels = targets.make(bars)
    forecasts = later.forecasts(models, content, bars, labels, rows, float(content["price_interval"]["coverage"]))
    rows = rows[np.isfinite(forecasts.p_up[rows]) & np.isfinite(forecasts.ret[rows])]
    close = bars.close[rows]
    last = np.datetime64(content["data"]["last"].removesuffix("Z"))
    first = np.datetime64(content["data"]["first"].removesuffix("Z"))
    hour = bars.time[rows] + np.timedelta64(3600, "s")
    columns: dict[str, Any] = {"hour": hour.astype("datetime64[us]"), "close": close, "p_up": forecasts.p_up[rows]}
    columns |= {
        "ret_forecast": forecasts.ret[rows],
        "lv_forecast": forecasts.lv[rows],
        "variance_forecast": forecasts.var[rows],
    }
    for name, bound in (
        ("forecast_price", forecasts.ret),
        ("lower_price", forecasts.lower),
        ("upper_price", forecasts.upper),
    ):
        columns[name] = close * np.exp(bound[rows])
    return pd.DataFrame(columns | {"trained_on": (hour >= first) & (hour <= last)})


def prepare(uri: str, data_uri: str = "", model_uri: str = "") -> tuple[Output, str]:
    """Where `write` puts a file, seen to be writable before anything is computed: the folder or prefix, and the name.

    Raises:
        InputError: `uri` names no Parquet file, its folder can't be written, or it is one of the data or of the model.
    """
    run = [store.join(model_uri, name) for name in (parquet.PREDICTIONS, "predictions")] if model_uri else []
    for place, what in ((data_uri, "data"), *((name, "model's own forecasts") for name in run)):
        if place and store.lies_in(uri, place):
            raise InputError(f"--out is {uri!r}, which would be written into the {what} {place}: name another file")
    folder, _, name = uri.rpartition("/")
    if PurePosixPath(name).suffix != ".parquet":
        raise InputError(f"--out is {uri!r}: name a file that ends in .parquet")
    out = Output(folder or ("/" if uri.startswith("/") else "."))
    out.prepare("--out")
    return out, name


def write(rows: pd.DataFrame, uri: str) -> None:
    """Write the rows to a path or S3 URI as Parquet, whole or not at all.

    Raises:
        InputError: `uri` names no file, or it can't be written.
    """
    out, name = prepare(uri)
    out.write(name, parquet.encode(rows))
