"""From a file to checked hourly bars."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model import columns, plausible, repair, resample, schema, store
from model.bars import PRICES, Array, Bars
from model.errors import InputError, NoRowsError
from model.harmless import short
from model.parts import files
from model.parts.files import File
from model.reading import AS_IT_IS, Reading
from model.store import sha256_file

INTERVAL = re.compile(
    r"(?:pt?)?\d*[\s_-]*(?:s|sec|seconds?|m|mins?|minutes?|h|hrs?|hours?|hourly|d|days?|daily|w|weeks?|weekly|mon?|months?|"
    r"monthly)|(?:m|h|d|w|mn)\d+|(?:15|30|45|60|90|\d{3,})(?:\.0)?",
    re.IGNORECASE,
)
"""The length of a bar: `1h`, `PT1H`, `H1`, `60`. A lower number may be the hour of a day or of a session."""
MIN_ROWS = 200


@dataclasses.dataclass(frozen=True)
class Data:
    """Checked bars and what is to be said about them."""

    bars: Bars
    sha256: str
    rows: int
    """Rows in the file."""
    repairs: dict[str, int]
    """What was mended, left out or noticed, by name; see `model.repair` and `model.plausible`."""
    zoneless: bool = False
    """Nothing in some file says which zone its times are in, so that they were taken to be in DATA_TIMEZONE."""
    earlier: int = 0
    """Hours before the first of `bars` that aren't held here, but on workers."""

    @property
    def span(self) -> tuple[str, str]:
        """First and last hour, ISO 8601 in UTC."""
        return self.at(0), f"{self.bars.time[-1]}Z"

    @property
    def hours(self) -> int:
        """All hours, those that aren't held here included."""
        return self.earlier + len(self.bars)

    def at(self, hour: int) -> str:
        """When an hour begins, ISO 8601 in UTC; the first of all is 0."""
        return f"{self.bars.time[0] + (hour - self.earlier) * np.timedelta64(3600, 's')}Z"


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a file as `columns.read` gives them, before anything is mended."""

    name: str
    rows: pd.DataFrame
    repairs: dict[str, int]
    sha256: str
    zoneless: bool
    """Its times were taken to be in DATA_TIMEZONE."""

    @property
    def first(self) -> pd.Timestamp:
        """The earliest time of the table."""
        return self.rows["time"].min()

    @property
    def has_volume(self) -> bool:
        """Whether any row has a volume that isn't zero."""
        return bool((self.rows["volume"].fillna(0) != 0).any())


@dataclasses.dataclass(frozen=True)
class Whole:
    """What must be known of all files to mend some of them."""

    has_volume: bool
    """Some file has volumes; else the number of price changes is taken."""


def load(path: Path, how: Reading = AS_IT_IS, now: dt.datetime | None = None) -> Data:
    """Read, mend and check a file of hourly bars.

    Args:
        path: a CSV file, packed with gzip or zip or not, or a Parquet file, with columns under usual names.
        how: what the file itself can't show.
        now: decides whether the last hour is over; the present by default.

    Raises:
        InputError: with line and reason, when a repair wouldn't be safe.
    """
    return checked([read(path, how)], how, now)


def load_uri(uri: str, how: Reading = AS_IT_IS, now: dt.datetime | None = None) -> Data:
    """`load` of a file, or of the Parquet files of a folder or prefix as of one; a path or S3 URI.

    Raises:
        InputError: as `load`, or there is no such file.
    """
    return checked(tables(uri, how), how, now)


def tables(uri: str, how: Reading) -> list[Table]:
    """The files of the data, read; see `load_uri`. Of a folder those without rows are left out: Spark writes some."""
    tables, empty = [], None
    for file in files.of(uri):
        try:
            tables.append(fetch(file, how))
        except NoRowsError as error:
            empty = error
    if empty and not tables:
        raise empty
    return tables


