"""Whole numbers whose thousands are marked with points: refused, unlike decimals that have three digits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from model import data
from model.errors import InputError
from tests.model.lines import HEADER, hour
from tests.model.test_files import put

Written = Callable[[float], str]


def whole(x: float) -> str:
    """As a spreadsheet shows whole numbers in German: 30.152, and 612."""
    return f"{x:,.0f}".replace(",", ".")


def file(number: Written, amount: Written, price: float) -> str:
    rng, lines = random.Random(5), [HEADER.replace(",", ";")]
    for i in range(300):
        after = price * (1 + rng.gauss(0, 0.003))
        bar = (price, max(price, after) * 1.002, min(price, after) * 0.998, after)
        lines.append(";".join([hour(i), *map(number, bar), amount(rng.uniform(200, 4000))]))
        price = after
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("price", [30_000, 1_000])
def test_whole_numbers_with_points_are_refused(tmp_path: Path, price: float) -> None:
    """Read as decimals they were a thousandth, those below 1,000 aside."""
    with pytest.raises(InputError, match=r"line 2, column Open: '.*\.\d{3}' may be a decimal number or have thousands"):
        data.load(put(tmp_path / "b", file(whole, whole, price)))


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        (lambda x: f"{x:.3f}", lambda x: f"{x:.3f}"),  # three decimals everywhere
        (lambda x: f"{x:.3f}", lambda x: f"{x / 10:.0f}"),  # and whole volumes below 1,000
        (lambda x: f"{x:.3f}", lambda x: "0"),  # and no volumes, as in HistData's files of JPY
        (lambda x: f"{x:.3f}", lambda x: "0" if x < 3000 else f"{x / 1000:.3f}"),
        (lambda x: f"{x:.3f}", lambda x: f"{x:.0f}"),
        (lambda x: f"{round(x, 3)}", lambda x: f"{round(x / 1000, 3):g}"),  # without the zeros at the end
        (lambda x: f"{x:.2f}", lambda x: f"{x / 10:.0f}"),
        (lambda x: f"{x / 100:.3f}", lambda x: f"{x / 1000:.3f}" if x < 3000 else f"{x / 1000:.0f}"),
        (lambda x: f"{x:.0f}", lambda x: f"{x / 10:.0f}"),
    ],
)
def test_decimals_of_three_digits_are_read(tmp_path: Path, number: Written, amount: Written) -> None:
    written = number(150.0)
    loaded = data.load(put(tmp_path / "b", file(number, amount, 150.0)))
    assert loaded.bars.open[0] == float(written)
