"""Reading data: what is mended and counted, and what is refused with line and reason."""

from __future__ import annotations

import datetime as dt
import gzip
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model import columns, data
from model.data import Data
from model.errors import InputError

START = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
HEADER = "Open time,Open,High,Low,Close,Volume"
ROWS = 300
FULL = (
    "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
    "Taker buy base asset volume,Taker buy quote asset volume,Ignore"
)


def hour(i: int) -> str:
    return f"{START + dt.timedelta(hours=i):%Y-%m-%d %H:%M:%S}"


def price(i: int) -> float:
    return round(50_000 + 300 * math.sin(i / 7.0) + i, 2)


def line(i: int, **other: object) -> str:
    o, c = price(i), price(i + 1)
    bar: dict[str, object] = {"t": hour(i), "o": o, "h": max(o, c) + 20, "l": min(o, c) - 20, "c": c, "v": 10 + i % 5}
    return ",".join(str(v) for v in (bar | other).values())


def good(rows: int = ROWS) -> list[str]:
    return [HEADER, *(line(i) for i in range(rows))]


Load = Callable[..., Data]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(lines: list[str], end: str = "\n", **given: object) -> Data:
        path = tmp_path / "bars.csv"
        path.write_text("\n".join(lines) + end)
        return data.load(path, **given)  # type: ignore[arg-type]

    return read


def replaced(number: int, text: str) -> list[str]:
    """The good file with another line `number` (1 is the header)."""
    lines = good()
    lines[number - 1] = text
    return lines


def test_a_good_file_needs_no_repair(load: Load) -> None:
    found = load(good())
    assert len(found.bars) == found.rows == ROWS
    assert not any(found.repairs.values())
    assert found.bars.close[0] == price(1)
    assert str(found.bars.time[0]) == "2024-03-01T00:00:00"


HEADERS = {
    "kaggle": HEADER,
    "plain": "timestamp,open,high,low,close,volume",
    "short": "date,o,h,l,c,v",
    "shouting": "OPEN_TIME,OPEN,HIGH,LOW,CLOSE,VOLUME BTC",
    "bom": "\ufeffdatetime,Open,High,Low,Close,Volume",
    "quoted": '"Open time","Open","High","Low","Close","Volume"',
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_other_names_for_the_same_columns(load: Load, header: str) -> None:
    assert len(load([header, *good()[1:]]).bars) == ROWS


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(load: Load, separator: str) -> None:
    assert len(load([text.replace(",", separator) for text in good()]).bars) == ROWS


def test_columns_in_another_order_and_more_of_them(load: Load) -> None:
    lines = ["Ignore,Volume,Close,Low,High,Open,Open time"]
    lines += [",".join(["x", *reversed(text.split(","))]) for text in good()[1:]]
    assert load(lines).bars.close[0] == price(1)


def test_the_full_format_brings_order_flow(load: Load) -> None:
    lines = [FULL, *(f"{line(i)},{hour(i)[:-5]}59:59.999,1,{100 + i},5.5,1,0" for i in range(ROWS))]
    found = load(lines)
    assert found.bars.flow["trades"][3] == 103
    assert set(found.bars.flow) == {"trades", "taker_base"}


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_an_archive_without_header_and_with_epoch_times(load: Load, unit: int) -> None:
    first = int(START.timestamp())
    lines = []
    for i in range(ROWS):
        opened = (first + 3600 * i) * unit
        closed = (first + 3600 * (i + 1)) * unit - 1
        lines.append(f"{opened},{','.join(line(i).split(',')[1:])},{closed},1,100,5.5,1,0")
    found = load(lines)
    assert len(found.bars) == ROWS
    assert str(found.bars.time[-1]) == hour(ROWS - 1).replace(" ", "T")
    assert found.repairs["partial_hour"] == 0


def test_milliseconds_and_microseconds_in_one_file(load: Load) -> None:
    first = int(START.timestamp())
    lines = [HEADER]
    for i in range(ROWS):
        lines.append(f"{(first + 3600 * i) * (1_000 if i < 150 else 1_000_000)},{','.join(line(i).split(',')[1:])}")
    assert not load(lines).repairs["missing_hours"]


@pytest.mark.parametrize(
    "form", ["{:%Y-%m-%dT%H:%M:%SZ}", "{:%Y-%m-%d %H:%M:%S+00:00}", "{:%Y-%m-%d %H:%M}", "{:%Y-%m-%d %H:%M:%S UTC}"]
)
def test_forms_of_time(load: Load, form: str) -> None:
    lines = [HEADER, *(line(i, t=form.format(START + dt.timedelta(hours=i))) for i in range(ROWS))]
    assert str(load(lines).bars.time[-1]) == hour(ROWS - 1).replace(" ", "T")


def test_offsets_that_differ_are_brought_to_utc(load: Load) -> None:
    east, west = dt.timezone(dt.timedelta(hours=2)), dt.timezone(dt.timedelta(hours=-5))
    lines = [HEADER]
    for i in range(ROWS):
        at = (START + dt.timedelta(hours=i)).astimezone(east if i % 2 else west)
        lines.append(line(i, t=at.isoformat()))
    assert not load(lines).repairs["missing_hours"]


def test_naive_times_of_another_zone(load: Load) -> None:
    found = load(good(), zone="Asia/Tokyo")
    assert str(found.bars.time[0]) == "2024-02-29T15:00:00"


def test_naive_times_where_the_clock_goes_back_are_refused(load: Load) -> None:
    lines = [HEADER, *(line(i, t=f"{START + dt.timedelta(days=240, hours=i):%Y-%m-%d %H:%M}") for i in range(ROWS))]
    with pytest.raises(InputError, match="when the clock is set back; give them an offset"):
        load(lines, zone="Europe/Zurich")


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress("\n".join(good()).encode()))
    assert len(data.load(path).bars) == ROWS


