"""Files made so that reading them takes long: each text of theirs is looked at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pandas as pd
import pytest

from model import dates, header
from model.errors import InputError
from model.numerals import Style
from model.reading import Reading
from tests.work import assert_linear


@pytest.mark.parametrize("part", ["(", " ", "_", "a ", "[)"])
def test_a_name_of_a_column(part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: _match(f"x{part * size}!")

    assert_linear(work, 500)


def _match(name: str) -> None:
    with contextlib.suppress(InputError):
        header.match([name, "close"])


@pytest.mark.parametrize("part", [" ", "a", "1,", "1 ", "1", "$ "])
def test_a_value(part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        values = pd.Series([f"1{part * size}!"])
        return lambda: Style().see(values, "close", "close")

    assert_linear(work, 500)


@pytest.mark.parametrize("start", ["2025-01-01", "2025-01-01 12:00", "12:00"])
@pytest.mark.parametrize("part", [" ", "A/", "1"])
def test_a_time(start: str, part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: dates.looks(f"{start}{part * size}!")

    assert_linear(work, 500)


@pytest.mark.parametrize("part", [" ", "A/"])
def test_a_column_of_times(part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: _read_times(f"2025-01-01{part * size}!")

    assert_linear(work, 500)


def _read_times(text: str) -> None:
    with contextlib.suppress(InputError):
        dates.read(pd.Series([text, "2025-01-01 12:00"]), "time", Reading())
