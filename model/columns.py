"""Reading a file of bars: its known columns as times and numbers."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from model import dates, files, header, numerals, parquet
from model.bars import PRICES
from model.errors import InputError, NoRowsError
from model.harmless import short
from model.header import Layout
from model.numerals import Style
from model.reading import AS_IT_IS, Reading

# Texts are read alike whether or not pyarrow is installed, as it is where Dask trains.
pd.set_option("mode.string_storage", "python")

CHUNK = 500_000
"""Lines that are read at once."""
TAIL = 2**16
"""Bytes at the end of a file in which lines are compared with the last one."""
LINES_BEFORE, MIN_BEFORE = 1000, 100
"""So many lines at most, and at least."""
NUMBERS = (*PRICES, "volume", "trades", "taker_base", "tick_volume")
MARKS = " \ufeff#/%"
"""What may stand before the first column's name."""
TEXTS = ("symbol", "interval", "zone")
UTC = re.compile(r"(?:etc/)?(?:utc|gmt|z|zulu|universal)?\s*(?:[-+]?0{1,2}(?::?00)?(?:\.0+)?)?", re.IGNORECASE)
"""What a column of zones says where times are in UTC."""


class Cut(enum.Enum):
    """Whether a file was cut within its last line."""

    NOT = 0
    MAYBE = 1
    """The line has no end; it was cut if it lacks a field."""
    SURE = 2


class _NotPlain(Exception):
    """A column holds something else than plain numbers: all texts must be looked at."""


def read(path: Path, how: Reading = AS_IT_IS, chunk: int = CHUNK) -> tuple[pd.DataFrame, dict[str, int], bool]:
    """The file's known columns under our names, times in UTC, all others as float64.

    The frame's index is the line number in the file (in Parquet: the row's). Also returns the repairs: a last line that
    was cut in the middle is dropped (``cut_last_line``), as are further header lines (``repeated_header``). The file is
    read `chunk` lines at a time, so that its texts are never all in memory. Last, whether times were taken to be in the
    zone of `how`, since nothing in the file says theirs.

    Raises:
        InputError: not a readable file, a missing column, a value that isn't a number or a time.
    """
    if files.is_parquet(path):
        return _either(_Reader(*_table(path, how), how, path.name))
    lines, encoding = files.head_lines(path, how.max_bytes)
    layout = header.find(lines)

    def chunks(texts: bool) -> Iterator[pd.DataFrame]:
        return _chunks(path, layout, encoding, how, chunk, texts)

    cut = Cut.NOT
    if encoding == "utf-8-sig" and _ends_within_line(path):
        cut = Cut.SURE if _ends_within_number(path, layout.separator) else Cut.MAYBE
    return _either(_Reader(layout, chunks, how, path.name, cut))


def _either(reader: _Reader) -> tuple[pd.DataFrame, dict[str, int], bool]:
    """The rows as plain numbers, or else in the style in which all of them are written."""
    try:
        plain = reader.rows()
    except _NotPlain:
        return reader.rows(reader.style())
    rows = plain[0]
    if numerals.may_mark_thousands([rows[name] for name in NUMBERS if name in rows]):
        reader.style().refuse_thousands()
    return plain


def _ends_within_line(path: Path) -> bool:
    """True when the last line has no end: the file was cut, or written without one."""
    if files.is_packed(path):
        return False
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) not in (b"\n", b"\r")


