"""Whether bars can be of one series of prices: what a repair wouldn't see.

On seven years of hourly prices of Bitcoin no Open was further than 0.5 % from the Close before it, and no hour moved by
more than a fifth. So what is refused here is an error of the file; what is only strange is counted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.bars import PRICES
from model.errors import InputError

HOUR = np.timedelta64(3600, "s")
TIMES = 2.0
"""An Open that is so many times the Close of the hour before, or less than one over it, is of another unit."""
TIMES_AFTER_GAP = 5.0
"""As `TIMES`, after missing hours."""
WIDE = 3.0
"""An Open further from the Close before than so many usual hours' ranges, and than `JUMP`, is a jump."""
JUMP = 0.01
WIDEST = 0.9
"""Of bars finer than an hour, the range that this share of them doesn't exceed counts as usual."""
FEW_STEPS = 2.5
"""Of bars finer than an hour, an Open no further than so many of the price's steps from the Close before is no jump."""
MAX_JUMPS = 0.01
"""More jumps than this share of all hours: the rows aren't in the order of their times."""
MIXED = "don't begin where the one before ended: the rows' times are wrong, or prices of several series are mixed"
MADE_UP = (
    "are the one before again, or lie half way between their neighbours: they were filled in (as by pandas' ffill or "
    "interpolate), or are longer bars, written for each hour: leave such rows out"
)
MAX_FILLED = 0.01
"""More bars that were filled in than this share are refused."""
HALF_WAY = 0.001
"""A value lies half way between its neighbours if it is off by no more than this share of their distance."""
MIN_ORDER = 100
"""So many bars show whether they are in order."""
BACK = 5.0
"""Bars go backwards if a Close is usually so many times nearer to the Open before than an Open to the Close before."""
MAX_FLAT = 0.5
"""More bars of one price than this share: they aren't bars."""
WICK = 5.0
"""A High or Low that is so many times further than Open and Close is counted."""
WEEK = 168
STEP = 9.0
"""A change of the median volume by so many times is counted. The end of free trading in 2023 made it 8.3 at Binance."""
SAME = 0.001
"""Two records of one close may differ by this share."""
POWERS = (10.0, 100.0, 1000.0, 1e6)


def finer(rows: pd.DataFrame, apart: np.timedelta64, is_part: bool = False) -> None:
    """Look at bars that are `apart`, a part of an hour, before hours are made of them: an hour hides what is in it.

    Raises:
        InputError: the rows can't be bars of one series; names lines.
    """
    rows = rows[~((rows["volume"] == 0) & (rows["high"] == rows["low"]))]
    if len(rows) < 2:
        return
    o, h, low, c = (rows[name].to_numpy() for name in PRICES)
    lines = rows.index.to_numpy()
    follows = np.diff(rows["time"].to_numpy()) == apart
    _units(o, c, follows, lines)
    _within(o, c, lines)
    _arranged(o, c, follows, lines)
    ranges = np.log(h / low)
    # Where most bars are of one trade, their range is none, and the next trade is a spread away.
    single = (ranges == 0).mean() > MAX_FLAT
    jump = JUMP if single else max(JUMP * float(np.sqrt(apart / HOUR)), WIDE * float(np.quantile(ranges, WIDEST)))
    far = follows & (np.abs(np.log(o[1:] / c[:-1])) > jump)
    # Of a coin that is worth few steps of its price, one step is more than that.
    far &= np.abs(o[1:] - c[:-1]) > FEW_STEPS * _step(o, h, low, c)
    _refuse_many(far, o, c, follows, lines, "bars", is_part)


