"""Where the rows of a CSV file begin, and which column is which: from its header line, or from the rows' own shape."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import re
from collections.abc import Sequence

import numpy as np

from model import dates
from model.bars import PRICES
from model.errors import InputError

ALIASES: dict[str, tuple[str, ...]] = {
    "time": (
        "opentime", "time", "timestamp", "datetime", "date", "unix", "unixtime", "unixtimestamp", "epoch",
        "opentimestamp", "opentimeutc", "timeutc", "dateutc", "datetimeutc", "starttime", "startat", "start", "ts", "t",
        "mts", "gmttime", "localtime", "utctime", "timegmt", "dtyyyymmdd", "hour", "begin", "periodstart",
        "timeperiodstart", "windowstart", "utc", "gmt",
    ),
    "open": ("open", "o", "openprice", "priceopen"),
    "high": ("high", "h", "highprice", "pricehigh", "max"),
    "low": ("low", "l", "lowprice", "pricelow", "min"),
    "close": ("close", "c", "closeprice", "priceclose", "last"),
    "volume": (
        "volume", "v", "vol", "basevolume", "baseassetvolume", "volumebase", "volumefrom", "volumetraded",
    ),
    "close_time": ("closetime", "closetimestamp", "endtime"),
    "trades": ("numberoftrades", "trades", "tradecount", "count", "numtrades", "tradescount", "transactions", "n"),
    "taker_base": (
        "takerbuybaseassetvolume", "takerbasevolume", "takerbuybasevolume", "takerbuybase", "takerbuyvolume",
    ),
    "symbol": ("symbol", "ticker", "pair", "tic", "instrument"),
    "interval": ("interval", "timeframe", "resolution", "period", "granularity", "barsize"),
    "tick_volume": ("tickvol", "tickvolume"),
    "zone": ("timezone", "tz", "utcoffset", "gmtoffset", "tzoffset"),
}  # fmt: skip
"""Our name to the header names that mean it, in lower case without spaces and punctuation."""
WEAK = {"price": "close"}
"""Names that mean a column only where no other does."""
REQUIRED = ("time", "open", "high", "low", "close", "volume")
QUOTES = frozenset((
    "usd", "usdt", "usdc", "busd", "tusd", "fdusd", "dai", "eur", "gbp", "jpy", "krw", "cny", "aud", "cad", "chf",
    "try", "brl", "inr", "currency", "quote", "$", "€", "£",
))  # fmt: skip
"""Units of a volume in the money that is paid, which isn't the volume that is meant."""
SPAN = re.compile(r"\d+\s*(m|min|h|hr|hours?|d|days?)")
HOUR_UNIT = re.compile(r"1\s*(h|hr|hours?)|60\s*(m|min)")
COINS = frozenset(("btc", "xbt", "eth", "bnb", "sol", "xrp", "ada", "doge", "ltc", "bch", "dot", "trx", "link", "avax"))
"""Units of an amount that are known in lower case, too; in upper case or in brackets any is taken for one."""
NAMELESS = ("", "unnamed0", "index", "indexlevel0", "id")
"""What the first column may be called when it holds the times and no other does: an index, or Huobi's ``id``."""
AMOUNT = "amount"
"""What was traded at exchanges where ``vol`` is the money paid; elsewhere it is the money. The rows show which."""
TIME_UNITS = frozenset((
    "utc", "gmt", "z", "s", "sec", "seconds", "ms", "milliseconds", "us", "µs", "microseconds", "ns", "unix", "epoch",
    "utc+0", "utc+00:00",
))  # fmt: skip
KLINES = (
    "time", "open", "high", "low", "close", "volume", "close_time", "quote", "trades", "taker_base", "taker_quote",
    "ignore",
)  # fmt: skip
"""Column order of exchange archives that come without a header line."""
NEAR = 0.05
"""Money paid over what was traded may differ from the close by this share."""
MAX_COLUMNS = 1000
MAX_NAME = 100
"""Characters of a column's name; the rest is left away."""
MAX_CHARACTERS = 100_000
"""Characters of a line among the first."""
LINES = 60
"""Lines at the beginning among which the header must be."""
SAMPLE = 200
"""Rows that are looked at."""
LONGEST = 200
"""Characters of a column's name in which a unit is looked for: a search in a longer one would take for ever."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the rows begin and what their columns are."""

    separator: str
    skip: int
    """Lines before the first row."""
    width: int
    """Fields of a row."""
    positions: dict[str, int]
    """Our name to the column; times aren't among them."""
    titles: dict[str, str]
    """Our name to the file's."""
    times: tuple[int, ...]
    """Columns that hold times; they must agree."""
    clock: int | None = None
    """The column with the time of day, when that of `times` is only a date."""
    header: tuple[str, ...] = ()
    """The header's fields; none without a header line."""

    def title(self, column: int) -> str:
        """What the file calls a column."""
        return self.header[column] if self.header else "time"

    def says_utc(self, column: int) -> bool:
        """Whether the header says that a column of times is in UTC, or the column of their time of day."""
        names = [self.header[i] for i in (column, self.clock) if i is not None] if self.header else []
        return any(re.search(r"utc|gmt", _plain(name)) or re.search(r"[(\[]\s*z\s*[)\]]", name, re.I) for name in names)