def fetch(file: File, how: Reading) -> Table:
    """Read a file of the data, wherever it is.

    Raises:
        InputError: as `read`, or there is no such file; names it where it is one of a folder.
    """
    with named(file.name if file.folder else ""), store.fetched(file.uri, how.max_bytes) as path:
        return read(path, how, file.name if file.folder else "")


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Name a file, if that is given, in what it is refused for."""
    try:
        yield
    except InputError as error:
        if not name:
            raise
        if isinstance(error, NoRowsError):
            raise NoRowsError(f"{name}: it has no rows: remove the file") from error
        raise InputError(f"{name}: {error}") from error


def read(path: Path, how: Reading, name: str = "") -> Table:
    """Read a file; `name` is what it is called in messages.

    Raises:
        InputError: a value isn't a number or a time, or it isn't such a file.
    """
    rows, repairs, zoneless = columns.read(path, how)
    return Table(name or path.name, rows, repairs, sha256_file(path), zoneless)


def checked(
    tables: Sequence[Table],
    how: Reading = AS_IT_IS,
    now: dt.datetime | None = None,
    of: Whole | None = None,
) -> Data:
    """Mend and check the rows of files as of one; their checksum is the file's, of several that of their checksums.

    Args:
        tables: in any order.
        how: what the files can't show.
        now: decides whether the last hour is over; the present by default.
        of: the whole that these files are a part of. Of a part that many hours are missing or odd isn't refused, and
            it may have no hour at all: that is for whoever has all parts to judge.

    Raises:
        InputError: with line (of several files also with the file) and reason, when a repair wouldn't be safe.
    """
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(tzinfo=None)
    tables = sorted(tables, key=lambda table: table.first)
    check = functools.partial(_checked, tables, how=how, moment=moment, of=of)
    try:
        return check(tables[0].rows if len(tables) == 1 else pd.concat([t.rows for t in tables], ignore_index=True))
    except InputError:
        if len(tables) == 1:
            raise
        # Once more for the message: names of lines are texts, too large for what is mostly right.
        return check(pd.concat([t.rows.set_axis([f"{n} of {t.name}" for n in t.rows.index]) for t in tables]))


def _checked(
    tables: Sequence[Table], rows: pd.DataFrame, *, how: Reading, moment: dt.datetime, of: Whole | None
) -> Data:
    is_part, has_volume = of is not None, of.has_volume if of else any(table.has_volume for table in tables)
    repairs = {name: sum(table.repairs[name] for table in tables) for name in tables[0].repairs}
    read_rows = len(rows)
    # A copy, since workers may take the same tables once more.
    rows = _one_series(_volumes(rows.copy(deep=False), repairs, has_volume, is_part))
    apart = resample.step(rows)
    if apart < repair.HOUR and len(rows) > 2:
        rows = _hours(rows, apart, how, moment, repairs, is_part)
    repair.hours(rows, is_part)
    rows = repair.order(rows, repairs)
    repair.coarser(rows)
    rows = repair.unfinished(rows, moment, repairs)
    if len(rows) < MIN_ROWS and not is_part:
        raise InputError(f"{tables[0].name} has {len(rows)} usable rows: at least {MIN_ROWS} hours are needed")
    rows = repair.prices(rows, repairs, is_part)
    plausible.check(rows, repairs, is_part)
    schema.check(rows)
    bars, zoneless = repair.to_bars(rows, repairs, is_part), any(table.zoneless for table in tables)
    return Data(bars, checksum([table.sha256 for table in tables]), read_rows, repairs, zoneless)


def checksum(parts: Sequence[str]) -> str:
    """The checksum of a file, or that of several files' checksums."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _volumes(rows: pd.DataFrame, repairs: dict[str, int], has_volume: bool, is_part: bool) -> pd.DataFrame:
    """The volume, or the number of price changes where a broker gives no volume; counts ``tick_volume``."""
    if "tick_volume" in rows:
        if not has_volume:
            rows["volume"] = rows["tick_volume"]
            repairs["tick_volume"] = len(rows)
        rows = rows.drop(columns="tick_volume")
    missing = rows["volume"].isna()
    if missing.any() and missing.mean() > repair.MAX_MISSING and not is_part:
        raise InputError(f"line {rows.index[missing][0]}: most rows lack a volume")
    return rows


