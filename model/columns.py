"""Reading a CSV file of bars: which column is which, and numbers and times out of text."""

from __future__ import annotations

import difflib
import gzip
import re
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pandas as pd

from model.errors import InputError

ALIASES: dict[str, tuple[str, ...]] = {
    "time": (
        "opentime",
        "time",
        "timestamp",
        "datetime",
        "date",
        "unix",
        "opentimestamp",
        "opentimeutc",
        "timeutc",
        "dateutc",
        "datetimeutc",
        "starttime",
        "ts",
    ),
    "open": ("open", "o", "openprice", "priceopen"),
    "high": ("high", "h", "highprice", "pricehigh", "max"),
    "low": ("low", "l", "lowprice", "pricelow", "min"),
    "close": ("close", "c", "closeprice", "priceclose", "last"),
    "volume": ("volume", "v", "vol", "volumebtc", "basevolume", "baseassetvolume", "volumebase"),
    "close_time": ("closetime", "closetimestamp", "endtime"),
    "trades": ("numberoftrades", "trades", "tradecount", "count", "numtrades"),
    "taker_base": (
        "takerbuybaseassetvolume",
        "takerbasevolume",
        "takerbuybasevolume",
        "takerbuybase",
        "takerbuyvolume",
    ),
}
"""Our name to the header names that mean it, in lower case without spaces and punctuation."""

REQUIRED = ("time", "open", "high", "low", "close", "volume")
KLINES = (
    "time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote",
    "trades",
    "taker_base",
    "taker_quote",
    "ignore",
)
"""Column order of exchange archives that come without a header line."""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def match(header: list[str]) -> dict[str, int]:
    """Our column names to positions in the header.

    Raises:
        InputError: a required column isn't there, or two columns mean the same.
    """
    found: dict[str, int] = {}
    for position, name in enumerate(header):
        ours = next((o for o, names in ALIASES.items() if _plain(name) in names), None)
        if ours in found and ours in REQUIRED:
            raise InputError(f"line 1: the columns {header[found[ours]]!r} and {name!r} both mean {ours}; keep one")
        if ours is not None and ours not in found:
            found[ours] = position
    if missing := [name for name in REQUIRED if name not in found]:
        near = difflib.get_close_matches(missing[0], [_plain(h) for h in header], n=1)
        hint = f" (is {near[0]!r} meant?)" if near else ""
        raise InputError(
            f"line 1: no column for {', '.join(missing)}{hint}; the header is {', '.join(header)}. "
            "Wanted: Open time, Open, High, Low, Close, Volume"
        )
    return found


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _first_line(path: Path) -> str:
    try:
        with _open(path) as file:
            line = file.readline(100_000).decode("utf-8-sig").strip()
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise InputError(f"{path.name} isn't a CSV file in UTF-8: {error}") from error
    if "\0" in line:
        raise InputError(f"{path.name} isn't a CSV file: it holds binary data")
    if not line:
        raise InputError(f"{path.name} is empty: no header line")
    return line


def _ends_within_line(path: Path) -> bool:
    """True when the last line has no end: the file was cut, or written without one."""
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return False
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) != b"\n"


def read(path: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """The file's known columns under our names; `time` still as it was written.

    The frame's index is the line number in the file. Also returns the repairs: a last line
    that was cut in the middle is dropped (``cut_last_line``).

    Raises:
        InputError: not a readable CSV file, a missing column, a value that isn't a number.
    """
    first = _first_line(path)
    separator = max(",;\t|", key=first.count)
    fields = [field.strip().strip('"') for field in first.split(separator)]
    headless = all(re.fullmatch(r"[-+0-9.eE:T Z]+", field) for field in fields[:6]) and len(fields) >= 6
    klines = {name: i for i, name in enumerate(KLINES[: len(fields)]) if name in ALIASES}
    where = klines if headless else match(fields)
    try:
        with _open(path) as file:
            # All columns are read, since with a choice pandas cuts lines that are too long without a word.
            raw = pd.read_csv(
                file,
                sep=separator,
                header=None,
                skiprows=0 if headless else 1,
                encoding="utf-8-sig",
                dtype={where["time"]: str},
                skip_blank_lines=False,
                low_memory=False,
            )
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path.name} has a header and no rows") from error
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, OSError) as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise InputError(f"{path.name} can't be read as CSV: {reason}") from error
    first_row = 1 if headless else 2
    if raw.shape[1] != len(fields):
        raise InputError(f"line {first_row} has {raw.shape[1]} fields, the header has {len(fields)}")
    raw = raw.rename(columns={position: name for name, position in where.items()})[list(where)]
    raw.index = pd.RangeIndex(first_row, len(raw) + first_row)
    raw = raw.dropna(how="all")
    repairs = {"cut_last_line": 0}
    if len(raw) and raw.iloc[-1][list(REQUIRED)].isna().any() and _ends_within_line(path):
        raw = raw.iloc[:-1]
        repairs["cut_last_line"] = 1
    if raw.empty:
        raise InputError(f"{path.name} has a header and no rows")
    for name in raw.columns:
        if name not in ("time", "close_time"):
            raw[name] = numbers(raw[name], name, fields[where[name]] if not headless else name)
    return raw, repairs


def numbers(values: pd.Series, name: str, header: str) -> pd.Series:
    """A column as float64.

    Raises:
        InputError: a value isn't a number; names its line.
    """
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    parsed = pd.to_numeric(values, errors="coerce").astype(np.float64)
    bad = parsed.isna() & values.notna()
    if bad.any():
        line = values.index[bad.to_numpy()][0]
        raise InputError(
            f"line {line}, column {header}: {values[line]!r} is not a number "
            f"({int(bad.sum())} such {'value' if bad.sum() == 1 else 'values'} in {name})"
        )
    return parsed


def times(values: pd.Series, zone: str, name: str = "Open time") -> pd.Series:
    """Texts as times in UTC (no zone attached): ISO 8601 with or without an offset, or s, ms or µs since 1970.

    Times without an offset are taken to be in `zone`. Exchange archives went from ms to µs
    within one file, so the unit is decided value by value.

    Raises:
        InputError: a value that is none of these; names its line.
    """
    text = values.astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    epoch = np.isfinite(number) & (np.abs(number) > 1e8)
    result = pd.Series(pd.NaT, index=values.index, dtype="datetime64[us]")
    if epoch.any():
        micro = number[epoch]
        micro = np.where(micro < 1e11, micro * 1e6, np.where(micro < 1e14, micro * 1e3, micro))
        result[epoch] = micro.astype(np.int64).astype("datetime64[us]")
    rest = text[~epoch].str.replace(r"\s*UTC$", "Z", regex=True)
    if len(rest):
        offset = rest.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True)
        with_offset = pd.to_datetime(rest[offset], utc=True, errors="coerce", format="ISO8601")
        naive = pd.to_datetime(rest[~offset], errors="coerce", format="ISO8601")
        if naive.isna().any():
            naive = naive.fillna(pd.to_datetime(rest[~offset], errors="coerce", format="mixed"))
        try:
            local = naive.dt.tz_localize(zone).dt.tz_convert("UTC") if len(naive) else naive
        except ValueError as error:
            raise InputError(
                f"column {name}: {error}: times without an offset can't be told apart when "
                "the clock is set back; give them an offset or use UTC"
            ) from error
        for part in (with_offset, local):
            if len(part):
                result[part.index] = part.dt.tz_localize(None).astype("datetime64[us]")
    if result.isna().any():
        line = result.index[result.isna().to_numpy()][0]
        raise InputError(f"line {line}, column {name}: {values[line]!r} is not a time")
    return result
