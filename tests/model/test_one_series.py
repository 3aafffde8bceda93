"""Files in which there are bars of several lengths: refused, unlike a bar that was written again when it was over."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pandas as pd
import pytest

from model import data, parquet
from model.errors import InputError
from tests.model.lines import HEADER
from tests.model.test_files import put
from tests.model.test_plausible import START, N, Row, rows, text


def longer(bars: list[Row], hours: int) -> dict[int, Row]:
    """Bars of so many hours, by the first of them."""
    made = {}
    for i in range(0, len(bars) - hours + 1, hours):
        part = bars[i : i + hours]
        highs, lows = [b[1] for b in part], [b[2] for b in part]
        made[i] = [part[0][0], max(highs), min(lows), part[-1][3], sum(b[4] for b in part)]
    return made


def line(hour: int, bar: Row) -> str:
    return f"{START + dt.timedelta(hours=hour):%Y-%m-%d %H:%M},{','.join(f'{x:.6f}' for x in bar)}"


@pytest.mark.parametrize("hours", [2, 4, 24, 168])
def test_bars_of_two_lengths_in_one_file_are_refused(tmp_path: Path, hours: int) -> None:
    mixed = text(rows()) + "\n".join(line(i, bar) for i, bar in longer(rows(), hours).items()) + "\n"
    with pytest.raises(InputError, match=r"lines 2 and 402: .*line 402 .*it is of a longer interval"):
        data.load(put(tmp_path / "b", mixed))


def test_files_of_two_lengths_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name, bars in (("1h", dict(enumerate(rows()))), ("4h", longer(rows(), 4))):
        frame = pd.DataFrame(list(bars.values()), columns=HEADER.split(",")[1:])
        frame.insert(0, "Open time", [pd.Timestamp(START) + pd.Timedelta(hours=i) for i in bars])
        (tmp_path / f"{name}.parquet").write_bytes(parquet.encode(frame))
    with pytest.raises(InputError, match="of a longer interval"):
        data.load_uri(str(tmp_path))


def test_files_of_a_folder_without_rows_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows(), columns=HEADER.split(",")[1:])
    frame.insert(0, "Open time", [pd.Timestamp(START) + pd.Timedelta(hours=i) for i in range(N)])
    frame.iloc[:0].to_parquet(tmp_path / "part-0.parquet", engine="pyarrow")
    with pytest.raises(InputError, match=r"part-0.parquet: it has no rows: remove the file"):
        data.load_uri(str(tmp_path))
    frame.to_parquet(tmp_path / "part-1.parquet", engine="pyarrow")
    assert len(data.load_uri(str(tmp_path)).bars) == N


def test_two_intervals_in_a_column_are_refused(tmp_path: Path) -> None:
    for title in ("interval", "Timeframe", "resolution", "period"):
        one, two = text(rows()).splitlines(), [line(i, bar) for i, bar in longer(rows(), 2).items()]
        mixed = [f"{one[0]},{title}", *(f"{each},1h" for each in one[1:]), *(f"{each},2h" for each in two)]
        with pytest.raises(InputError, match="line 402: bars of '2h' after those of '1h'"):
            data.load(put(tmp_path / "b", "\n".join(mixed) + "\n"))


def test_days_before_the_hours_are_refused(tmp_path: Path) -> None:
    bars = rows()
    days = list(longer(bars[:240], 24).items())
    lines = [HEADER, *(line(i, bar) for i, bar in days), *(line(i, bar) for i, bar in enumerate(bars) if i >= 240)]
    more = [line(N + i, [x * bars[-1][3] / bars[0][0] for x in bar[:4]] + [bar[4]]) for i, bar in enumerate(rows() * 2)]
    with pytest.raises(InputError, match="line 2 to line 12: bars are 1 days 00:00:00 apart, unlike the others"):
        data.load(put(tmp_path / "b", "\n".join([*lines, *more]) + "\n"))


def test_a_symbol_that_changes_with_the_prices_is_refused_and_a_mere_name_is_not(tmp_path: Path) -> None:
    """One row after another, so that no time is there twice."""
    for factor in (1.0, 1.08):
        header, *lines = text([[x * (factor if i >= 200 and k < 4 else 1) for k, x in enumerate(bar)]
                               for i, bar in enumerate(rows())]).splitlines()  # fmt: skip
        named = [f"{header},symbol", *(f"{row},{'MATIC' if i < 200 else 'POL'}" for i, row in enumerate(lines))]
        path = put(tmp_path / "b", "\n".join(named) + "\n")
        if factor == 1:
            assert len(data.load(path).bars) == N
        else:
            with pytest.raises(InputError, match="line 202: prices of 'POL' after those of 'MATIC'"):
                data.load(path)


def test_a_symbol_that_is_renamed_after_a_halt_is_no_other_series(tmp_path: Path) -> None:
    """Six hours later the price is another 3 % away, as it well may be."""
    moved = [[x * (1.03 if i >= 200 and k < 4 else 1) for k, x in enumerate(bar)] for i, bar in enumerate(rows())]
    header, *lines = text(moved, lambda i: i + 6 * (i >= 200)).splitlines()
    named = [f"{header},symbol", *(f"{row},{'MATIC' if i < 200 else 'POL'}" for i, row in enumerate(lines))]
    assert len(data.load(put(tmp_path / "b", "\n".join(named) + "\n")).bars) == N + 6


def test_a_period_that_is_no_length_of_bars_is_not_used(tmp_path: Path) -> None:
    """The hour of a session: it is another one where the price jumps, too."""
    header, *lines = text([[x * (1.05 if i >= 200 and k < 4 else 1) for k, x in enumerate(bar)]
                           for i, bar in enumerate(rows())]).splitlines()  # fmt: skip
    for form in ("{}", "P{}", "session {}"):
        named = [f"{header},period", *(f"{row},{form.format(i % 24 + 1)}" for i, row in enumerate(lines))]
        assert len(data.load(put(tmp_path / "b", "\n".join(named) + "\n")).bars) == N


def test_hours_that_were_written_before_they_were_over_are_no_second_length(tmp_path: Path) -> None:
    """Each hour as it was after some minutes, and as it was in the end, with Opens a little beside the Closes."""
    rng, lines = random.Random(3), [HEADER]
    bars = rows()
    for bar in bars[1:]:
        bar[0] *= 1 + rng.gauss(0, 0.0002)
        bar[1], bar[2] = max(bar[0], bar[1]), min(bar[0], bar[2])
    for i, (o, h, low, c, v) in enumerate(bars):
        early = o + (c - o) * rng.random()
        lines += [line(i, [o, max(o, early), min(o, early), early, v / 3]), line(i, [o, h, low, c, v])]
    loaded = data.load(put(tmp_path / "b", "\n".join(lines) + "\n"))
    assert (loaded.repairs["duplicates"], loaded.repairs["jumps"]) == (N, 0)
    assert loaded.bars.close[5] == pytest.approx(bars[5][3])


def test_hours_that_a_poller_wrote_several_times_are_no_second_length(tmp_path: Path) -> None:
    """A quiet series with coarse prices: an early row ends by chance where the next bar opens."""
    rng, tick, price, lines = random.Random(4), 1e-5, 1.1, [HEADER]
    for i in range(N):
        o = price = round(price + rng.choice((-1, 0, 1)) * tick, 5)
        path = [o]
        for _ in range(4):
            price = round(price * (1 + rng.gauss(0, 0.0004)), 5)
            path.append(price)
            if 1 < len(path) < 5:
                lines.append(line(i, [o, max(path), min(path), price, 1.0 * len(path)]))
    loaded = data.load(put(tmp_path / "b", "\n".join(lines) + "\n"))
    assert (loaded.repairs["duplicates"], len(loaded.bars)) == (2 * N, N)
