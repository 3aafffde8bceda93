"""What the environment says a run should do."""

from __future__ import annotations

import dataclasses
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from model import champion, limits, params, store
from model.errors import InputError
from model.parts import files
from model.reading import AS_IT_IS, MAX_DATA_BYTES, ORDERS, Reading

SAMPLE = "data/sample.csv"


@dataclasses.dataclass(frozen=True)
class Settings:
    """One run's settings. See model/README.md for the variable behind each."""

    data: str
    output: str = "output"
    run_id: str = ""
    code_version: str = ""
    checkpoint: str = ""
    """Where trained boosters are kept, for a run that goes on after an interruption; empty: nowhere."""
    seed: int = 7
    threads: int = 1
    memory: int = 0
    """Bytes that the process may use; 0: no limit. With more data than that, training goes by way of the disk."""
    scheduler: str = ""
    """Address of a Dask scheduler whose workers train; empty: this process does."""
    workers: int = 0
    """So many Dask workers are waited for; 0: those that there are."""
    folds: int = 6
    first_train: float = 0.4
    """Share of the bars that lies before the first test fold."""
    embargo: int = 24
    """Hours left out between a training period and what it is tested on."""
    coverage: float = 0.9
    """Nominal coverage of the price interval."""
    reading: Reading = AS_IT_IS
    """How the data is read."""
    promote: str = ""
    """Metric by which a finished run becomes the champion if it is better; empty: it doesn't."""
    params: Mapping[str, params.Params] = dataclasses.field(default_factory=lambda: dict(params.DEFAULTS))


def _number(env: Mapping[str, str], name: str, default: float, low: float, high: float, whole: bool) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name} is {text!r}: use {kind} from {low:.10g} to {high:.10g}")
    return value


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise InputError(f"{name} is {text!r}: use true or false")


def data_uri(env: Mapping[str, str]) -> str:
    """Where the data is: USE_S3 with S3_BUCKET and S3_KEY or S3_PREFIX, else DATA_PATH, else the sample.

    Raises:
        InputError: the variables don't say.
    """
    if _switch(env, "USE_S3"):
        bucket, key = env.get("S3_BUCKET", "").strip(), env.get("S3_KEY", "").strip()
        prefix = env.get("S3_PREFIX", "").strip()
        # A deploy with a folder sets both. The first key may be that of _SUCCESS, which is no data.
        below = key[prefix.rfind("/") + 1 :] if key.startswith(prefix) else ""
        if prefix and (not key or key.endswith(files.SUFFIX) or files.is_hidden(below)):
            key = prefix if prefix.endswith("/") else f"{prefix}*"
        missing = [name for name, value in (("S3_BUCKET", bucket), ("S3_KEY", key)) if not value]
        if missing:
            raise InputError(
                f"USE_S3 is true, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
            )
        return f"s3://{bucket}/{key.lstrip('/')}"
    path = env.get("DATA_PATH", "").strip()
    if path:
        return path
    if Path(SAMPLE).is_file():
        return SAMPLE
    raise InputError(
        "no data: set DATA_PATH to a CSV file, or USE_S3=true with S3_BUCKET and S3_KEY, "
        f"or make a synthetic one: python -m model sample {SAMPLE}"
    )


def zone(env: Mapping[str, str]) -> str:
    """DATA_TIMEZONE, checked; UTC without it."""
    name = env.get("DATA_TIMEZONE", "").strip() or "UTC"
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise InputError(f"DATA_TIMEZONE is {name!r}: not a time zone; use a name such as Europe/Zurich") from error
    return name


def reading(env: Mapping[str, str]) -> Reading:
    """How data is read: DATA_TIMEZONE, DATE_ORDER, RESAMPLE and MAX_DATA_BYTES.

    Raises:
        InputError: the first of them that is wrong.
    """
    order = env.get("DATE_ORDER", "").strip().lower()
    if order and order not in ORDERS:
        raise InputError(f"DATE_ORDER is {order!r}: use {', '.join(ORDERS)}, or leave it unset to see it from the file")
    return Reading(
        zone=zone(env),
        order=order,
        resample=_switch(env, "RESAMPLE"),
        max_bytes=int(_number(env, "MAX_DATA_BYTES", MAX_DATA_BYTES, 1, 2**50, whole=True)),
    )


def _promote(env: Mapping[str, str]) -> str:
    """PROMOTE, checked; empty without it."""
    metric = env.get("PROMOTE", "").strip()
    if metric and metric not in champion.METRICS:
        raise InputError(f"PROMOTE is {metric!r}: use one of {', '.join(champion.METRICS)}")
    return metric


def _checkpoint(env: Mapping[str, str], output: str) -> str:
    """CHECKPOINT_URI, checked; empty without it."""
    value = env.get("CHECKPOINT_URI", "").strip()
    uri = value.removeprefix("file://").rstrip("/") or value
    if not uri:
        return ""
    if "://" in uri and not store.is_s3(uri):
        raise InputError(f"CHECKPOINT_URI is {value!r}: use s3://bucket/prefix or a folder")
    if store.is_s3(uri):
        store.split_s3(uri)
    if store.lies_in(uri, output) or store.lies_in(output, uri):
        raise InputError(f"CHECKPOINT_URI is {value!r}, and OUTPUT_URI {output!r}: neither may lie in the other")
    return uri


def load(env: Mapping[str, str]) -> Settings:
    """Read and check all settings.

    Raises:
        InputError: the first variable that is wrong.
    """
    output = env.get("OUTPUT_URI", "").strip() or "output"
    return Settings(
        data=data_uri(env),
        output=output,
        run_id=env.get("RUN_ID", "").strip(),
        code_version=env.get("CODE_VERSION", "").strip(),
        checkpoint=_checkpoint(env, output),
        seed=int(_number(env, "SEED", 7, 0, 2**31 - 1, whole=True)),
        threads=limits.threads(env),
        memory=limits.memory(env),
        scheduler=env.get("DASK_SCHEDULER_ADDRESS", "").strip(),
        workers=int(_number(env, "DASK_WORKERS", 0, 0, 1000, whole=True)),
        folds=int(_number(env, "FOLDS", 6, 2, 60, whole=True)),
        first_train=_number(env, "FIRST_TRAIN", 0.4, 0.1, 0.9, whole=False),
        embargo=int(_number(env, "EMBARGO_HOURS", 24, 1, 10_000, whole=True)),
        coverage=_number(env, "COVERAGE", 0.9, 0.5, 0.99, whole=False),
        reading=reading(env),
        promote=_promote(env),
        params=params.load(env),
    )
