"""Reading a CSV file of bars: which column is which."""

from __future__ import annotations

import contextlib
import difflib
import gzip
import re
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd

from model import texts
from model.errors import InputError

# Texts are read alike whether or not pyarrow is installed, as it is where Dask trains.
pd.set_option("mode.string_storage", "python")

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

CHUNK = 500_000
"""Lines that are read at once."""
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


def read(path: Path, zone: str = "UTC", chunk: int = CHUNK) -> tuple[pd.DataFrame, dict[str, int]]:
    """The file's known columns under our names, times in UTC, all others as float64.

    The frame's index is the line number in the file. Also returns the repairs: a last line
    that was cut in the middle is dropped (``cut_last_line``). The file is read `chunk` lines at
    a time, so that its texts are never all in memory.

    Raises:
        InputError: not a readable CSV file, a missing column, a value that isn't a number or a time.
    """
    first = _first_line(path)
    separator = max(",;\t|", key=first.count)
    fields = [field.strip().strip('"') for field in first.split(separator)]
    headless = all(re.fullmatch(r"[-+0-9.eE:T Z]+", field) for field in fields[:6]) and len(fields) >= 6
    klines = {name: i for i, name in enumerate(KLINES[: len(fields)]) if name in ALIASES}
    where = klines if headless else match(fields)
    titles = {name: name if headless else fields[position] for name, position in where.items()}
    done: list[pd.DataFrame] = []
    waiting: pd.DataFrame | None = None
    try:
        with (
            _open(path) as file,
            # All columns are read, since with a choice pandas cuts lines that are too long without a word.
            pd.read_csv(
                file,
                sep=separator,
                header=None,
                skiprows=0 if headless else 1,
                encoding="utf-8-sig",
                dtype={where["time"]: str},
                skip_blank_lines=False,
                low_memory=False,
                chunksize=chunk,
            ) as chunks,
        ):
            for raw in chunks:
                if waiting is not None:
                    done.append(_values(waiting, titles, zone))
                waiting = _named(raw, where, 1 if headless else 2, len(fields))
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path.name} has a header and no rows") from error
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, OSError) as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise InputError(f"{path.name} can't be read as CSV: {reason}") from error
    repairs = {"cut_last_line": 0}
    if waiting is not None and len(waiting):
        if waiting.iloc[-1][list(REQUIRED)].isna().any() and _ends_within_line(path):
            waiting = waiting.iloc[:-1]
            repairs["cut_last_line"] = 1
        done.append(_values(waiting, titles, zone))
    rows = pd.concat(done) if len(done) > 1 else done[0] if done else None
    if rows is None or rows.empty:
        raise InputError(f"{path.name} has a header and no rows")
    return rows, repairs


def _named(raw: pd.DataFrame, where: dict[str, int], first_row: int, width: int) -> pd.DataFrame:
    """The known columns of a piece of the file under our names, its rows numbered as lines."""
    if raw.shape[1] != width:
        raise InputError(f"line {first_row} has {raw.shape[1]} fields, the header has {width}")
    raw = raw.rename(columns={position: name for name, position in where.items()})[list(where)]
    raw.index = pd.RangeIndex(raw.index.start + first_row, raw.index.stop + first_row)
    return raw.dropna(how="all")


def _values(raw: pd.DataFrame, titles: dict[str, str], zone: str) -> pd.DataFrame:
    """Texts as times and numbers."""
    made = {"time": texts.times(raw["time"], zone)}
    for name in raw.columns:
        if name == "close_time":
            made[name] = _last_close_time(made["time"], raw[name], zone)
        elif name != "time":
            made[name] = texts.numbers(raw[name], name, titles[name])
    return pd.DataFrame(made, index=raw.index)


def _last_close_time(time: pd.Series, values: pd.Series, zone: str) -> pd.Series:
    """The close time of the latest row, NaT for the others.

    Close times only say whether the last bar is whole, so a strange one is no reason to refuse.
    """
    result = pd.Series(pd.NaT, index=values.index, dtype="datetime64[us]")
    if len(time):
        at = int(time.to_numpy().argmax())
        last = values.iloc[[at]].astype(str).str.removesuffix(".0")
        with contextlib.suppress(InputError):
            result.iloc[at] = texts.times(last, zone, "Close time").iloc[0]
    return result