def test_gaps_stay_missing_and_are_counted(load: Load) -> None:
    lines = good()
    del lines[100:104], lines[50]
    found = load(lines)
    assert (found.repairs["missing_hours"], found.repairs["longest_gap"]) == (5, 4)
    assert len(found.bars) == ROWS
    assert np.isnan(found.bars.close).sum() == 5


def test_unordered_and_repeated_rows(load: Load) -> None:
    lines = good()
    lines[10], lines[20] = lines[20], lines[10]
    lines.append(lines[5])
    found = load(lines)
    assert found.repairs["unordered"] > 0
    assert found.repairs["duplicates"] == 1
    assert np.array_equal(found.bars.close, load(good()).bars.close)


def test_of_a_bar_written_twice_the_finished_one_is_kept(load: Load) -> None:
    lines = good()
    lines.insert(50, line(49, h=max(price(49), price(50)) + 5, c=price(49), v=1))  # as it was after some minutes
    found = load(lines)
    assert found.repairs["duplicates"] == 1
    assert found.bars.close[49] == price(50)


def test_a_last_hour_that_is_not_over_is_dropped(load: Load) -> None:
    now = START + dt.timedelta(hours=ROWS - 1, minutes=20)
    found = load(good(), now=now)
    assert found.repairs["partial_hour"] == 1
    assert len(found.bars) == ROWS - 1