Matched = tuple[dict[str, int], list[int], int | None]
"""Our name to the column, the columns of times, and that of a second volume."""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@dataclasses.dataclass(frozen=True)
class _Meaning:
    column: str
    rank: int
    """0: the name itself; 1: with a unit; 2: a weak one."""
    unit: str = ""


def _meaning(name: str) -> _Meaning | None:
    """What a header's field means."""
    name = re.sub(r"^\d+[a-z]?\.\s*", "", name.strip())
    if (column := _exact(name)) is not None:
        return _Meaning(column, 0)
    name_and_unit = len(name) <= LONGEST and (
        re.fullmatch(r"(.+?)[\s_]*[(\[](.*)[)\]]", name)
        or re.fullmatch(r"(.+?)[\s_]+([A-Z0-9]{2,10}(?:[-/][A-Z0-9]{2,6})?)", name)
        or re.fullmatch(r"(.+?)[\s_]+([A-Za-z]{3,5})", name)
        or re.fullmatch(r"(.+?)[\s_]+(s|ms|us|µs|ns)", name)
    )
    if not name_and_unit:
        return _Meaning(WEAK[_plain(name)], 2) if _plain(name) in WEAK else None
    column, unit = _exact(name_and_unit[1]), name_and_unit[2].strip().lower()
    bracketed = name.rstrip().endswith((")", "]"))
    if column is None or column in ("symbol", "interval", "close_time", "trades", "taker_base", "zone"):
        return None
    if column != "time" and SPAN.fullmatch(unit) and not HOUR_UNIT.fullmatch(unit):
        return None  # of another span than the hour, as a volume of the last 24 hours
    if column == "time" and unit in TIME_UNITS:
        return _Meaning(column, 1, unit)
    if not bracketed and unit not in QUOTES and unit not in COINS and not name_and_unit[2].isupper():
        return None
    if not bracketed and unit in ("ma", "sma", "ema", "wma", "vwap", "avg", "rsi", "pct"):
        return None
    if column == "volume" and unit in QUOTES:
        return _Meaning("quote_volume", 1, unit)
    return _Meaning(column, 1, unit)


def _exact(name: str) -> str | None:
    return next((column for column, names in ALIASES.items() if _plain(name) in names), None)


def match(header: Sequence[str], line: object = 1) -> Matched:
    """Our column names to positions in the header, those of all columns of times, and that of a second volume.

    Raises:
        InputError: a required column isn't there, or two columns mean the same.
    """
    ranked: dict[str, list[tuple[int, int]]] = {}
    for position, name in enumerate(header):
        meaning = _meaning(name)
        if meaning is None:
            continue
        if meaning.column == "time" and meaning.unit and meaning.unit not in TIME_UNITS:
            raise InputError(
                f"line {line}: the column {name!r} names a zone: call it {name.partition('(')[0].strip() or 'time'!r} "
                "and set DATA_TIMEZONE to the zone's name, such as Europe/Zurich"
            )
        ranked.setdefault(meaning.column, []).append((meaning.rank, position))
    positions: dict[str, int] = {}
    second: int | None = None
    for column, places in ranked.items():
        best = [position for rank, position in places if rank == min(places)[0]]
        if column == "volume" and len(best) == 2 and header[best[0]] != header[best[1]]:
            second = best[1]
        elif len(best) > 1 and column in REQUIRED and column != "time":
            raise _both(header, best, column, line)
        positions[column] = best[0]
    if "volume" not in positions and "tick_volume" in positions:
        positions["volume"] = positions.pop("tick_volume")
    if missing := [name for name in REQUIRED if name not in positions]:
        raise _missing(missing, header, positions, line)
    times = [position for _, position in ranked["time"]]
    positions.pop("quote_volume", None)
    positions.pop("time")
    return positions, times, second


