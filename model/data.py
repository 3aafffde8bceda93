"""From a CSV file to checked hourly bars."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from model import columns, repair, schema
from model.bars import Bars
from model.errors import InputError
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
    """What was mended or left out, by name; see `model.repair`."""

    @property
    def span(self) -> tuple[str, str]:
        """First and last hour, ISO 8601 in UTC."""
        return f"{self.bars.time[0]}Z", f"{self.bars.time[-1]}Z"


def load(path: Path, zone: str = "UTC", now: dt.datetime | None = None) -> Data:
    """Read, mend and check a file of hourly bars.

    Args:
        path: a CSV file, gzip allowed, in the Kaggle hourly format or another with the same columns.
        zone: time zone of times that name none.
        now: decides whether the last hour is over; the present by default.

    Raises:
        InputError: with line and reason, when a repair wouldn't be safe.
    """
    rows, done = columns.read(path, zone)
    read = len(rows)
    if rows["volume"].isna().any() and rows["volume"].isna().mean() > repair.MAX_MISSING:
        raise InputError(f"line {rows.index[rows['volume'].isna()][0]}: most rows lack a volume")
    repair.hours(rows)
    rows = repair.order(rows, done)
    rows = repair.unfinished(rows, (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(tzinfo=None), done)
    if len(rows) < MIN_ROWS:
        raise InputError(f"{path.name} has {len(rows)} usable rows: at least {MIN_ROWS} hours are needed")
    rows = repair.prices(rows, done)
    schema.check(rows)
    return Data(repair.to_bars(rows, done), sha256_file(path), read, done)
