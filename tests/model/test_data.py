"""Reading data: the forms of files and of times that are understood."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import pytest

from model import data
from model.errors import InputError
from tests.model.lines import FULL, HEADER, ROWS, START, Load, good, hour, line, price


def test_a_good_file_needs_no_repair(load: Load) -> None:
    loaded = load(good())
    assert len(loaded.bars) == loaded.rows == ROWS
    assert not any(loaded.repairs.values())
    assert loaded.bars.close[0] == price(1)
    assert str(loaded.bars.time[0]) == "2024-03-01T00:00:00"


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
    loaded = load(lines)
    assert loaded.bars.flow["trades"][3] == 103
    assert set(loaded.bars.flow) == {"trades", "taker_base"}


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_an_archive_without_header_and_with_epoch_times(load: Load, unit: int) -> None:
    first = int(START.timestamp())
    lines = []
    for i in range(ROWS):
        opened = (first + 3600 * i) * unit
        closed = (first + 3600 * (i + 1)) * unit - 1
        lines.append(f"{opened},{','.join(line(i).split(',')[1:])},{closed},1,100,5.5,1,0")
    loaded = load(lines)
    assert len(loaded.bars) == ROWS
    assert str(loaded.bars.time[-1]) == hour(ROWS - 1).replace(" ", "T")
    assert loaded.repairs["partial_hour"] == 0


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
    loaded = load(good(), zone="Asia/Tokyo")
    assert str(loaded.bars.time[0]) == "2024-02-29T15:00:00"


@pytest.mark.parametrize("title", ["Time (UTC)", "Gmt time", "UTC", "time_utc", "Time [Z]", "Open time (utc+0)"])
def test_a_header_that_says_utc_holds_against_the_zone_of_naive_times(load: Load, title: str) -> None:
    header = HEADER.replace("Open time", title) + ",Close time"
    lines = [header, *(f"{line(i)},{hour(i)[:-5]}59:59" for i in range(ROWS))]
    for zone in ("America/Phoenix", "Asia/Tokyo"):
        loaded = load(lines, zone=zone)
        assert (str(loaded.bars.time[0]), len(loaded.bars)) == ("2024-03-01T00:00:00", ROWS)


def test_a_column_that_says_utc_holds_against_the_zone_of_naive_times(load: Load) -> None:
    for zone, hours in (("UTC", 0), ("+00:00", 0), ("MST", 7)):
        lines = [HEADER + ",timezone", *(f"{line(i)},{zone}" for i in range(ROWS))]
        loaded = load(lines, zone="America/Phoenix")
        assert str(loaded.bars.time[0]) == f"2024-03-01T{hours:02}:00:00"


def test_naive_times_where_the_clock_goes_back_are_refused(load: Load) -> None:
    lines = [HEADER, *(line(i, t=f"{START + dt.timedelta(days=240, hours=i):%Y-%m-%d %H:%M}") for i in range(ROWS))]
    with pytest.raises(
        InputError, match="02:00 is shown twice by clocks in Europe/Zurich, or never: give times with their"
    ):
        load(lines, zone="Europe/Zurich")


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress("\n".join(good()).encode()))
    assert len(data.load(path).bars) == ROWS