def _both(header: Sequence[str], positions: Sequence[int], column: str, line: object) -> InputError:
    first, second = (header[position] for position in positions[:2])
    return InputError(f"line {line}: the columns {first!r} and {second!r} both mean {column}; keep one")


def _missing(missing: list[str], header: Sequence[str], positions: dict[str, int], line: object) -> InputError:
    near = difflib.get_close_matches(missing[0], [_plain(h) for h in header], n=1)
    hint = f" (is {near[0]!r} meant?)" if near else ""
    if missing == ["volume"] and "quote_volume" in positions:
        hint = f": {header[positions['quote_volume']]!r} is in the money paid, and the amount traded is wanted"
    if missing == ["time"] and "close_time" in positions:
        hint = f": {header[positions['close_time']]!r} is each hour's end, and its start is wanted"
    names_text = ", ".join(header)
    names_text = names_text if len(names_text) <= 300 else f"{names_text[:300]}…"
    return InputError(
        f"line {line}: no column for {', '.join(missing)}{hint}; the header is {names_text}. "
        "Wanted: Open time, Open, High, Low, Close, Volume"
    )


def _fields(line: str, separator: str) -> list[str]:
    if len(line) > MAX_CHARACTERS:
        raise InputError(f"there is a line of more than {MAX_CHARACTERS:,} characters: this is no CSV file of bars")
    return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]


def _separator(line: str) -> str:
    other = max(";\t|", key=line.count)
    # Commas between digits, where there are other marks enough for a row of bars, are decimal ones.
    if line.count(other) >= len(REQUIRED) - 1 and len(re.findall(r"\d,(?=\d)", line)) == line.count(","):
        return other
    return max(",;\t|", key=line.count)


def _numeric(field: str) -> bool:
    return re.fullmatch(r"[-+]?\d[\d.,]*([eE][-+]?\d+)?|", field) is not None


def _is_row(fields: Sequence[str]) -> bool:
    """Whether this is a row and no header: a time, then numbers."""
    if len(fields) < 5 or not dates.looks(fields[0]):
        return False
    numbers = fields[2:] if dates.looks(fields[1]) == "clock" and ":" in fields[1] else fields[1:]
    return len(numbers) >= 4 and all(_numeric(field) for field in numbers[:5])


def find(lines: Sequence[str]) -> Layout:
    """The layout of a file that begins with these lines.

    Raises:
        InputError: there is no header line with the required columns, and the rows don't show what they are.
    """
    first: InputError | None = None
    for number, text in enumerate(lines, start=1):
        if text.count(_separator(text)) >= MAX_COLUMNS:
            raise InputError(f"line {number} has more than {MAX_COLUMNS:,} columns: so many aren't read")
    for number, text in enumerate(lines[:LINES], start=1):
        bare = text.strip().lstrip("\ufeff")
        if not bare or re.fullmatch(r"sep=.", bare, re.IGNORECASE) or re.fullmatch(r"\W*https?://\S*", bare):
            continue
        comment = re.match(r"(#|//|%)\s*", bare)
        bare = bare[comment.end() :] if comment else bare
        separator = _separator(bare)
        fields = _fields(bare, separator)
        if first is None and not comment and _is_row(fields):
            return _without_header(lines[number - 1 :], separator, number)
        if (several := _three_rows(lines[number - 1 :], separator, number)) is not None:
            fields, below = several
        else:
            below = 1
        fields = [field[:MAX_NAME] for field in fields]
        fields = _named_time(fields, _sample(lines, separator, number + below - 1))
        try:
            matched = match(fields, number)
        except InputError as error:
            if not comment and len([field for field in fields if field]) > 1 and first is None:
                first = error
            continue
        return _with_header(lines, separator, number + below - 1, fields, matched)
    if first is not None:
        raise first
    first_line = next((line.strip() for line in lines if line.strip()), "")
    raise _missing(list(REQUIRED), [first_line], {}, next(n for n, line in enumerate(lines, 1) if line.strip()))


