"""Times out of texts, the order of day and month decided for a file as a whole.

A column is given piece by piece to `Times`; what can be meant in two ways is kept in both until the end.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.errors import InputError
from model.harmless import short
from model.reading import ORDERS, Reading

Moments = npt.NDArray[np.datetime64]
Mask = npt.NDArray[np.bool_]

USUAL = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
"""Forms of time that are read all at once; the last is in UTC. Whatever isn't in one of them is looked at singly."""
LONGEST = 100
"""Characters; a longer text is no time, and isn't looked at any closer."""
MAX_MISSING = 0.2
"""An order of day and month is believed if no more of the hours between first and last would be missing."""
NOT = np.datetime64("NaT", "us")
NANOSECONDS_OF_2000 = 946_684_800 * 10**9
"""Since 1970. What counts in steps of 100 ns since the year 1 (.NET) or 1601 (Windows) looks like less today."""
MONTHS = {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name}
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DATE = re.compile(
    _WEEKDAY + r"(?:(?P<a>\d{1,4})(?P<sep>[-/.])(?P<b>\d{1,2}|[a-z]{3,9})(?P=sep)(?P<c>\d{4}|\d{1,2})(?![\d])"
    r"|(?P<m1>[a-z]{3,9})\.?\s+(?P<d1>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y1>\d{4})"
    r"|(?P<d2>\d{1,2})(?:st|nd|rd|th)?\.?\s+(?P<m2>[a-z]{3,9})\.?,?\s+(?P<y2>\d{4}|\d{2})(?!\d)"
    r"|(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?=\D|$))",
    re.IGNORECASE,
)
_CLOCK = (
    r"(?P<h>\d{1,2})(?::?(?P<m>\d{2}))?(?::?(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?:\s*-?\s*(?P<half>[ap])\.?\s?m\.?)?"
)
_REST = re.compile(
    r"(?:(?:\s*[T,_:-]?\s*)" + _CLOCK + r")?"
    r"\s*(?P<zone>z|(?:utc|gmt)?\s*(?P<sign>[-+])(?P<zh>\d{1,2})(?::?(?P<zm>\d{2}))?(?:\s+[a-z]{3,4})?|utc|gmt)?"
    r"(?:\[[\w/+-]+\]|\s*\([^)]*\))?$",
    re.IGNORECASE,
)
CLOCK_ONLY = re.compile(_CLOCK.replace(r"(?::?(?P<m>\d{2}))?", r"(?::?(?P<m>\d{2}))", 1) + r"$", re.IGNORECASE)
DIGITS = re.compile(r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?P<h>\d\d)(?P<m>\d\d)?(?P<s>\d\d)?$")
_ZONE_NAME = re.compile(r"[\d\s](?:[AP]M\s+)?((?!AM$|PM$)[A-Z][A-Za-z_]*(?:/[A-Za-z_]+)*(?:[+-]\d{1,2})?)$")