def _ends_within_number(path: Path, separator: str) -> bool:
    """Whether the last number of a file that ends within a line has lost decimals, as those of the lines before show.

    Where all of these have as many, one less is enough; else two less than any has, since a zero at the end may be left
    away, and a last bar that is whole must stay. A `0` isn't judged: it is how an hour without a trade may be written.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()[1:]
    *before, last = (line.rpartition(separator)[2].strip() for line in lines[-LINES_BEFORE:] or [""])
    if len(before) < MIN_BEFORE or not re.fullmatch(r"\d+[.,]?\d*", last) or last == "0":
        return False
    decimals = {len(number[2]) if (number := re.fullmatch(r"(\d+)[.,](\d+)", text)) else 0 for text in before}
    return len(re.split("[.,]", last + ".")[1]) <= min(decimals) - (1 if len(decimals) == 1 else 2)


def _chunks(path: Path, layout: Layout, encoding: str, how: Reading, chunk: int, texts: bool) -> Iterator[pd.DataFrame]:
    """The file's rows, all columns under their numbers, `chunk` lines at a time.

    Args:
        path: the file.
        layout: where the rows begin.
        encoding: of the text.
        how: limits.
        chunk: lines.
        texts: read every known column as texts.
    """
    as_text = {*layout.times, *([layout.clock] if layout.clock is not None else [])}
    as_text |= {column for name, column in layout.positions.items() if texts or name in TEXTS}
    try:
        with (
            files.opened(path, how.max_bytes) as file,
            # All columns are read, since with a choice pandas cuts lines that are too long without a word.
            pd.read_csv(
                file,
                sep=layout.separator,
                header=None,
                skiprows=layout.skip,
                encoding=encoding,
                dtype=dict.fromkeys(as_text, str),
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                chunksize=chunk,
            ) as chunks,
        ):
            yield from chunks
    except pd.errors.EmptyDataError as error:
        raise NoRowsError(f"{path.name} has a header and no rows") from error
    except (pd.errors.ParserError, UnicodeError, EOFError, OSError) as error:
        raise InputError(f"{path.name} can't be read as CSV: {_why(str(error))}") from error


def _why(error: str) -> str:
    """What pandas says of a file, in our words and with the file's line."""
    mend = "mend or remove the line"
    if fields := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error):
        return f"line {fields[2]} has {fields[3]} fields, and {fields[1]} are expected: {mend}"
    if quote := re.search(r"EOF inside string starting at row (\d+)", error):
        return f"line {int(quote[1]) + 1}: a quoted text has no end: {mend}"
    return re.sub(r"^Error tokenizing data\. C error: ", "", error).strip()


def _table(path: Path, how: Reading) -> tuple[Layout, Callable[[bool], Iterator[pd.DataFrame]]]:
    """Layout and rows of a Parquet file."""
    frame = parquet.read(path, how.max_bytes)
    names = [str(name) for name in frame.columns]
    frame.columns = pd.RangeIndex(len(names))
    frame.index = pd.RangeIndex(len(frame))
    for column in frame.columns:
        if frame[column].dtype.kind in "Mm" or isinstance(frame[column].dtype, pd.DatetimeTZDtype):
            frame[column] = _as_text(frame[column])
    rows = frame.head(header.SAMPLE).astype(object)
    rows = rows.where(rows.notna(), "")
    texts = [_decoded(rows[column]) for column in rows]
    empty = pd.Series("", rows.index)
    sample = pd.concat([empty if column is None else column for column in texts], axis=1)
    layout = header.of_table(names, sample.to_numpy().tolist())
    times = (*layout.times, *([layout.clock] if layout.clock is not None else []))
    for column in (*times, *layout.positions.values()):
        if column in times and frame[column].dtype.kind in "iu":
            frame[column] = frame[column].astype(str)
        if frame[column].dtype.kind == "O" and _decoded(frame[column]) is None:
            raise InputError(
                f"column {names[column]}: its values are bytes that are no text (as of float16, which can't be read): "
                "write numbers as float64"
            )
    return layout, lambda _texts: iter([frame])


def _decoded(values: pd.Series) -> pd.Series | None:
    """The values as texts; None if there are bytes that are none, such as UUIDs and hashes."""
    try:
        return values.astype(str)
    except UnicodeDecodeError:
        return None


