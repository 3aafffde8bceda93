"""Predictions as Parquet, written and read with fastparquet (a tenth of the size of pyarrow)."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import fastparquet
import numpy as np
import pandas as pd

from model import files, header
from model.bars import Array, Bars
from model.errors import InputError
from model.forecasts import Forecasts
from model.targets import Targets

PREDICTIONS = "predictions.parquet"
ENCODINGS = {"6": "DELTA_LENGTH_BYTE_ARRAY", "7": "DELTA_BYTE_ARRAY", "9": "BYTE_STREAM_SPLIT"}
NUMBER = 8
"""Bytes of a value in memory, at least."""


class _Kept(io.BytesIO):
    """A buffer whose content survives the writer's close."""

    def close(self) -> None:
        return


def table(bars: Bars, targets: Targets, forecast: Forecasts) -> pd.DataFrame:
    """The test folds' forecasts beside what came, one row per hour that was forecast.

    `hour` is the start of the forecast hour (UTC); it is forecast at that moment from `close`,
    the last known price. Columns of returns are logarithmic; `*_price` are in quote currency.
    """
    rows = np.flatnonzero(~np.isnan(forecast.fold))
    close = bars.close[rows]

    def price(ret: Array) -> Array:
        return np.asarray(close * np.exp(ret[rows]))

    return pd.DataFrame(
        {
            "hour": (bars.time[rows] + np.timedelta64(3600, "s")).astype("datetime64[us]"),
            "fold": forecast.fold[rows].astype(np.int32),
            "close": close,
            "next_close": price(targets.ret),
            "up": targets.up[rows],
            "p_up": forecast.p_up[rows],
            "p_up_logistic": forecast.p_logistic[rows],
            "base_rate": forecast.p_base[rows],
            "ret": targets.ret[rows],
            "ret_forecast": forecast.ret[rows],
            "lv": targets.lv[rows],
            "lv_forecast": forecast.lv[rows],
            "lv_har": forecast.lv_har[rows],
            "lv_seasonal_har": forecast.lv_lhar[rows],
            "lv_persistence": targets.lv_now[rows],
            "variance_forecast": forecast.var[rows],
            "forecast_price": price(forecast.ret),
            "lower_price": price(forecast.lower),
            "upper_price": price(forecast.upper),
            "lower_price_baseline": price(forecast.base_lower),
            "upper_price_baseline": price(forecast.base_upper),
        }
    )


def forecasts(raw: bytes, source: str) -> pd.DataFrame:
    """A run's predictions.parquet, by the forecast hour.

    Raises:
        InputError: `raw` isn't such a file; names `source`.
    """
    rows = decode(raw, source)
    numbers = ("close", "up", "p_up", "ret", "ret_forecast", "lv", "lv_forecast", "variance_forecast")
    for name in (*numbers, "lower_price", "upper_price"):
        if name not in rows or rows[name].dtype.kind not in "fiu":
            raise InputError(f"{source} is not of this program: it has no numbers {name}")
    if "hour" not in rows or rows["hour"].dtype.kind != "M" or rows["hour"].duplicated().any():
        raise InputError(f"{source} is not of this program: its hours are missing, or there more than once")
    return rows.set_index("hour")


def encode(rows: pd.DataFrame) -> bytes:
    """A Parquet file, compressed with zstd."""
    buffer = _Kept()
    fastparquet.write(
        "predictions.parquet",
        rows,
        compression="ZSTD",
        write_index=False,
        open_with=lambda *_: buffer,
        mkdirs=lambda *_: None,
    )
    return buffer.getvalue()


def read(path: Path, max_bytes: int) -> pd.DataFrame:
    """A Parquet file of bars, its index as columns.

    Raises:
        InputError: it isn't readable, or has more than `max_bytes`.
    """
    try:
        with path.open("rb") as raw:
            file = fastparquet.ParquetFile(raw)
            _check_size(file, path, max_bytes)
            frame = _frame(file)
    except InputError:
        raise
    except Exception as error:  # fastparquet raises many kinds for a damaged file
        if "__index_level_" in str(error):
            way = "name it (frame.index.name = 'time' in pandas) and write the file again"
            raise InputError(f"{path.name} has an index without a name, which can't be read: {way}") from error
        if match := re.fullmatch(r"Encoding (\d+)", str(error)):
            raise InputError(
                f"{path.name} has numbers in Parquet's encoding {ENCODINGS.get(match[1], match[1])}, which isn't read: "
                "write the file with plain or dictionary encoding (in DuckDB PARQUET_VERSION V1, in pyarrow without "
                "use_byte_stream_split and column_encoding)"
            ) from error
        raise InputError(f"{path.name} is not a readable Parquet file: {error}") from error
    return frame


def _frame(file: Any) -> pd.DataFrame:
    """The rows, an index among the columns."""
    try:
        frame: pd.DataFrame = file.to_pandas()
    except ValueError:  # of a numbered index that isn't from 0 on
        return pd.DataFrame(file.to_pandas(index=False))
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def _check_size(file: Any, path: Path, max_bytes: int) -> None:
    """Refuse what would unpack to too much; a column of one value takes a few bytes in the file, however many rows."""
    wide = max((len(group.columns) for group in file.row_groups), default=0)
    if wide > header.MAX_COLUMNS:
        raise InputError(f"{path.name} has {wide:,} columns: more than {header.MAX_COLUMNS:,} aren't read")
    unpacked_size = sum(
        column.meta_data.total_uncompressed_size for group in file.row_groups for column in group.columns
    )
    rows = sum(group.num_rows for group in file.row_groups)
    size = max(unpacked_size, rows * wide * NUMBER, path.stat().st_size)
    if size > max_bytes:
        raise files.too_large(path.name, f"{size:,}", max_bytes)
    files.check_ratio(path.name, size, path.stat().st_size)


def decode(raw: bytes, source: str) -> pd.DataFrame:
    """The inverse of `encode`.

    Raises:
        InputError: `raw` isn't Parquet; names `source`.
    """

    def opened(*_: Any) -> io.BytesIO:
        return io.BytesIO(raw)

    try:
        frame: pd.DataFrame = fastparquet.ParquetFile(source, open_with=opened).to_pandas()
    except Exception as error:  # fastparquet raises many kinds for a damaged file
        raise InputError(f"{source} is not a readable Parquet file: {error}") from error
    return frame
