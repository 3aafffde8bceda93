"""Bars that can't be of one series: refused with rows, or counted where they do no harm."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import itertools
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model import data, files, header
from model.errors import InputError
from model.reading import Reading
from tests.model.lines import HEADER
from tests.model.test_files import put

N = 400
START = dt.datetime(2023, 1, 1)
Row = list[float]


def rows() -> list[Row]:
    """Open, High, Low, Close, Volume of each hour."""
    rng, price, made = random.Random(1), 30_000.0, []
    for _ in range(N):
        after = price * (1 + rng.gauss(0, 0.004))
        made.append([price, max(price, after) * 1.001, min(price, after) * 0.999, after, rng.uniform(10, 500)])
        price = after
    return made


def text(bars: list[Row], hour: Callable[[int], int] = lambda i: i) -> str:
    lines = [f"{START + dt.timedelta(hours=hour(i)):%Y-%m-%d %H:%M},{','.join(f'{x:.6f}' for x in b)}"
             for i, b in enumerate(bars)]  # fmt: skip
    return "\n".join([HEADER, *lines]) + "\n"


def scaled(places: range, factor: float, *columns: int) -> list[Row]:
    made = rows()
    for i in places:
        for column in columns or (0, 1, 2, 3):
            made[i][column] *= factor
    return made


@pytest.mark.parametrize("factor", [0.001, 0.01, 0.1, 10, 100, 1000, 1e6, 3])
def test_a_change_of_unit_is_refused_with_its_line(tmp_path: Path, factor: float) -> None:
    with pytest.raises(
        InputError, match=r"line 202: Open is .* after a Close of .* \(line 201\).*the unit changes here"
    ):
        data.load(put(tmp_path / "b", text(scaled(range(200, N), factor))))


@pytest.mark.parametrize("factor", [0.1, 10, 100])
def test_a_change_of_unit_across_a_gap(tmp_path: Path, factor: float) -> None:
    with pytest.raises(InputError, match="line 202: Open is"):
        data.load(put(tmp_path / "b", text(scaled(range(200, N), factor), lambda i: i if i < 200 else i + 30)))


@pytest.mark.parametrize("factor", [0.1, 10, 100])
def test_a_single_bar_ten_times_off_is_refused(tmp_path: Path, factor: float) -> None:
    with pytest.raises(InputError, match=r"line 152: .*a bar of another unit"):
        data.load(put(tmp_path / "b", text(scaled(range(150, 151), factor))))


def test_a_close_ten_times_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 153: Open is .* after a Close of .* \(line 152\), some 10 times less"):
        data.load(put(tmp_path / "b", text(scaled(range(150, 151), 10, 1, 3))))


@pytest.mark.parametrize(
    ("column", "factor", "name"), [(1, 10, "High"), (1, 1000, "High"), (2, 0.1, "Low"), (2, 0.01, "Low")]
)
def test_an_extreme_with_its_point_elsewhere_is_refused(tmp_path: Path, column: int, factor: float, name: str) -> None:
    with pytest.raises(InputError, match=f"line 152: {name} is .* decimal point"):
        data.load(put(tmp_path / "b", text(scaled(range(150, 151), factor, column))))


def test_a_flash_crash_is_counted(tmp_path: Path) -> None:
    """Low at an eighth of the price for a moment, as some exchanges had it."""
    loaded = data.load(put(tmp_path / "b", text(scaled(range(150, 151), 1 / 8, 2))))
    assert loaded.repairs["long_wicks"] == 1


def test_days_that_are_mixed_up_are_refused(tmp_path: Path) -> None:
    days = list(range(N // 24))
    random.Random(2).shuffle(days)
    with pytest.raises(InputError, match=r"more hours don't begin where the one before ended"):
        data.load(put(tmp_path / "b", text(rows()[: len(days) * 24], lambda i: days[i // 24] * 24 + i % 24)))


def test_a_jump_or_two_are_counted(tmp_path: Path) -> None:
    loaded = data.load(put(tmp_path / "b", text(scaled(range(200, N), 1.1))))
    assert loaded.repairs["jumps"] == 1


def test_a_fast_market_is_no_error(tmp_path: Path) -> None:
    """A fall to a twentieth within two days, each hour beginning where the last one ended."""
    price, made = 100.0, rows()
    for i in range(200, 250):
        after = price * 0.94
        made[i] = [price, price * 1.01, after * 0.99, after, 5]
        price = after
    scale = made[199][3] / 100
    for i in range(200, 250):
        made[i] = [x * scale for x in made[i][:4]] + [5]
    fall = made[249][3] / made[250][0]
    for i in range(250, N):
        made[i] = [x * fall for x in made[i][:4]] + [5]
    assert data.load(put(tmp_path / "b", text(made))).repairs["jumps"] == 0


def test_local_times_are_reported_by_their_spring(tmp_path: Path) -> None:
    """A year of local times whose October hour is gone: nothing shows it but the hour that is missing in March."""

    def local(i: int) -> int:
        spring, autumn = 24 * 84 + 2, 24 * 301 + 2  # 2023-03-26 02:00, 2023-10-29 02:00
        return i + (i >= spring) - (i > autumn)

    bars = [[100 + i % 7, 110, 90, 100 + (i + 1) % 7, 5] for i in range(3000)]
    loaded = data.load(put(tmp_path / "b", text([[float(x) for x in b] for b in bars], local)))
    assert loaded.repairs["spring_gaps"] == 1
    assert data.load(put(tmp_path / "b", text(rows()))).repairs["spring_gaps"] == 0


@pytest.mark.parametrize("factor", [0.001, 10, 1000])
def test_a_change_of_the_volumes_unit_is_counted(tmp_path: Path, factor: float) -> None:
    bars = [list(b) for b in rows() * 3]
    price = 1.0
    for part in (1, 2):  # each third goes on where the last ended
        price *= bars[N - 1][3] / bars[0][0]
        for b in bars[part * N : (part + 1) * N]:
            b[:4] = [x * price for x in b[:4]]
    assert data.load(put(tmp_path / "b", text(bars))).repairs["volume_steps"] == 0
    for b in bars[600:]:
        b[4] *= factor
    assert data.load(put(tmp_path / "b", text(bars))).repairs["volume_steps"] == 1


def long() -> list[Row]:
    """As `rows`, three times as many."""
    rng, price, made = random.Random(2), 30_000.0, []
    for _ in range(3 * N):
        after = price * (1 + rng.gauss(0, 0.004))
        wicks = 1 + rng.uniform(0, 0.002), 1 - rng.uniform(0, 0.002)
        made.append([price, max(price, after) * wicks[0], min(price, after) * wicks[1], after, rng.uniform(10, 500)])
        price = after
    return made


def filled(bars: list[Row], share: float, between: bool, backwards: bool = False) -> list[Row]:
    """Bars of which a share is missing, filled in as pandas' ffill, bfill and interpolate do."""
    rng = random.Random(3)
    kept = [i for i in range(len(bars)) if i in (0, len(bars) - 1) or rng.random() > share]
    made: list[Row] = []
    for a, b in itertools.pairwise(kept):
        for i in range(a, b):
            w = (i - a) / (b - a) if between else float(backwards and i > a)
            made.append([x + (y - x) * w for x, y in zip(bars[a], bars[b], strict=True)])
    return made