def _as_text(times: pd.Series) -> pd.Series:
    """A column of times as texts, with Z where it is in UTC; of dates or times of day alone without the rest."""
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        return times.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    if times.dtype.kind == "m":
        return (pd.Timestamp(0) + times).dt.strftime("%H:%M:%S")
    dates_alone = bool((times.dropna() == times.dropna().dt.normalize()).all())
    return times.dt.strftime("%Y-%m-%d" if dates_alone else "%Y-%m-%d %H:%M:%S")


class _Reader:
    """Goes through the pieces of a file."""

    def __init__(
        self,
        layout: Layout,
        chunks: Callable[[bool], Iterator[pd.DataFrame]],
        how: Reading,
        name: str,
        cut: Cut = Cut.NOT,
    ) -> None:
        self.layout, self.chunks, self.how, self.name = layout, chunks, how, name
        self.cut = cut
        self.repairs: dict[str, int] = {}

    def rows(self, style: Style | None = None) -> tuple[pd.DataFrame, dict[str, int], bool]:
        """What `read` returns; `style` says how numbers are written, if not plainly.

        Raises:
            InputError: a value isn't a number or a time.
            _NotPlain: there is no `style`, and a column has other than plain numbers.
        """
        layout = self.layout
        times = [dates.Times(layout.title(column), self.how, layout.says_utc(column)) for column in layout.times]
        pieces: list[pd.DataFrame] = []
        for piece in self._named(texts=style is not None):
            for i, column in enumerate(times):
                column.add(piece[f"time{i}"])
            pieces.append(self._values(piece, style))
        if not pieces or not sum(len(piece) for piece in pieces):
            raise NoRowsError(f"{self.name} has a header and no rows")
        rows = pd.concat(pieces) if len(pieces) > 1 else pieces[0]
        if "zone" in rows:
            self._zones(rows.pop("zone"), times)
        rows.insert(0, "time", _agreed(times))
        if "close_time" in rows:
            how = dataclasses.replace(self.how, zone="UTC") if any(column.all_utc for column in times) else self.how
            rows["close_time"] = _last_close_time(rows, how)
        return rows, self.repairs, not any(column.in_utc for column in times)

    def _zones(self, zones: pd.Series, times: list[dates.Times]) -> None:
        """Take UTC from a column of zones; refuse one that says more, unless the times or DATA_TIMEZONE say theirs."""
        if any(column.in_utc for column in times):
            return
        texts = zones.dropna().astype(str).str.strip()
        not_utc = texts[[UTC.fullmatch(text) is None for text in texts]]
        if len(texts) == len(zones) and not len(not_utc):
            for column in times:
                column.all_utc = True
        elif len(not_utc) and self.how.zone == "UTC":
            line, title = not_utc.index[0], self.layout.titles["zone"]
            raise InputError(
                f"line {line}, column {title}: {short(not_utc.iloc[0])!r} says how far the times are from UTC, in a "
                "column of its own: write it behind each time, or set DATA_TIMEZONE"
            )

    def style(self) -> Style:
        """How the numbers of the file are written, from all of them."""
        style = Style()
        for piece in self._named(texts=True):
            for name in NUMBERS:
                if name in piece:
                    style.see(piece[name], name, self.layout.titles[name])
        return style

    def _named(self, texts: bool) -> Iterator[pd.DataFrame]:
        """Pieces with the known columns under our names, times as ``time0`` and so on, without a cut last line."""
        self.repairs = {"cut_last_line": 0, "repeated_header": 0}
        waiting: pd.DataFrame | None = None
        for raw in self.chunks(texts):
            if waiting is not None and len(waiting):
                yield waiting
            waiting = self._cleaned(raw)
        if waiting is None or waiting.empty:
            return
        last = waiting.iloc[-1]
        lacks = last[["time0", *PRICES, "volume"]].isna().any()
        if self.cut is Cut.SURE or (lacks and self.cut is Cut.MAYBE):
            waiting = waiting.iloc[:-1]
            self.repairs["cut_last_line"] = 1
        if len(waiting):
            yield waiting

    def _cleaned(self, raw: pd.DataFrame) -> pd.DataFrame:
        layout, first_row = self.layout, self.layout.skip + 1
        positions = (*layout.times, *layout.positions.values(), *([layout.clock] if layout.clock is not None else []))
        if raw.shape[1] > layout.width and raw.iloc[:, layout.width :].notna().any(axis=None):
            raise InputError(f"line {first_row} has {raw.shape[1]} fields, the header has {layout.width}")
        if raw.shape[1] <= max(positions):
            raise InputError(f"line {first_row} has {raw.shape[1]} fields, the header has {layout.width}")
        raw.index = pd.RangeIndex(raw.index.start + first_row, raw.index.stop + first_row)
        time = raw[layout.times[0]]
        if layout.clock is not None:
            time = time.str.strip() + " " + raw[layout.clock].str.strip()
        columns: dict[str, pd.Series] = {"time0": time}
        columns |= {f"time{i}": raw[column] for i, column in enumerate(layout.times) if i}
        columns |= {name: raw[column] for name, column in layout.positions.items()}
        table = pd.DataFrame(columns).dropna(how="all")
        priceless = table[list(PRICES)].isna().all(axis=1)
        if priceless.any():
            table = table[~(priceless & table["time0"].str.startswith("#", na=False))]
        if layout.header and table["open"].dtype.kind not in "iuf":
            again = table["open"].astype(str).str.strip().str.lower() == layout.titles["open"].lower()
            for line in table.index[again]:
                self._same_header(table.loc[line], line)
            self.repairs["repeated_header"] += int(again.sum())
            table = table[~again]
        return table

    def _same_header(self, row: pd.Series, line: object) -> None:
        """Refuse a further header line that names another column where the first one named ours."""
        times = {f"time{i}": column for i, column in enumerate(self.layout.times) if self.layout.clock is None}
        for name, column in (times | self.layout.positions).items():
            title, again = self.layout.header[column], "" if pd.isna(row[name]) else str(row[name]).strip(MARKS)
            if again.lower() != title.strip(MARKS).lower() and again.lower() not in ("", "unnamed: 0", "index", "id"):
                raise InputError(
                    f"line {line}: a second header has {short(again)!r} where the first has {title!r}, so the rows "
                    "below it have other columns: give them in a file of their own"
                )

    def _values(self, piece: pd.DataFrame, style: Style | None) -> pd.DataFrame:
        """Texts as numbers."""
        numbers: dict[str, Any] = {}
        for name in piece.columns:
            if name in NUMBERS:
                title = self.layout.titles[name]
                number = style.numbers(piece[name], name, title) if style else numerals.plain(piece[name])
                if number is None:
                    raise _NotPlain
                numbers[name] = number
            elif name in ("close_time", *TEXTS):
                numbers[name] = piece[name]
        return pd.DataFrame(numbers, index=piece.index)


def _agreed(columns: list[dates.Times]) -> pd.Series:
    """The times that one or several columns hold.

    Raises:
        InputError: columns disagree; names the first line where they do.
    """
    leading = next((column for column in columns if column.certain), columns[0])
    time = leading.finish()
    for other in columns:
        if other is leading:
            continue
        also = other.finish(like=time)
        apart = ((also - time).abs() >= pd.Timedelta(minutes=1)).to_numpy()
        if apart.any():
            line = time.index[apart][0]
            raise InputError(
                f"line {line}: the columns {leading.title!r} and {other.title!r} both mean time, and here one says "
                f"{time[line]} and the other {also[line]}; keep one"
            )
    return time


def _last_close_time(rows: pd.DataFrame, how: Reading) -> pd.Series:
    """The close time of the latest row, NaT for the others.

    Close times only say whether the last bar is whole, so a strange one is no reason to refuse.
    """
    result = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    at = int(rows["time"].to_numpy().argmax())
    last = rows["close_time"].iloc[[at]].astype(str).str.removesuffix(".0")
    with contextlib.suppress(InputError):
        result.iloc[at] = dates.read(last, "Close time", how).iloc[0]
    return result