def _one_series(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the columns of symbol and interval, which must not say that there are several series."""
    for name, what in (("symbol", "prices"), ("interval", "bars")):
        if name not in rows:
            continue
        values = rows[name].astype(str).str.strip()
        is_name = (
            values.str.fullmatch(INTERVAL).to_numpy(bool) if name == "interval" else np.ones(len(values), np.bool_)
        )
        values, bars = values[is_name], rows[is_name]
        if values.nunique() > 1 and (bars["time"].duplicated().any() or _breaks(bars, values)):
            first = values.iloc[0]
            line = values.index[(values != first).to_numpy()][0]
            raise InputError(
                f"line {line}: {what} of {short(values[line])!r} after those of {short(first)!r} "
                f"({values.nunique()} such names): give a file of one of them"
            )
        rows = rows.drop(columns=name)
    return rows


def _breaks(rows: pd.DataFrame, values: pd.Series) -> bool:
    """Whether prices jump where `values` change; at a mere change of name they go on, as far as they usually move."""
    order = rows["time"].argsort(kind="stable")
    rows, names = rows.iloc[order], values.iloc[order].to_numpy()
    o, c = rows["open"].to_numpy(), rows["close"].to_numpy()
    hours = np.diff(rows["time"].to_numpy()) / repair.HOUR.to_timedelta64()
    with np.errstate(all="ignore"):
        usual = float(np.nanmedian(np.log(rows["high"].to_numpy() / rows["low"].to_numpy())))
        jump = np.fmax(plausible.JUMP, plausible.WIDE * usual)
        far = np.abs(np.log(o[1:] / c[:-1])) > jump * np.sqrt(np.maximum(hours, 1))
    return bool((far & (names[1:] != names[:-1])).any())


def _hours(
    rows: pd.DataFrame, apart: pd.Timedelta, how: Reading, moment: dt.datetime, repairs: dict[str, int], is_part: bool
) -> pd.DataFrame:
    """Hours from finer bars, if that is wanted."""
    if not how.resample:
        minutes = apart.total_seconds() / 60
        raise InputError(
            f"line {rows.index[1]}: bars are {minutes:g} minute{'s' if minutes != 1 else ''} apart, and hourly bars "
            "are needed: resample to hours with --resample (RESAMPLE=true)"
        )
    rows = repair.order(rows, repairs, apart)
    last = rows.iloc[-1]
    if "close_time" in rows and pd.notna(last["close_time"]) and last["close_time"] - last["time"] < apart * 0.95:
        rows = rows.iloc[:-1]
    rows = rows[(rows["time"] <= moment).to_numpy() | (rows["time"] > moment + repair.HOUR).to_numpy()]
    rows = repair.prices(rows.drop(columns="close_time", errors="ignore"), repairs, is_part)
    plausible.finer(rows, apart.to_timedelta64(), is_part)
    return resample.to_hours(rows, apart, repairs)


def joined(earlier: Data, later: Data) -> Data:
    """Earlier bars before later ones. Where both have an hour, their closes must agree, and the later one's is kept.

    Raises:
        InputError: their closes differ in an hour that both have.
    """
    a, b = earlier.bars, later.bars
    hour = np.timedelta64(3600, "s")
    first = min(a.time[0], b.time[0])
    time = first + np.arange(int((max(a.time[-1], b.time[-1]) - first) // hour) + 1) * hour

    def placed(bars: Bars, values: Array) -> Array:
        whole = np.full(len(time), np.nan)
        at = int((bars.time[0] - first) // hour)
        whole[at : at + len(bars)] = values
        return whole

    closes_a, closes_b = placed(a, a.close), placed(b, b.close)
    apart = np.abs(closes_a / closes_b - 1) > plausible.SAME
    if apart.any():
        at = int(np.flatnonzero(apart)[0])
        raise InputError(
            f"the earlier and the later bars have different closes at {time[at]}Z, {closes_a[at]:g} and "
            f"{closes_b[at]:g}: they are of different series"
        )

    def both(from_a: Array, from_b: Array) -> Array:
        return np.where(np.isnan(closes_b), placed(a, from_a), placed(b, from_b))

    o, h, low, c, v = (both(getattr(a, name), getattr(b, name)) for name in (*PRICES, "volume"))
    flow = {name: both(a.flow[name], b.flow[name]) for name in b.flow if a.flow}
    bars, zoneless = Bars(time, o, h, low, c, v, flow), earlier.zoneless or later.zoneless
    return Data(bars, later.sha256, earlier.rows + later.rows, later.repairs, zoneless)