def check(rows: pd.DataFrame, repairs: dict[str, int], is_part: bool = False) -> None:
    """Look at rows in order of time.

    Counts ``jumps``, ``filled_in``, ``long_wicks``, ``spring_gaps`` and ``volume_steps``.

    Of a part of the data single bars are refused, and not what many or all of its bars are.

    Raises:
        InputError: the rows can't be bars of one series; names lines.
    """
    rows = rows[~((rows["volume"] == 0) & (rows["high"] == rows["low"]))]
    if rows.empty:
        return
    o, h, low, c = (rows[name].to_numpy() for name in PRICES)
    time = rows["time"].to_numpy()
    lines = rows.index.to_numpy()
    if c.max() == c.min() and not is_part:
        raise InputError(f"line {lines[0]} to line {lines[-1]}: the price is {c[0]:g} in all rows: nothing to forecast")
    flat = h == low
    if flat.mean() > MAX_FLAT and not is_part:
        raise InputError(
            f"line {lines[flat][0]}: High is Low in {flat.mean():.0%} of the rows: these are single prices and not "
            "bars, and nothing is known about the range within an hour"
        )
    next_hour = np.diff(time) == HOUR
    _units(o, c, next_hour, lines)
    _within(o, c, lines)
    _decimals(h, low, np.maximum(o, c), np.minimum(o, c), lines)
    _arranged(o, c, next_hour, lines)
    filled = _filled(o, h, low, c, rows["volume"].to_numpy(), next_hour)
    repairs["filled_in"] = int(filled.sum())
    if not is_part and too_many_filled(repairs["filled_in"], len(rows)):
        raise InputError(f"line {lines[filled][0]}: {repairs['filled_in']} of {len(rows)} hours {MADE_UP}")
    far = _jumps(o, c, h, low, next_hour)
    repairs["jumps"] = int(far.sum())
    _refuse_many(far, o, c, next_hour, lines, "hours", is_part)
    repairs["long_wicks"] = int(((h > WICK * np.maximum(o, c)) | (low < np.minimum(o, c) / WICK)).sum())
    repairs["spring_gaps"] = _spring_gaps(time)
    repairs["volume_steps"] = _volume_steps(rows["volume"].to_numpy())


Floats = npt.NDArray[np.float64]


def _units(o: Floats, c: Floats, next_hour: npt.NDArray[np.bool_], lines: npt.NDArray[np.int64]) -> None:
    """Refuse an Open that is many times the Close before: another unit, or a bar of something else."""
    ratio = o[1:] / c[:-1]
    times = np.maximum(ratio, 1 / ratio)
    bad = np.flatnonzero(times >= np.where(next_hour, TIMES, TIMES_AFTER_GAP))
    if not len(bad):
        return
    at = int(bad[0])
    further = len(bad) - 1
    power = next((p for p in POWERS if abs(times[at] / p - 1) < 0.2), None)
    factor = f"some {power:,.0f} times" if power else f"{times[at]:.3g} times"
    way = f"{factor} as much" if ratio[at] > 1 else f"{factor} less"
    single = len(bad) > 1 and bad[1] == at + 1
    why = "a bar of another unit" if single else "the unit changes here, or these are two series"
    also = f" (and {further} more such jumps)" if further else ""
    raise InputError(
        f"line {lines[at + 1]}: Open is {o[at + 1]:g} after a Close of {c[at]:g} (line {lines[at]}), {way}: {why}{also}"
    )


def _within(o: Floats, c: Floats, lines: npt.NDArray[np.int64]) -> None:
    """Refuse a bar whose Close is a power of ten times its Open, or the other way round.

    The Open after it would show it, too, but the first bar has none before and the last one none after it.
    """
    if outlier := _power_of_ten(np.maximum(c / o, o / c), 0.2):
        at, power = outlier
        raise InputError(
            f"line {lines[at]}: Close is {c[at]:g} and Open {o[at]:g}, some {power:,.0f} times apart: the decimal "
            "point of one seems to be at another place"
        )


def _decimals(h: Floats, low: Floats, top: Floats, bottom: Floats, lines: npt.NDArray[np.int64]) -> None:
    """Refuse a High or Low whose decimal point is at another place."""
    for name, times, value in (("High", h / top, h), ("Low", bottom / low, low)):
        if outlier := _power_of_ten(times, 0.03):
            at, power = outlier
            raise InputError(
                f"line {lines[at]}: {name} is {value[at]:g}, {power:,.0f} times off Open and Close: its decimal "
                "point seems to be at another place"
            )


def _power_of_ten(times: Floats, near: float) -> tuple[int, float] | None:
    """The first place at which `times` is one of `POWERS`, give or take a share `near`, and that power."""
    for power in POWERS:
        shifted = np.flatnonzero(np.abs(times / power - 1) < near)
        if len(shifted):
            return int(shifted[0]), power
    return None


def _arranged(o: Floats, c: Floats, follows: npt.NDArray[np.bool_], lines: npt.NDArray[np.int64]) -> None:
    """Refuse bars that go backwards, and averages of bars (Heikin-Ashi), whose Opens lie within the bar before."""
    at = np.flatnonzero(follows)
    if len(at) < MIN_ORDER:
        return
    gap, back = (float(np.median(np.abs(np.log(x[at + 1] / y[at])))) for x, y in ((o, c), (c, o)))
    first = at[0]
    if back * BACK < gap:
        raise InputError(
            f"line {lines[first + 1]}: Close is {c[first + 1]:g} after an Open of {o[first]:g} (line {lines[first]}), "
            "and usually each bar ends where the one before began: the prices are in reverse order of the times, or "
            "Open and Close are exchanged"
        )
    body = c[at] - o[at]
    near = np.abs(o[at + 1] - (o[at] + c[at]) / 2) <= HALF_WAY * np.abs(body)
    if (body != 0).sum() >= MIN_ORDER and near[body != 0].mean() > 0.9:
        raise InputError(
            f"line {lines[first + 1]}: Open is {o[first + 1]:g}, half way between the Open and Close before, and "
            "so are most: these are averages (Heikin-Ashi) and not prices: export plain candles"
        )


