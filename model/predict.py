"""The next hour's forecast from a finished model and the newest data."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from typing import Any

import numpy as np

from model import baselines, boost, conformal, data, features, linear, log, manifest, store, targets, ubjson
from model.bars import Bars
from model.errors import InputError
from model.fingerprint import versions
from model.reading import AS_IT_IS, Reading

UTC = frozenset((
    "utc", "uct", "universal", "zulu", "gmt", "gmt0", "gmt+0", "gmt-0", "greenwich",
))  # fmt: skip
"""Names of UTC in the time zone database, without `Etc/`."""
HISTORY = 1200
"""Hours that are looked at: the longest window, and as much again for steady rolling sums."""


def read_manifest(uri: str) -> dict[str, Any]:
    """The manifest of an output, checked.

    Raises:
        InputError: it isn't there (the output isn't complete), or doesn't fit this program.
    """
    source = store.join(uri, store.MANIFEST)
    return manifest.check(store.parse_json(store.read_bytes(source), source), source)


def read_file(uri: str, name: str, content: dict[str, Any]) -> bytes:
    """A file of an output, which must be the one that the manifest names.

    Raises:
        InputError: it isn't there, or was changed.
    """
    return as_named(store.read_bytes(store.join(uri, name)), uri, name, content)


def as_named(raw: bytes, uri: str, name: str, content: dict[str, Any]) -> bytes:
    """What was read of an output, if it is the file that the manifest names.

    Raises:
        InputError: it was changed.
    """
    if hashlib.sha256(raw).hexdigest() != content["files"].get(name):
        raise InputError(
            f"{store.join(uri, name)} is not the file that the manifest names (its checksum differs): "
            "the output was changed or overwritten"
        )
    return raw


def read_models(uri: str, content: dict[str, Any]) -> dict[str, boost.Fitted]:
    """The boosters of an output, by target.

    Raises:
        InputError: a file isn't the one that the manifest names, or was trained on other features.
    """
    names = [column["name"] for column in content["features"]["columns"]]
    models = {}
    for target, name in content["models"].items():
        raw = read_file(uri, name, content)
        try:
            models[target] = boost.load(raw, names)
        except ubjson.Unreadable as error:
            made_by = content.get("versions", {}).get("xgboost") or ubjson.made_by(raw)
            raise InputError(
                f"{store.join(uri, name)} can't be read by this XGBoost ({versions()['xgboost']}): {error}; "
                + (f"it was made by {made_by}" if made_by else "nothing says by which version it was made")
            ) from error
        except ValueError as error:
            raise InputError(
                f"{store.join(uri, name)} was trained on other features than the manifest names: {error}"
            ) from error
    return models


def read_data(
    content: dict[str, Any], data_uri: str, how: Reading = AS_IT_IS, now: dt.datetime | None = None
) -> data.Data:
    """Bars for a model with the manifest `content`, their times taken as in its training.

    Raises:
        InputError: as `data.load_uri`, or times that name no zone are taken to be in another zone than in the training.
    """
    dataset = data.load_uri(data_uri, how, now)
    theirs = content["data"].get("reading", {}).get("timezone")  # none in a manifest of before there was such a part
    if dataset.zoneless and theirs is not None and _zone(theirs) != _zone(how.zone):
        raise InputError(
            f"the model was trained on times in {theirs} (DATA_TIMEZONE), and the times of {data_uri} would be read as "
            f"in {how.zone}: set DATA_TIMEZONE={theirs}, or, if they are in {how.zone}, write the offset behind each "
            "time; if they are in UTC, call their column 'time (UTC)'"
        )
    return dataset


def _zone(name: str) -> str:
    """A zone's name, and of all that mean UTC one."""
    return "UTC" if name.lower().removeprefix("etc/") in UTC else name