def _day(year: int, month: int, day: int) -> np.datetime64:
    if not (1900 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return NOT
    return np.datetime64(f"{year:04}-{month:02}-{day:02}", "us")


def _year(text: str) -> int:
    return int(text) if len(text) > 2 else 1900 + int(text) if int(text) >= 70 else 2000 + int(text)


def _read_date(match: re.Match[str]) -> dict[str, np.datetime64]:
    """What a date may mean, by order; ``""`` when there is one meaning."""
    g = match.groupdict()
    if g["year"]:
        return {"": _day(int(g["year"]), int(g["month"]), int(g["day"]))}
    for m, d, y in (("m1", "d1", "y1"), ("m2", "d2", "y2")):
        if g[m]:
            return {"": _day(_year(g[y]), _month(g[m]), int(g[d]))}
    a, b, c = g["a"], g["b"], g["c"]
    if not b.isdigit():  # 31-Dec-2023, 2023-Dec-31
        year, day = (a, c) if len(a) == 4 else (c, a)
        return {"": _day(_year(year), _month(b), int(day))}
    if len(a) > 2:
        return {"": _day(int(a), int(b), int(c))} if len(a) == 4 and len(c) <= 2 else {"": NOT}
    found_days = {
        "dmy": _day(_year(c), int(b), int(a)),
        "mdy": _day(_year(c), int(a), int(b)),
    }
    if len(c) <= 2:
        found_days["ymd"] = _day(_year(a), int(b), int(c))
    return found_days


def _month(name: str) -> int:
    """1 to 12 by an English name, short or long; 0 for what is none."""
    short = name[:3].lower()
    long = calendar.month_name[MONTHS.get(short, 0)].lower()
    return MONTHS.get(short, 0) if long.startswith(name.lower()) or name.lower() == "sept" else 0


def _micros(g: dict[str, str | None]) -> int | None:
    """A clock's time since midnight in µs; None for an impossible one."""
    if g["h"] is None:
        return 0
    h, m, s = int(g["h"]), int(g["m"] or 0), int(g["s"] or 0)
    if half := g.get("half"):
        if not 1 <= h <= 12:
            return None
        h = h % 12 + (12 if half in "pP" else 0)
    if h > 23 or m > 59 or s > 59:
        return None
    return ((h * 60 + m) * 60 + s) * 1_000_000 + int((g.get("f") or "0").ljust(6, "0")[:6])


def _read_rest(text: str) -> tuple[int, int | None] | None:
    """What follows a date: µs since midnight and the offset from UTC in µs (None: none named); None if it is none."""
    match = _REST.match(text) if len(text) <= LONGEST else None
    if not match:
        return None
    clock = _micros(match.groupdict())
    if clock is None:
        return None
    if not match["zone"]:
        return clock, None
    if not match["sign"]:
        return clock, 0
    hours, minutes = int(match["zh"]), int(match["zm"] or 0)
    if hours > 15 or minutes > 59:
        return None
    return clock, (-1 if match["sign"] == "-" else 1) * (hours * 60 + minutes) * 60_000_000


class _Piece:
    """The times of some rows: those that are sure, and the meanings of those that aren't."""

    def __init__(self, index: pd.Index) -> None:
        self.index = index
        n = len(index)
        self.at: Moments = np.full(n, NOT)
        self.utc: Mask = np.zeros(n, dtype=np.bool_)
        """Already in UTC."""
        self.open: Mask = np.zeros(n, dtype=np.bool_)
        """Not decided: it is one of `meanings`."""
        self.meanings: dict[str, Moments] = {}


class Times:
    """The times of a column, given piece by piece."""

    def __init__(self, title: str, how: Reading, all_utc: bool = False) -> None:
        self.title, self.how = title, how
        self.all_utc = all_utc
        """Something else than the times themselves says that they are in UTC, whatever DATA_TIMEZONE says."""
        self.pieces: list[_Piece] = []
        self.misfits: dict[str, tuple[object, str]] = {}
        """An order to the first line and text that can't be meant so."""
        self.example: tuple[object, str] | None = None
        self._days: dict[str, dict[str, np.datetime64]] = {}
        self._rests: dict[str, tuple[int, int | None] | None] = {}

    def add(self, values: pd.Series) -> None:
        """Take the next texts.

        Raises:
            InputError: one that is no time; names its line.
        """
        piece = _Piece(values.index)
        unread = _usual(values, piece)
        if len(unread):
            text = values.iloc[unread].fillna("").astype(str).str.strip()
            unread, text = self._numbers(unread, text, piece)
            self._singly(unread, text, piece)
        bad = np.isnat(piece.at) & ~piece.open
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise self._refusal(values.index[at], values.iloc[at])
        self.pieces.append(piece)

    def _refusal(self, line: object, value: object) -> InputError:
        text = str(value).strip()[:LONGEST]
        place = f"line {line}, column {self.title}: {short(value)!r}"
        if pd.isna(value):
            return InputError(f"line {line}, column {self.title}: there is no time")
        if "Etc/" in text:
            return InputError(f"{place}: Etc/GMT+1 is an hour behind UTC, unlike GMT+1; write the offset, as in -01:00")
        if _DATE.match(text) and (match := _ZONE_NAME.search(text)):
            return InputError(
                f"{place} names the zone {match[1]}, which may mean more than one offset: write the offset, as in "
                "+01:00, or leave the zone out and set DATA_TIMEZONE"
            )
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            return InputError(f"{place} looks like one of Excel's day numbers: format the column as a date, then save")
        return InputError(f"{place} is not a time")

    def _numbers(
        self, rows: npt.NDArray[np.int64], text: pd.Series, piece: _Piece
    ) -> tuple[npt.NDArray[np.int64], pd.Series]:
        """Take epochs (s, ms, µs, ns since 1970) and yyyymmddhh; what isn't one of them is left."""
        number = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
        epoch = np.isfinite(number) & (number > 1e8) & (number < 9e18)
        if not epoch.any():
            return rows, text
        at, size = rows[epoch], number[epoch]
        ticks = (size >= 1e17) & (size < NANOSECONDS_OF_2000)
        if ticks.any():
            line, value = piece.index[at[ticks][0]], text.to_numpy()[epoch][ticks][0]
            raise InputError(
                f"line {line}, column {self.title}: {value!r} counts 100 nanoseconds, as .NET and Windows do, or is a "
                "time before 2000 in nanoseconds: write times as 2023-01-31 00:00"
            )
        micro = np.where(size < 1e11, size * 1e6, np.where(size < 1e14, size * 1e3, size))
        micro = np.where(size >= 1e17, np.rint(size / 1e6) * 1e3, micro)
        moment = micro.astype(np.int64).astype("datetime64[us]")
        digits = text.to_numpy()[epoch]
        compact = [_compact(t) if len(t) in (10, 12, 14) and t[0] in "12" else None for t in digits]
        if any(c is not None for c in compact):
            self._open(piece, at, {"digits": _array(compact), "epoch": moment}, digits)
        else:
            piece.at[at] = moment
            self._misfit("digits", piece.index[at[0]], digits[0])
        piece.utc[at] = True
        return rows[~epoch], text[~epoch]

    def _singly(self, rows: npt.NDArray[np.int64], text: pd.Series, piece: _Piece) -> None:
        sure: list[tuple[int, np.datetime64]] = []
        several: list[tuple[int, str, dict[str, np.datetime64]]] = []
        for row, value in zip(rows.tolist(), text.tolist(), strict=True):
            match = _DATE.match(value) if len(value) <= LONGEST else None
            if not match:
                continue
            date, clock_text = value[: match.end()], value[match.end() :]
            if clock_text not in self._rests:
                self._rests[clock_text] = _read_rest(clock_text)
            clock = self._rests[clock_text]
            if clock is None:
                continue
            if date not in self._days:
                self._days[date] = _read_date(match)
            days, (micros, offset) = self._days[date], clock
            piece.utc[row] = offset is not None
            shift = np.timedelta64(micros - (offset or 0), "us")
            if "" in days:
                sure.append((row, days[""] + shift))
            else:
                several.append((row, value, {order: day + shift for order, day in days.items()}))
        if sure:
            piece.at[[row for row, _ in sure]] = _array(moment for _, moment in sure)
        if several:
            at = np.array([row for row, *_ in several], dtype=np.int64)
            meanings = {order: _array(days.get(order) for *_, days in several) for order in ORDERS}
            self._open(piece, at, meanings, np.array([value for _, value, _ in several], dtype=object))

    def _open(
        self, piece: _Piece, at: npt.NDArray[np.int64], meanings: dict[str, Moments], texts: npt.NDArray[np.object_]
    ) -> None:
        """Leave rows undecided; remember which meaning is impossible, and where."""
        if self.example is None:
            self.example = (piece.index[at[0]], str(texts[0]))
        piece.open[at] = True
        none = np.ones(len(at), dtype=np.bool_)
        for order, moments in meanings.items():
            piece.meanings.setdefault(order, np.full(len(piece.at), NOT))[at] = moments
            not_so = np.isnat(moments)
            none &= not_so
            if not_so.any():
                first = int(np.flatnonzero(not_so)[0])
                self._misfit(order, piece.index[at[first]], texts[first])
        piece.open[at[none]] = False

    def _misfit(self, order: str, line: object, text: object) -> None:
        self.misfits.setdefault(order, (line, short(text)))

    @property
    def in_utc(self) -> bool:
        """Every time says how far it is from UTC."""
        return self.all_utc or all(bool(piece.utc.all()) for piece in self.pieces)

    @property
    def certain(self) -> bool:
        """Every time has one meaning."""
        return self.example is None

    def finish(self, like: pd.Series | None = None) -> pd.Series:
        """All times in UTC (no zone attached), by line.

        Args:
            like: the same times as another column has them, which decide where this one doesn't.

        Raises:
            InputError: day and month can't be told apart, or a time doesn't exist in the zone.
        """
        index = self.pieces[0].index
        for piece in self.pieces[1:]:
            index = index.append(piece.index)
        if self.certain:
            return self._whole(index, "")
        families = [("digits", "epoch")] if any("epoch" in p.meanings for p in self.pieces) else []
        orders = [tuple(ORDERS)] if any("dmy" in p.meanings for p in self.pieces) else []
        if families and orders:
            raise InputError(f"column {self.title}: dates and numbers since 1970 are mixed; write all times alike")
        if families:
            return self._whole(index, "epoch" if "digits" in self.misfits else "digits")
        return self._whole(index, self._order(index, like))

    def _order(self, index: pd.Index, like: pd.Series | None) -> str:
        """The order of day, month and year that fits every date of the column."""
        fitting = [o for o in ORDERS if o not in self.misfits and any(o in p.meanings for p in self.pieces)]
        if self.how.order:
            if self.how.order not in fitting:
                line, text = self.misfits.get(self.how.order, self.example)  # type: ignore[misc]  # some example is there
                raise InputError(
                    f"line {line}, column {self.title}: {text!r} is not {ORDERS[self.how.order]}, as DATE_ORDER says"
                )
            return self.how.order
        if not fitting:
            examples = [self.misfits[o] for o in ("dmy", "mdy") if o in self.misfits]
            texts = " and ".join(f"{text!r} (line {line})" for line, text in examples)
            raise InputError(f"column {self.title}: {texts} can't both be of one order of day and month")
        if len(fitting) == 1:
            return fitting[0]
        readings = {}
        for order in fitting:
            try:
                readings[order] = self._whole(index, order)
            except InputError:  # hours that the zone's clock never shows, or shows twice
                if order == fitting[-1] and not readings:
                    raise
        fitting = list(readings)
        if like is not None:
            good = [o for o in fitting if bool(((readings[o] - like).abs() < pd.Timedelta(minutes=1)).all())]
        else:
            good = [o for o in fitting if _missing(readings[o]) <= MAX_MISSING]
        if not good or not all(readings[o].equals(readings[good[0]]) for o in good):
            assert self.example is not None
            line, text = self.example
            raise InputError(
                f"column {self.title}: day and month can't be told apart: {text!r} (line {line}) and all others can be "
                f"read as {' or as '.join(ORDERS[o] for o in fitting)}; write dates as 2023-01-31, or set DATE_ORDER "
                f"(--date-order) to {' or '.join(fitting)}"
            )
        return good[0]

    def _whole(self, index: pd.Index, order: str) -> pd.Series:
        parts = []
        for piece in self.pieces:
            at = piece.at.copy()
            if piece.open.any():
                at[piece.open] = piece.meanings[order][piece.open]
            if self.how.zone != "UTC" and not self.all_utc and not piece.utc.all():
                naive = ~piece.utc
                at[naive] = _to_utc(pd.Series(at[naive]), self.how.zone, self.title).to_numpy()
            parts.append(at)
        return pd.Series(np.concatenate(parts), index=index)


def _usual(values: pd.Series, piece: _Piece) -> npt.NDArray[np.int64]:
    """Take what is in a usual form; the numbers of the rows that aren't."""
    rows = np.arange(len(values))
    for form in USUAL:
        if len(rows) and len(str(values.iloc[rows[0]])) == len("2024-01-01 00:00:00") + form.endswith("Z"):
            quick = pd.to_datetime(values.iloc[rows], format=form, errors="coerce").to_numpy().astype("datetime64[us]")
            good = ~np.isnat(quick)
            piece.at[rows[good]] = quick[good]
            piece.utc[rows[good]] = form.endswith("Z")
            rows = rows[~good]
    return rows


def _compact(text: str) -> np.datetime64 | None:
    """A time of the form yyyymmddhh, with minutes and seconds or without; None for another."""
    match = DIGITS.match(text)
    if not match:
        return None
    clock = _micros(match.groupdict())
    day = _day(int(match["year"]), int(match["month"]), int(match["day"]))
    return None if clock is None or np.isnat(day) else day + np.timedelta64(clock, "us")


def _array(moments: Iterable[np.datetime64 | None]) -> Moments:
    return np.array([NOT if m is None else m for m in moments], dtype="datetime64[us]")


def _missing(times: pd.Series) -> float:
    """The share of the hours between first and last that have no time."""
    hours = np.unique(times.to_numpy().astype("datetime64[h]").astype(np.int64))
    return float(1 - len(hours) / (hours[-1] - hours[0] + 1))


def _to_utc(naive: pd.Series, zone: str, name: str) -> pd.Series:
    """Times of `zone` as times in UTC, no zone attached to either."""
    try:
        return naive.dt.tz_localize(zone).dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    except ValueError as error:
        match = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", str(error))
        raise InputError(
            f"column {name}: {match[0] if match else 'one time'} is shown twice by clocks in {zone}, or never: give "
            "times with their offset, or in UTC"
        ) from error


def read(values: pd.Series, title: str, how: Reading) -> pd.Series:
    """The times of a whole column in UTC.

    Raises:
        InputError: as `Times`.
    """
    times = Times(title, how)
    times.add(values)
    return times.finish()


def looks(text: str) -> str:
    """``time``, ``date`` or ``clock`` for what a text looks like; empty for none of them."""
    text = text.strip()
    if len(text) > LONGEST:
        return ""
    if (CLOCK_ONLY.match(text) and not re.fullmatch(r"\d{8,}", text)) or re.fullmatch(
        r"(?i)\d{1,2}\s*[ap]\.?m\.?", text
    ):
        return "clock"
    match = _DATE.match(text)
    if match:
        clock_text = text[match.end() :]
        return "date" if not clock_text.strip() else "time" if _read_rest(clock_text) is not None else ""
    number = re.fullmatch(r"\d{9,19}(\.\d*)?|\d\.\d+[eE]\+?\d+", text)
    return "time" if number else ""
