"""Faults of data: what is mended and counted, and what is refused with line and reason."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import numpy as np
import pytest

from model import columns, data
from model.errors import InputError
from tests.model.lines import HEADER, ROWS, START, Load, good, hour, line, price, replaced


def test_gaps_stay_missing_and_are_counted(load: Load) -> None:
    lines = good()
    del lines[100:104], lines[50]
    loaded = load(lines)
    assert (loaded.repairs["missing_hours"], loaded.repairs["longest_gap"]) == (5, 4)
    assert len(loaded.bars) == ROWS
    assert np.isnan(loaded.bars.close).sum() == 5


def test_unordered_and_repeated_rows(load: Load) -> None:
    lines = good()
    lines[10], lines[20] = lines[20], lines[10]
    lines.append(lines[5])
    loaded = load(lines)
    assert loaded.repairs["unordered"] > 0
    assert loaded.repairs["duplicates"] == 1
    assert np.array_equal(loaded.bars.close, load(good()).bars.close)


def test_of_a_bar_written_twice_the_finished_one_is_kept(load: Load) -> None:
    lines = good()
    lines.insert(50, line(49, h=max(price(49), price(50)) + 5, c=price(49), v=1))  # as it was after some minutes
    loaded = load(lines)
    assert loaded.repairs["duplicates"] == 1
    assert loaded.bars.close[49] == price(50)


def test_a_last_hour_that_is_not_over_is_dropped(load: Load) -> None:
    now = START + dt.timedelta(hours=ROWS - 1, minutes=20)
    loaded = load(good(), now=now)
    assert loaded.repairs["partial_hour"] == 1
    assert len(loaded.bars) == ROWS - 1


def test_pieces_give_what_the_whole_file_does(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    lines = [HEADER + ",Close time", *(f"{line(i)},{hour(i)[:-5]}59:59" for i in range(ROWS))]
    lines[40] = lines[40].replace(" ", "T", 1)  # one time in another form
    path.write_text("\n".join(lines) + "\n2024-03-13 12")
    whole, pieces = columns.read(path), columns.read(path, chunk=64)
    assert whole[0].drop(columns="close_time").equals(pieces[0].drop(columns="close_time"))
    assert list(pieces[0].index) == list(range(2, ROWS + 2))
    assert whole[1] == pieces[1] == {"cut_last_line": 1, "repeated_header": 0}
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
    loaded = load([*good(), f"{hour(ROWS)},50000.1,500"], end="")
    assert loaded.repairs["cut_last_line"] == 1
    assert len(loaded.bars) == ROWS


@pytest.mark.parametrize(
    ("form", "last", "cut"),
    [
        ("{:.6f}", "612.704671", 0),
        ("{:.6f}", "612.7", 1),
        ("{:.6f}", "61", 1),
        ("{:.6f}", "612.", 1),
        ("{:.5g}", "612", 0),  # others have one decimal or two: zeros at the end are left away
        ("{:.6g}", "612.7", 0),
        ("{:.7g}", "61", 1),
        ("{:.0f}", "6", 0),  # nothing shows it
        ("{:.5f}", "0", 0),  # an hour without a trade
    ],
)
def test_a_file_cut_in_its_last_number(load: Load, form: str, last: str, cut: int) -> None:
    """A volume that lost digits was taken for a whole one."""
    lines = [HEADER, *(line(i, v=form.format(601.234567 + i % 90 * 1.101)) for i in range(ROWS - 1))]
    for end in ("", "\n"):
        loaded = load([*lines, line(ROWS - 1, v=last)], end=end)
        expected = 0 if end else cut
        assert (loaded.repairs["cut_last_line"], len(loaded.bars)) == (expected, ROWS - expected)


def test_high_and_low_swapped(load: Load) -> None:
    loaded = load(replaced(80, line(78, h=49_000, l=52_000)))
    assert loaded.repairs["swapped_high_low"] == 1
    assert (loaded.bars.high[78], loaded.bars.low[78]) == (52_000, 49_000)


def test_an_extreme_off_by_a_rounding_is_widened(load: Load) -> None:
    top = max(price(78), price(79))
    loaded = load(replaced(80, line(78, h=round(top - 0.01, 2))))
    assert loaded.repairs["widened"] == 1
    assert loaded.bars.high[78] == top


def test_hours_without_trades_become_missing(load: Load) -> None:
    same = price(78)
    loaded = load(replaced(80, line(78, o=same, h=same, l=same, c=same, v=0)))
    assert loaded.repairs["no_trade"] == 1
    assert np.isnan(loaded.bars.close[78])


def test_an_empty_price_is_a_missing_hour(load: Load) -> None:
    loaded = load(replaced(80, line(78, c="")))
    assert loaded.repairs["incomplete"] == 1
    assert np.isnan(loaded.bars.close[78])


def test_zero_volume_in_an_hour_with_a_move_is_kept(load: Load) -> None:
    loaded = load(replaced(80, line(78, v=0)))
    assert loaded.repairs["zero_volume"] == 1
    assert np.isfinite(loaded.bars.close[78])


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


@pytest.mark.parametrize(
    ("trades", "taker", "message"),
    [
        ("5", "-1", r"line 2: the taker buy volume is negative or infinite: -1 \(and 299 more"),
        ("5", "inf", "line 2: the taker buy volume is negative or infinite: inf"),
        ("inf", "1", "line 2: the number of trades is negative or infinite: inf"),
        ("5", "500000", "line 2: the taker buy volume is 500000 and the volume 10, of which it is a part"),
    ],
)
def test_an_order_flow_that_cannot_be_right(load: Load, trades: str, taker: str, message: str) -> None:
    header = f"{HEADER},Number of trades,Taker buy base asset volume"
    with pytest.raises(InputError, match=message):
        load([header, *(f"{line(i)},{trades},{taker}" for i in range(ROWS))])
    rows = [f"{line(i)},5,{'500000' if i == 80 else '1'}" for i in range(ROWS)]
    assert load([header, *rows]).bars.flow["taker_base"][80] == 500000


@pytest.mark.parametrize("trades", [None, "0", ""])
def test_an_order_flow_that_is_not_used_may_be_in_money(load: Load, trades: str | None) -> None:
    """Without the number of trades the taker buy volume is no feature."""
    names, values = ("", "") if trades is None else (",Number of trades", f",{trades}")
    rows = [f"{line(i)}{values},{500000}" for i in range(ROWS)]
    assert load([f"{HEADER}{names},Taker buy base asset volume", *rows]).bars.flow == {}


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match="isn't a CSV file"):
        data.load(path)
    path.write_bytes(gzip.compress("\n".join(good()).encode())[:400])
    with pytest.raises(InputError, match=r"bars\.csv"):
        data.load(path)