def _named_time(fields: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The header's fields; the first is called ``time`` where it has no name and is the only column of times."""
    if not fields or _plain(fields[0]) not in NAMELESS or any(m and m.column == "time" for m in map(_meaning, fields)):
        return fields
    if rows and all(row and dates.looks(row[0]) in ("time", "date") for row in rows):
        return ["time", *fields[1:]]
    return fields


def _three_rows(lines: Sequence[str], separator: str, number: int) -> tuple[list[str], int] | None:
    """The names and the number of lines of a header as yfinance writes it: prices, tickers, then the times' name."""
    rows = [_fields(line, separator) for line in lines[:3]]
    levels = {"price", "ticker", "tickers", "symbols", "attributes", ""}
    if len(rows) < 3 or rows[0][:1] == [] or rows[1][:1] == [] or not rows[2]:
        return None
    heads = [row[0].strip().lower() for row in rows]
    if not {heads[0], heads[1]} <= levels or heads[2] not in ("datetime", "date", "timestamp") or any(rows[2][1:]):
        return None
    price_row = max(rows[:2], key=lambda row: sum(_exact(field) is not None for field in row[1:]))
    ticker_row = rows[1] if price_row is rows[0] else rows[0]
    if len(tickers := sorted({field for field in ticker_row[1:] if field})) > 1:
        raise InputError(f"line {number}: prices of {', '.join(tickers)} side by side: give a file of one of them")
    return [rows[2][0], *price_row[1:]], 3


def _sample(lines: Sequence[str], separator: str, skip: int) -> list[list[str]]:
    """The first rows; the last line may be cut and is left out."""
    texts = [line for line in lines[skip : skip + SAMPLE + 1] if line.strip()]
    return [_fields(text, separator) for text in (texts[:-1] if len(texts) > 1 else texts)]


def of_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Layout:
    """The layout of a table of columns with these names, of which `rows` are the first, as texts.

    Raises:
        InputError: as `find`.
    """
    texts = [list(row) for row in rows]
    fields = _named_time([name[:MAX_NAME] for name in names], texts)
    return _layout(texts, ",", 0, fields, match(fields, "1 (the columns' names)"))


def _with_header(lines: Sequence[str], separator: str, skip: int, fields: list[str], matched: Matched) -> Layout:
    while skip < len(lines) - 1 and not lines[skip].strip():
        skip += 1
    for number, line in enumerate(lines[:skip], start=1):
        if line.count('"') % 2:
            raise InputError(f"line {number}: a quoted text goes on in the next line: write a header of one line")
    return _layout(_sample(lines, separator, skip), separator, skip, fields, matched)


def _layout(rows: list[list[str]], separator: str, skip: int, fields: list[str], matched: Matched) -> Layout:
    positions, times, second = matched

    def kind(column: int) -> str:
        values = [row[column] for row in rows if len(row) > column and row[column]]
        if values and all(re.fullmatch(r"[01]?\d|2[0-3]", value) for value in values):
            return "clock"  # hours of the day
        looks = {dates.looks(value) for value in values}
        return looks.pop() if len(looks) == 1 else "time"

    kinds = {column: kind(column) for column in times}
    clocks = [column for column, form in kinds.items() if form == "clock"]
    days = [column for column, form in kinds.items() if form == "date"]
    full = [column for column in times if column not in clocks and column not in days]
    clock = None
    if not full and days and clocks:
        if len(days) > 1 or len(clocks) > 1:
            names = ", ".join(repr(fields[column]) for column in sorted(days + clocks))
            raise InputError(f"line {skip}: the columns {names} all hold times: keep one, or one date and one time")
        full, clock = days, clocks[0]
    full = full or days or times
    positions = _traded(fields, positions, second, rows, skip)
    titles = {name: fields[column] for name, column in positions.items()}
    for column in full:
        if _plain(fields[column]) == "localtime" and any(
            len(row) > column and not re.search(r"[-+]\d\d:?\d\d|Z$", row[column][10:]) for row in rows
        ):
            raise InputError(
                f"line {skip}: the column {fields[column]!r} holds local times without an offset: give UTC, or call it "
                "'time' and set DATA_TIMEZONE"
            )
    if {"lastsize", "homenotional"} <= {_plain(field) for field in fields}:
        raise InputError(
            f"line {skip}: these are BitMEX's columns, whose timestamp is each bar's end: subtract an hour and leave "
            "the column lastSize out"
        )
    return Layout(separator, skip, len(fields), positions, titles, tuple(full), clock, tuple(fields))


def _traded(
    fields: list[str], positions: dict[str, int], second: int | None, rows: list[list[str]], line: int
) -> dict[str, int]:
    """`positions` with the volume of the thing traded, when there is a second column that may be it: the rows show it.

    At some exchanges ``vol`` is the money paid and ``amount`` what was traded, at most it is the other way round; and
    of ``Volume ETH`` and ``Volume BTC`` either may be the money.

    Raises:
        InputError: both mean the volume, and neither is the other one times the price.
    """
    amounts = [i for i, name in enumerate(fields) if _plain(name) == AMOUNT]
    rival_column = second if second is not None else amounts[0] if len(amounts) == 1 else None
    if rival_column is None:
        return positions
    close, volume, rival = (
        np.array([_float(row[place]) if len(row) > place else np.nan for row in rows])
        for place in (positions["close"], positions["volume"], rival_column)
    )
    with np.errstate(all="ignore"):
        if len(rows) and (np.abs(volume / rival / close - 1) < NEAR).mean() > 0.9:
            return positions | {"volume": rival_column}
        if second is not None and not (len(rows) and (np.abs(rival / volume / close - 1) < NEAR).mean() > 0.9):
            raise _both(fields, [positions["volume"], second], "volume", line)
    return positions


def _without_header(lines: Sequence[str], separator: str, number: int) -> Layout:
    """The layout of a file without a header line, which its rows must show beyond doubt."""
    rows = _sample(lines, separator, 0)
    width = len(rows[0])
    rows = [row for row in rows if len(row) == width]
    while width and not any(row[width - 1] for row in rows):
        width -= 1
    clock = 1 if all(dates.looks(row[1]) == "clock" and ":" in row[1] for row in rows) else None
    at = 1 if clock is None else 2
    names = (*PRICES, *_rest(rows, at, width, number))
    positions = {name: at + i for i, name in enumerate(names) if name in ALIASES}
    return Layout(separator, number - 1, len(rows[0]), positions, {name: name for name in positions}, (0,), clock)


def _rest(rows: list[list[str]], at: int, width: int, number: int) -> tuple[str, ...]:
    """What follows Open, High, Low, Close in rows without a header."""

    def column(i: int) -> list[float]:
        return [_float(row[i]) for row in rows]

    def unclear(why: str) -> InputError:
        return InputError(
            f"line {number}: there is no header line, and {why}: add one such as Open time,Open,High,Low,Close,Volume"
        )

    if width < at + 5:
        raise unclear(f"{width} columns are too few to hold a time, Open, High, Low, Close and Volume")
    o, h, low, c = (column(at + i) for i in range(4))
    good = [max(a, d) <= b * 1.0001 and low_ <= min(a, d) * 1.0001 for a, b, low_, d in zip(o, h, low, c, strict=True)]
    if sum(good) < 0.9 * len(good):
        raise unclear("the columns after the time aren't Open, High, Low, Close")
    count = width - at - 4
    if count == 1:
        return ("volume",)
    if clock_like := [row[at + 5] for row in rows if dates.looks(row[at + 5]) == "time"]:
        if len(clock_like) == len(rows) and count <= 8:
            return KLINES[5 : 5 + count]
        raise unclear("the column after the volume is a time in some rows only")
    between = all(a * 0.9999 <= v <= b * 1.0001 for a, v, b in zip(low, column(at + 4), h, strict=True))
    whole = all(value == int(value) for value in column(width - 1) if value == value)
    if count == 2 and not between and whole:
        return ("volume", "trades")
    if count == 3 and between and whole:
        return ("vwap", "volume", "trades")
    raise unclear(f"it isn't sure what the {count} columns after Close are")


def _float(text: str) -> float:
    try:
        return float(text.replace(",", ".", 1))  # a decimal comma
    except ValueError:
        return float("nan")
