"""Bars finer than an hour: what an hour of them would hide is refused, and what is mended in them is counted."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from model import data
from model.data import Data
from model.errors import InputError
from model.reading import Reading
from tests.model.lines import HEADER
from tests.model.test_files import put
from tests.model.test_plausible import START, Row

HOURS = 210


def bars(step: int = 5, bounce: float = 0.0) -> list[Row]:
    """Bars of `step` minutes; each Open is up to `bounce` beside the Close before, as between bid and ask."""
    rng, price, made = random.Random(1), 30_000.0, []
    for _ in range(HOURS * 60 // step):
        o = price * (1 + rng.choice((-1, 0, 1)) * bounce)
        price = o * (1 + rng.gauss(0, 0.001))
        made.append([o, max(o, price) * 1.0002, min(o, price) * 0.9998, price, rng.uniform(1, 3)])
    return made


def hours(path: Path, rows: list[Row], step: int = 5, minute: Callable[[int], int] = lambda i: i) -> Data:
    """The hours of such bars."""
    lines = [f"{START + dt.timedelta(minutes=minute(i) * step):%Y-%m-%d %H:%M},{','.join(f'{x:.6f}' for x in row)}"
             for i, row in enumerate(rows)]  # fmt: skip
    return data.load(put(path / "b", "\n".join([HEADER, *lines]) + "\n"), Reading(resample=True))


def test_what_is_mended_in_finer_bars_is_counted(tmp_path: Path) -> None:
    rows = bars()
    for i in range(0, 90, 9):
        rows[i][1], rows[i][2] = rows[i][2], rows[i][1]
    loaded = hours(tmp_path, [*rows, *rows[:50]], minute=lambda i: i % len(rows))
    mended = {name: count for name, count in loaded.repairs.items() if count}
    assert mended == {"swapped_high_low": 10, "duplicates": 50, "unordered": 1}
    assert len(loaded.bars) == HOURS


def test_a_part_of_each_hour_from_another_series_is_refused(tmp_path: Path) -> None:
    rows = bars()
    for i in range(len(rows)):
        if 4 <= i % 12 < 8:
            rows[i][:4] = [x * 1.5 for x in rows[i][:4]]
    with pytest.raises(InputError, match=r"line 6: Open is .* \(line 5\), and 419 more bars don't begin where"):
        hours(tmp_path, rows)


def test_bars_at_wrong_times_within_their_hours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more bars don't begin where the one before ended"):
        hours(tmp_path, bars(1), 1, minute=lambda i: i - i % 60 + i % 60 * 7 % 60)


def test_a_few_bars_of_another_unit_are_refused(tmp_path: Path) -> None:
    rows = bars()
    for i in (100, 101):
        rows[i][:4] = [x * 3 for x in rows[i][:4]]
    with pytest.raises(InputError, match=r"line 102: Open is .* 3(\.\d+)? times as much"):
        hours(tmp_path, rows)


@pytest.mark.parametrize(("step", "bounce"), [(1, 0.002), (5, 0.0), (5, 0.002), (30, 0.001)])
def test_trades_between_bid_and_ask_are_no_jumps(tmp_path: Path, step: int, bounce: float) -> None:
    assert len(hours(tmp_path, bars(step, bounce), step).bars) == HOURS


def test_bars_of_single_trades_make_hours(tmp_path: Path) -> None:
    """Each bar is one trade, at the bid or at the ask."""
    rng, rows = random.Random(2), []
    for _ in range(HOURS * 12):
        price = 100 * rng.choice((0.997, 1.003))
        rows.append([price, price, price, price, 1.0])
    assert len(hours(tmp_path, rows).bars) == HOURS


def test_a_coarse_step_of_the_price_is_no_jump(tmp_path: Path) -> None:
    """A coin of some 12 steps of the price: most minutes have one price, and the next is often a step away."""
    rng, tick, price, rows = random.Random(3), 0.01, 12, []
    for _ in range(HOURS * 60):
        o = min(max(price + rng.choices((-1, 0, 1), (1, 18, 1))[0], 10), 14)
        price = min(max(o + rng.choices((-1, 0, 1), (1, 18, 1))[0], 10), 14)
        rows.append([o * tick, max(o, price) * tick, min(o, price) * tick, price * tick, rng.uniform(1, 3)])
    assert len(hours(tmp_path, rows, 1).bars) == HOURS
