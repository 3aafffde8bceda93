"""From a file to checked hourly bars."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model import columns, plausible, repair, resample, schema
from model.bars import PRICES, Array, Bars
from model.errors import InputError
from model.harmless import short
from model.reading import AS_IT_IS, Reading
from model.store import sha256_file

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


def load(path: Path, how: Reading = AS_IT_IS, now: dt.datetime | None = None) -> Data:
    """Read, mend and check a file of hourly bars.

    Args:
        path: a CSV file, packed with gzip or zip or not, or a Parquet file, with columns under usual names.
        how: what the file itself can't show.
        now: decides whether the last hour is over; the present by default.

    Raises:
        InputError: with line and reason, when a repair wouldn't be safe.
    """
    return load_files([path], how, now)


def load_files(
    paths: Sequence[Path], how: Reading = AS_IT_IS, now: dt.datetime | None = None, least: int = MIN_ROWS
) -> Data:
    """`load` of files that follow each other, as of one; `least` is how many rows are needed.

    The checksum is the file's, of several that of their checksums.
    """
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(tzinfo=None)
    pieces = [columns.read(path, how) for path in paths]
    rows, done = pieces[0]
    for more, counts in pieces[1:]:
        rows = pd.concat([rows, more])
        done = {name: done[name] + counts[name] for name in done}
    read = len(rows)
    rows = _one_symbol(_volumes(rows, done))
    apart = resample.step(rows)
    if apart < repair.HOUR and len(rows) > 2:
        rows = _hours(rows, apart, how, moment, done)
    repair.hours(rows)
    rows = repair.order(rows, done)
    rows = repair.unfinished(rows, moment, done)
    if len(rows) < least:
        raise InputError(f"{paths[0].name} has {len(rows)} usable rows: at least {least} hours are needed")
    rows = repair.prices(rows, done)
    plausible.check(rows, done)
    schema.check(rows)
    return Data(repair.to_bars(rows, done), checksum([sha256_file(path) for path in paths]), read, done)


def checksum(parts: Sequence[str]) -> str:
    """The checksum of a file, or that of several files' checksums."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _volumes(rows: pd.DataFrame, done: dict[str, int]) -> pd.DataFrame:
    """The volume, or the number of price changes where a broker gives no volume; counts ``tick_volume``."""
    if "tick_volume" in rows:
        if not (rows["volume"].fillna(0) != 0).any():
            rows["volume"] = rows["tick_volume"]
            done["tick_volume"] = len(rows)
        rows = rows.drop(columns="tick_volume")
    missing = rows["volume"].isna()
    if missing.any() and missing.mean() > repair.MAX_MISSING:
        raise InputError(f"line {rows.index[missing][0]}: most rows lack a volume")
    return rows


def _one_symbol(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the column of the symbol, which must not say that there are several series."""
    if "symbol" not in rows:
        return rows
    symbols = rows["symbol"].astype(str).str.strip()
    if symbols.nunique() > 1 and rows["time"].duplicated().any():
        first = symbols.iloc[0]
        line = symbols.index[(symbols != first).to_numpy()][0]
        raise InputError(
            f"line {line}: prices of {short(symbols[line])!r} after those of {short(first)!r} "
            f"({symbols.nunique()} such names): give a file of one of them"
        )
    return rows.drop(columns="symbol")


def _hours(
    rows: pd.DataFrame, apart: pd.Timedelta, how: Reading, moment: dt.datetime, done: dict[str, int]
) -> pd.DataFrame:
    """Hours from finer bars, if that is wanted."""
    if not how.resample:
        minutes = apart.total_seconds() / 60
        raise InputError(
            f"line {rows.index[1]}: bars are {minutes:g} minute{'s' if minutes != 1 else ''} apart, and hourly bars "
            "are needed: resample to hours with --resample (RESAMPLE=true)"
        )
    rows = repair.order(rows, done)
    fine = dict(done)
    last = rows.iloc[-1]
    if "close_time" in rows and pd.notna(last["close_time"]) and last["close_time"] - last["time"] < apart * 0.95:
        rows = rows.iloc[:-1]
    rows = rows[(rows["time"] <= moment).to_numpy() | (rows["time"] > moment + repair.HOUR).to_numpy()]
    rows = repair.prices(rows.drop(columns="close_time", errors="ignore"), fine)
    done |= fine
    return resample.to_hours(rows, apart, done)


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

    one, two = placed(a, a.close), placed(b, b.close)
    apart = np.abs(one / two - 1) > plausible.SAME
    if apart.any():
        at = int(np.flatnonzero(apart)[0])
        raise InputError(
            f"the earlier and the later bars have different closes at {time[at]}Z, {one[at]:g} and {two[at]:g}: they "
            "are of different series"
        )

    def both(from_a: Array, from_b: Array) -> Array:
        return np.where(np.isnan(two), placed(a, from_a), placed(b, from_b))

    o, h, low, c, v = (both(getattr(a, name), getattr(b, name)) for name in (*PRICES, "volume"))
    flow = {name: both(a.flow[name], b.flow[name]) for name in b.flow if a.flow}
    return Data(Bars(time, o, h, low, c, v, flow), later.sha256, earlier.rows + later.rows, later.repairs)