def forecast(model_uri: str, data_uri: str, how: Reading = AS_IT_IS, now: dt.datetime | None = None) -> dict[str, Any]:
    """Forecast the hour that follows the last bar of the data.

    Args:
        model_uri: OUTPUT_URI of a training run.
        data_uri: hourly bars, at least `targets.MINIMUM_HISTORY` hours.
        how: what the file itself can't show.
        now: the present; by default the clock's.

    Raises:
        InputError: model, program and data don't fit together.
    """
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    content = read_manifest(model_uri)
    models = read_models(model_uri, content)
    bars = read_data(content, data_uri, how, moment).bars
    if len(bars) < targets.MINIMUM_HISTORY:
        raise InputError(f"{data_uri} has {len(bars)} hours: the features need {targets.MINIMUM_HISTORY}")
    has_flow = bool(content["data"].get("has_flow"))
    if has_flow and not bars.flow:
        raise InputError(
            f"the model was trained on data with number of trades and taker buy volume, and {data_uri} "
            "has neither; give it the full format, or train on the same columns"
        )
    return _forecast(models, content, bars.slice(max(0, len(bars) - HISTORY), len(bars)), has_flow, moment)


def _price(value: float) -> float:
    """A price to the cent, or to seven digits if that is more: prices may be 1e-8."""
    return round(value, max(2, 6 - math.floor(math.log10(value))))


def _forecast(
    models: dict[str, boost.Fitted], content: dict[str, Any], bars: Bars, has_flow: bool, now: dt.datetime
) -> dict[str, Any]:
    selection = features.select(has_flow)
    matrix = features.build(bars, selection)[-1:]
    labels = targets.make(bars)
    har = labels.har[-1:]
    if not np.isfinite(har).all() or not np.isfinite(labels.scale[-1]):
        raise InputError(f"too much of the last week before {bars.time[-1]}Z is missing to forecast from")
    p_up = float(models["direction"].predict(matrix, har)[0])
    ret = float(models["return"].predict(matrix, har)[0] * labels.scale[-1])
    seasonal = linear.Seasonal.from_json(content["baselines"]["seasonal_har"])
    of_lv, week_hour = content["volatility"], labels.week_hour[-1:]
    lhar = seasonal.predict(labels.lhar[-1:], week_hour)
    log_variance = baselines.blend(models["volatility"].predict(matrix, har), lhar, of_lv["seasonal_har_share"])
    lv, interval = float(log_variance[0]), content["price_interval"]
    variance = float(np.exp(lv) * of_lv["smear"]["model"])
    calibration = conformal.Calibration.from_json(interval)
    lower, upper = calibration.bounds(np.array([ret]), np.exp(log_variance / 2), week_hour % 24)
    price = float(bars.close[-1])
    made_at = bars.time[-1] + np.timedelta64(1, "h")
    age = (now.replace(tzinfo=None) - made_at.astype("datetime64[us]").item()).total_seconds() / 3600
    if age > 1:
        log.get().warning("the data is old: the forecast hour is over", hours=round(age, 1))
    return {
        "hour": f"{made_at}Z",
        "hours_since": round(age, 2),
        "last_price": price,
        "direction": {"probability_up": round(p_up, 4)},
        "return": {"forecast": round(ret, 6)},
        "volatility": {
            "hourly": round(math.sqrt(variance), 6),
            "variance": float(f"{variance:.5g}"),
            "log_variance": round(lv, 4),
        },
        "price": {
            "forecast": _price(price * float(np.exp(ret))),
            "lower": _price(price * float(np.exp(lower[0]))),
            "upper": _price(price * float(np.exp(upper[0]))),
            "coverage": interval["coverage"],
        },
        "model": {
            "run_id": content["run_id"],
            "code_version": content["code_version"],
            "trained_until": content["data"]["last"],
            "data_sha256": content["data"]["sha256"],
        },
        "verdicts": content.get("verdicts", {}),
        "verdicts_recent": content.get("verdicts_recent", {}),
    }