def _filled(
    o: Floats, h: Floats, low: Floats, c: Floats, volume: Floats, follows: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which bars are the one before again, or lie half way between their neighbours, in prices and volume."""
    again, between = follows.copy(), follows[1:] & follows[:-1]
    volume = np.nan_to_num(volume)
    for values in (o, h, low, c, volume):
        step = np.diff(values)
        again &= step == 0
        between &= np.abs(np.diff(step)) <= HALF_WAY * np.abs(step[1:] + step[:-1])
    if volume.any():  # what is interpolated is so in all columns; a volume that stays is no sign of it
        between &= np.diff(volume)[1:] != 0
    filled = np.zeros(len(o), dtype=np.bool_)
    if again.any() or between.any():
        few = FEW_STEPS * _step(o, h, low, c)  # of a coin that is worth few steps of its price, bars are often alike
        filled[1:] = again & (h[1:] - low[1:] > few)
        filled[1:-1] |= between & (np.abs(c[2:] - c[:-2]) > few)
    return filled


def _step(*prices: Floats) -> float:
    """The least distance of two different prices; infinite if there is one."""
    return float(np.diff(np.unique(np.concatenate(prices))).min(initial=np.inf))


def too_many_filled(filled: int, hours: int) -> bool:
    """Whether so many hours were filled in that a model would learn how that was done."""
    return filled > max(3, MAX_FILLED * hours)


def too_many_jumps(jumps: int, hours: int) -> bool:
    """Whether rows are at wrong times: so many of the hours that follow another don't begin where that one ended."""
    return jumps > max(3, MAX_JUMPS * max(1, hours))


def _jumps(o: Floats, c: Floats, h: Floats, low: Floats, next_hour: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which Opens but the first are far from the Close of the hour before."""
    usual = float(np.median(np.log(h / low)))
    return np.asarray(next_hour & (np.abs(np.log(o[1:] / c[:-1])) > max(JUMP, WIDE * usual)))


def _refuse_many(
    far: npt.NDArray[np.bool_],
    o: Floats,
    c: Floats,
    follows: npt.NDArray[np.bool_],
    lines: npt.NDArray[np.int64],
    unit: str,
    is_part: bool,
) -> None:
    """Refuse bars of which too many begin `far` from where the one before ended; of a part it isn't known."""
    if not is_part and too_many_jumps(int(far.sum()), int(follows.sum())):
        at = int(np.flatnonzero(far)[0])
        raise InputError(
            f"line {lines[at + 1]}: Open is {o[at + 1]:g} after a Close of {c[at]:g} (line {lines[at]}), and "
            f"{int(far.sum()) - 1} more {unit} {MIXED}"
        )


def _volume_steps(volume: Floats) -> int:
    """How often a week's median volume is many times that of two weeks before, or a small part of it.

    A change of the volume's unit looks so, and so does a change of the exchange's fees: it is for the reader to say.
    """
    weeks = len(volume) // WEEK
    whole = np.nan_to_num(volume[: weeks * WEEK]).reshape(weeks, WEEK)
    medians = np.median(whole, axis=1)
    with np.errstate(all="ignore"):
        ratio = medians[2:] / medians[:-2]
        far = (ratio >= STEP) | (ratio <= 1 / STEP)
    return int((far & ~np.append(False, far[:-1])).sum()) if len(far) else 0


def _spring_gaps(time: npt.NDArray[np.datetime64]) -> int:
    """How often exactly the hour is missing that clocks leave out in spring, if it is at each of them.

    Such times are local ones, though nothing else shows it.
    """
    stamps = pd.DatetimeIndex(time)
    gaps = stamps[:-1][np.diff(time) == 2 * HOUR] + pd.Timedelta(hours=1)
    sundays = {
        g.year
        for g in gaps
        if g.month == 3 and g.day_of_week == 6 and g.hour in (1, 2, 3) and (g.day >= 25 or 8 <= g.day <= 14)
    }
    years = {
        year
        for year in range(stamps[0].year, stamps[-1].year + 1)
        if stamps[0] < pd.Timestamp(year, 3, 8) and stamps[-1] > pd.Timestamp(year, 4, 1)
    }
    return len(sundays) if years and years <= sundays else 0