def exchanged(bars: list[Row]) -> list[Row]:
    return [[b[3], b[1], b[2], b[0], b[4]] for b in bars]


def averaged(bars: list[Row]) -> list[Row]:
    """Heikin-Ashi bars."""
    made: list[Row] = []
    for o, h, low, c, v in bars:
        first, last = (sum(made[-1][i] for i in (0, 3)) / 2 if made else o), (o + h + low + c) / 4
        made.append([first, max(h, first, last), min(low, first, last), last, v])
    return made


def without_volume(bars: list[Row]) -> list[Row]:
    return [[*b[:4], 0] for b in bars]


FILLED = r"line \d+: \d+ of \d+ hours are the one before again, or lie half way .*they were filled in"
MADE_UP: dict[str, tuple[Callable[[], list[Row]], str]] = {
    "filled forwards": (lambda: filled(long(), 0.1, between=False), FILLED),
    "filled backwards": (lambda: filled(long(), 0.1, between=False, backwards=True), FILLED),
    "interpolated": (lambda: filled(long(), 0.1, between=True), FILLED),
    "interpolated, without volume": (lambda: without_volume(filled(long(), 0.1, between=True)), FILLED),
    "bars of four hours, repeated": (lambda: [b for b in long() for _ in range(4)], FILLED),
    "days, interpolated": (lambda: filled(long(), 23 / 24, between=True), FILLED),
    "in reverse order": (lambda: long()[::-1], "line 3: .* each bar ends where the one before began"),
    "open and close exchanged": (lambda: exchanged(long()), "line 3: .* each bar ends where the one before began"),
    "heikin-ashi": (lambda: averaged(long()), "line 3: .*Heikin-Ashi"),
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_bars_that_nobody_traded_are_refused(tmp_path: Path, kind: str) -> None:
    make, message = MADE_UP[kind]
    with pytest.raises(InputError, match=message):
        data.load(put(tmp_path / "b", text(make())))


def test_a_few_hours_that_were_filled_in_are_counted(tmp_path: Path) -> None:
    bars = long()
    bars[100] = list(bars[99])
    bars[301] = [(a + b) / 2 for a, b in zip(bars[300], bars[302], strict=True)]
    assert data.load(put(tmp_path / "b", text(bars))).repairs["filled_in"] == 2
    assert data.load(put(tmp_path / "b", text(long()))).repairs["filled_in"] == 0


def test_a_smooth_price_is_not_taken_for_one_that_was_filled_in(tmp_path: Path) -> None:
    """Whoever fills in hours does so in all columns: here the volume stays."""
    closes = [100 + 0.1 * i for i in range(3 * N + 1)]
    bars: list[Row] = [[a, b + 0.05, a - 0.05, b, 7] for a, b in itertools.pairwise(closes)]
    assert data.load(put(tmp_path / "b", text(bars))).repairs["filled_in"] == 0


@pytest.mark.parametrize("volume", [0, 5])
def test_coins_of_few_steps_repeat_themselves(tmp_path: Path, volume: int) -> None:
    """A price of 0.00000012 has so few values that bars are often the same, and half way between others."""
    rng, price, bars = random.Random(4), 12, []
    for _ in range(3 * N):
        after = min(14, max(10, price + rng.choice((-1, 0, 0, 1))))
        bars.append([price, max(price, after, price + rng.choice((0, 1))), min(price, after), after, volume * 1e6])
        bars[-1][1] += bars[-1][1] == bars[-1][2]
        price = after
    loaded = data.load(put(tmp_path / "b", text([[*(x * 1e-6 for x in b[:4]), b[4]] for b in bars])))
    assert loaded.repairs["filled_in"] == 0


REAL = os.environ.get("BTC_DATA", "")


@pytest.mark.skipif(not REAL, reason="real data isn't in the project: set BTC_DATA to an hourly BTC file")
def test_real_prices_show_nothing_strange() -> None:
    loaded = data.load(Path(REAL))
    assert not {"jumps", "filled_in", "long_wicks", "spring_gaps", "volume_steps", "unordered"} & {
        k for k, v in loaded.repairs.items() if v
    }
    b = loaded.bars
    assert np.nanmax(np.abs(b.open[1:] / b.close[:-1] - 1)) < 0.005


# Limits.


@pytest.mark.long
def test_a_line_of_100_000_columns_ends_early(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1 has more than 1,000 columns"):
        data.load(put(tmp_path / "b", ",".join(f"c{i}" for i in range(100_000)) + "\n" + "1," * 100_000))
    with pytest.raises(InputError, match="a line of more than 100,000 characters"):
        data.load(put(tmp_path / "b", HEADER + "\n" + "1" * 200_000 + "\n"))
    with pytest.raises(InputError, match="line 2 has more than 1,000 columns"):
        data.load(put(tmp_path / "b", HEADER + "\n" + "2023-01-01 00:00:00," + "1," * 20_000 + "\n"))
    assert header.MAX_COLUMNS == 1000


def bomb(size: int) -> bytes:
    """A gzip file that unpacks to `size` bytes of rows."""
    out = io.BytesIO()
    with gzip.open(out, "wb", compresslevel=9) as file:
        file.write(f"{HEADER}\n".encode())
        row = b"2023-01-01 00:00:00,1,2,1,2,3\n" * 40_000
        for _ in range(size // len(row)):
            file.write(row)
    return out.getvalue()


def test_a_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    raw = bomb(6_000_000)
    with pytest.raises(InputError, match=r"up to 5,000,000 bytes \(unpacked\) are read.*set MAX_DATA_BYTES"):
        data.load(put(tmp_path / "b", raw), Reading(max_bytes=5_000_000))


def test_a_bomb_ends_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FREE", 1_000_000)
    monkeypatch.setattr(files, "MAX_RATIO", 50)
    with pytest.raises(InputError, match=r"unpacks to more than 50 times its"):
        data.load(put(tmp_path / "b", bomb(6_000_000)))


def test_a_bomb_that_hides_its_size_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of several gzip members is small, so that the size at the end of the file says nothing."""
    monkeypatch.setattr(files, "FREE", 1_000_000)
    monkeypatch.setattr(files, "MAX_RATIO", 50)
    with pytest.raises(InputError, match=r"unpacks to more than 50 times its"):
        data.load(put(tmp_path / "b", bomb(6_000_000) + gzip.compress(b"x")))


def test_a_line_without_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a line of more than 100,000 characters"):
        data.load(put(tmp_path / "b", gzip.compress(HEADER.encode() + b"\n" + b"0" * 3_000_000)))
    row = b"2023-01-01 00:00:00,1,2,1,2,3\n" * 20_000
    with pytest.raises(InputError, match="a line of more than 1,000,000 bytes"):
        data.load(put(tmp_path / "b", gzip.compress(HEADER.encode() + b"\n" + row + b"0" * 3_000_000)))


def test_zip_and_plain_files_have_the_limit_too(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", text(rows()))
    for content in (out.getvalue(), text(rows())):
        with pytest.raises(InputError, match="set MAX_DATA_BYTES"):
            data.load(put(tmp_path / "b", content), Reading(max_bytes=10_000))