def test_pieces_give_what_the_whole_file_does(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    lines = [HEADER + ",Close time", *(f"{line(i)},{hour(i)[:-5]}59:59" for i in range(ROWS))]
    lines[40] = lines[40].replace(" ", "T", 1)  # one time in another form
    path.write_text("\n".join(lines) + "\n2024-03-13 12")
    whole, pieces = columns.read(path), columns.read(path, chunk=64)
    assert whole[0].drop(columns="close_time").equals(pieces[0].drop(columns="close_time"))
    assert list(pieces[0].index) == list(range(2, ROWS + 2))
    assert whole[1] == pieces[1] == {"cut_last_line": 1}
    path.write_text("\n".join([*lines[:200], lines[200].replace(",", ",x", 1), *lines[201:]]))
    with pytest.raises(InputError, match=r"line 201, column Open: 'x.*' is not a number"):
        columns.read(path, chunk=64)


def test_the_newest_row_first_and_not_over(load: Load) -> None:
    rows = [f"{line(i)},{hour(i)[:-5]}{59 if i < ROWS - 1 else 17}:59" for i in range(ROWS)]
    made = load([HEADER + ",Close time", *reversed(rows)])
    assert made.repairs["partial_hour"] == 1
    assert len(made.bars) == ROWS - 1


def test_a_last_hour_whose_close_time_is_early_is_dropped(load: Load) -> None:
    lines = [HEADER + ",Close time", *(f"{line(i)},{hour(i)[:-5]}{59 if i < ROWS - 1 else 17}:59" for i in range(ROWS))]
    assert load(lines).repairs["partial_hour"] == 1


def test_a_file_cut_in_its_last_line(load: Load) -> None:
    found = load([*good(), f"{hour(ROWS)},50000.1,500"], end="")
    assert found.repairs["cut_last_line"] == 1
    assert len(found.bars) == ROWS


def test_high_and_low_swapped(load: Load) -> None:
    found = load(replaced(80, line(78, h=49_000, l=52_000)))
    assert found.repairs["swapped_high_low"] == 1
    assert (found.bars.high[78], found.bars.low[78]) == (52_000, 49_000)


def test_an_extreme_off_by_a_rounding_is_widened(load: Load) -> None:
    top = max(price(78), price(79))
    found = load(replaced(80, line(78, h=round(top - 0.01, 2))))
    assert found.repairs["widened"] == 1
    assert found.bars.high[78] == top


def test_hours_without_trades_become_missing(load: Load) -> None:
    same = price(78)
    found = load(replaced(80, line(78, o=same, h=same, l=same, c=same, v=0)))
    assert found.repairs["no_trade"] == 1
    assert np.isnan(found.bars.close[78])


def test_an_empty_price_is_a_missing_hour(load: Load) -> None:
    found = load(replaced(80, line(78, c="")))
    assert found.repairs["incomplete"] == 1
    assert np.isnan(found.bars.close[78])


def test_zero_volume_in_an_hour_with_a_move_is_kept(load: Load) -> None:
    found = load(replaced(80, line(78, v=0)))
    assert found.repairs["zero_volume"] == 1
    assert np.isfinite(found.bars.close[78])


BAD: dict[str, tuple[list[str], str]] = {
    "empty file": ([""], "is empty"),
    "header only": ([HEADER], "no rows"),
    "missing column": ([HEADER.replace("Volume", "Vlume"), *good()[1:]], "line 1: no column for volume.*'vlume'"),
    "two columns for one": ([HEADER + ",vol", *(f"{x},1" for x in good()[1:])], "line 1: .* both mean volume"),
    "a word for a price": (replaced(80, line(78, c="n/k")), "line 80, column Close: 'n/k' is not a number"),
    "decimal comma": (replaced(80, line(78, c='"1,5"')), "line 80, column Close"),
    "a word for a time": (replaced(80, line(78, t="yesterday")), "line 80.*'yesterday' is not a time"),
    "too many fields": (replaced(80, line(78) + ",1,2"), "line 80"),
    "half an hour": (replaced(80, line(78, t=hour(78)[:-5] + "30:00")), "line 80: .* is not a whole hour"),
    "high below low": (replaced(80, line(78, h=1, l=2)), "line 80: High is below Low"),
    "high below close": (replaced(80, line(78, h=49_000, l=48_000)), "line 80: High is below Open or Close"),
    "low above open": (replaced(80, line(78, l=price(78) + 15, h=90_000)), "line 80: Low is above Open or Close"),
    "negative price": (replaced(80, line(78, l=-1)), "line 80: a price is zero or negative"),
    "zero price": (replaced(80, line(78, o=0, l=0)), "line 80: a price is zero or negative"),
    "infinite price": (replaced(80, line(78, h="inf")), "line 80: a price or volume is infinite"),
    "negative volume": (replaced(80, line(78, v=-3)), "line 80: Volume is negative"),
    "two different bars": ([*good(), line(50, c=price(51) + 3)], "lines 52 and 302: two different bars"),
    "in the future": (replaced(80, line(78, t="2199-01-01 00:00:00")), "line 80: 2199.* is in the future"),
    "minute bars": (
        [HEADER, *(line(i, t=f"{START + dt.timedelta(minutes=i):%Y-%m-%d %H:%M}") for i in range(ROWS))],
        "hourly",
    ),
    "daily bars": (
        [HEADER, *(line(i, t=f"{START + dt.timedelta(days=i):%Y-%m-%d}") for i in range(ROWS))],
        "1 days .* apart: hourly bars",
    ),
    "too few": (good(50), "50 usable rows: at least 200"),
    "a hole": ([*good(), *(line(i) for i in range(800, 900))], "line 302: 500 of 900 hours are missing"),
    "most prices missing": ([HEADER, *(line(i, c="") for i in range(ROWS))], "100% of all rows lack a price"),
    "no trades at all": ([HEADER, *(line(i, o=5, h=5, l=5, c=5, v=0) for i in range(ROWS))], "no hour has any trades"),
}


@pytest.mark.parametrize(("lines", "message"), BAD.values(), ids=BAD.keys())
def test_refused_with_line_and_reason(load: Load, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(lines)


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match="isn't a CSV file"):
        data.load(path)
    path.write_bytes(gzip.compress("\n".join(good()).encode())[:400])
    with pytest.raises(InputError, match=r"bars\.csv"):
        data.load(path)
