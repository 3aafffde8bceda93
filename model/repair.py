"""Bringing rows into order: what is safe is repaired and counted, the rest is refused.

Safe: order, repeated rows, a last hour that isn't over, High and Low swapped, an extreme
that misses Open or Close by a rounding, hours that are missing (they stay missing).
Not safe, so refused with line and reason: anything that would need a guess about a price.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from model.bars import FLOW, PRICES, Array, Bars
from model.errors import InputError

HOUR = pd.Timedelta(hours=1)
ROUNDING = 1e-4
"""An extreme may miss Open or Close by this share of the price and is then widened."""
MAX_MISSING = 0.2
"""More missing hours than this share of the span is refused."""
STRETCH = 8
"""So many equal steps of `COARSE` or more, one after another, are no gaps."""
COARSE = pd.Timedelta(hours=4)
"""Shorter ones may be hours without a trade."""
MAX_OVER = 0.01
"""The share of rows in which the taker buy volume may be more than the volume."""
FLOW_NAMES = {"trades": "the number of trades", "taker_base": "the taker buy volume"}
USUAL = 0.99
"""The share of Closes that are no further than usual from the next Open."""
LONGER = 0.05
"""More rows kept instead of others than this share that end where no next bar opens: they are longer bars."""


def _refuse(line: object, reason: str, more: int = 0) -> InputError:
    also = f" (and {more} more like it)" if more > 0 else ""
    return InputError(f"line {line}: {reason}{also}")


def hours(rows: pd.DataFrame, is_part: bool = False) -> None:
    """Check that times are whole hours, one after another; of a part of the data the first alone.

    Raises:
        InputError: they aren't, or the bars are of another length.
    """
    off = ((rows["time"].dt.minute != 0) | (rows["time"].dt.second != 0)).to_numpy()
    if off.any():
        line = rows.index[off][0]
        ends = ((rows["time"].dt.minute == 59) & (rows["time"].dt.second >= 58)).mean()
        if ends > 0.5:
            raise _refuse(line, f"{rows['time'][line]} is the end of an hour, as most are: give the hours' starts")
        if off.mean() > 0.5:
            raise _refuse(line, f"{rows['time'][line]} is not a whole hour, nor are most: the bars must be hourly")
        raise _refuse(line, f"{rows['time'][line]} is not a whole hour", int(off.sum()) - 1)
    rows["time"] = rows["time"].dt.floor("h")
    step = rows["time"].sort_values().drop_duplicates().diff().median()
    if len(rows) > 2 and step != HOUR and not is_part:
        few = len(rows["time"].unique()) < len(rows) / 2
        problem = "most times are there more than once" if few or pd.isna(step) else f"bars are {step} apart"
        raise _refuse(rows.index[1], f"{problem}: hourly bars are needed")


def _count(repairs: dict[str, int], **more: int) -> None:
    """Add to counts: finer bars are mended before hours are made of them, and these are looked at again."""
    for name, number in more.items():
        repairs[name] = repairs.get(name, 0) + number


def order(rows: pd.DataFrame, repairs: dict[str, int], apart: pd.Timedelta = HOUR) -> pd.DataFrame:
    """Sort by time and drop repeated hours; counts ``unordered`` and ``duplicates``.

    Of two rows for an hour that agree on Open, the one that covers the other (higher high, lower
    low, more volume) was written later and is kept.

    Raises:
        InputError: two rows for one hour contradict each other, or one is a bar of a longer interval than `apart`.
    """
    unordered = int((np.diff(rows["time"].to_numpy().astype(np.int64)) < 0).sum())
    rows = rows.sort_values(["time", "volume"], kind="stable") if unordered or rows["time"].duplicated().any() else rows
    duplicates = int(rows["time"].duplicated().sum())
    _count(repairs, unordered=unordered, duplicates=duplicates)
    if not duplicates:
        return rows
    rows = rows[~rows.duplicated(subset=["time", *PRICES, "volume"])]
    twice = rows["time"].duplicated(keep=False)
    for _, group in rows[twice].groupby("time"):
        last = group.iloc[-1]
        fits = (
            (group["open"] == last["open"])
            & (group["high"] <= last["high"])
            & (group["low"] >= last["low"])
            & (group["volume"] <= last["volume"])
        )
        same_volume = group["volume"] == last["volume"]
        fits &= ~same_volume | (group["close"] == last["close"])
        if not fits.all():
            lines = " and ".join(str(line) for line in sorted(group.index)[:2])
            raise InputError(
                f"lines {lines}: two different bars for {last['time']:%Y-%m-%d %H:%M} UTC; " + _why_twice(last["time"])
            )
    kept = rows[~rows["time"].duplicated(keep="last")]
    _no_longer(rows, kept, apart)
    return kept


def coarser(rows: pd.DataFrame) -> None:
    """Refuse a stretch of bars, in order of time, that are all as far apart, `COARSE` or more.

    Raises:
        InputError: there is one, as where days were put before hours.
    """
    steps = np.diff(rows["time"].to_numpy())
    start = np.flatnonzero(np.append(True, steps[1:] != steps[:-1])) if len(steps) else np.zeros(0, dtype=np.int64)
    length = np.diff(np.append(start, len(steps)))
    long = (length >= STRETCH) & (steps[start] >= COARSE.to_timedelta64())
    if long.any():
        at, number = int(start[long][0]), int(length[long][0])
        raise InputError(
            f"line {rows.index[at]} to line {rows.index[at + number]}: bars are {pd.Timedelta(steps[at])} apart, "
            "unlike the others: give a file of hourly bars"
        )


def _no_longer(rows: pd.DataFrame, kept: pd.DataFrame, apart: pd.Timedelta) -> None:
    """Refuse rows that were `kept` since they cover others, and are bars of a longer interval.

    A bar that was written later ends about where the next one opens. A longer bar ends elsewhere, and the bar that it
    covers ends there.
    """
    follows = np.append(np.diff(kept["time"].to_numpy()) == apart, False)
    next_open = pd.Series(np.where(follows, np.roll(kept["open"].to_numpy(), -1), np.nan), kept["time"].to_numpy())

    def miss(bars: pd.DataFrame) -> Array:
        return np.asarray(np.abs(bars["close"].to_numpy() / next_open.loc[bars["time"]].to_numpy() - 1))

    with np.errstate(all="ignore"):
        single = miss(kept[~kept["time"].isin(rows["time"][rows["time"].duplicated()]).to_numpy()])
        single = single[np.isfinite(single)]
        near = max(ROUNDING, float(np.quantile(single, USUAL))) if len(single) else ROUNDING
        covered = rows[rows["time"].duplicated(keep="last")]
        longer = kept.set_index(kept["time"]).loc[covered["time"]]
        wrong = (miss(covered) <= near) & (miss(longer) > near)
        right = (miss(covered) > near) & (miss(longer) <= near)
    judged = int(np.isfinite(miss(longer)).sum())
    # Where each row was written before its hour was over, either ends where the next opens by chance alone.
    if wrong.sum() > max(LONGER * judged, int(right.sum())):
        first = covered[wrong].iloc[[0]]
        line, time = first.index[0], first["time"].iloc[0]
        other = kept.index[(kept["time"] == time).to_numpy()][0]
        raise InputError(
            f"lines {line} and {other}: two different bars for {time:%Y-%m-%d %H:%M} UTC, and that of line {other} "
            f"ends at {kept['close'][other]:g} where the next bar opens at {next_open[time]:g}: it is of a longer "
            f"interval ({int(wrong.sum())} such rows): give a file of bars of one length"
        )


def clock_set_back(time: pd.Timestamp) -> bool:
    """Whether clocks are set back at about this local time: a Sunday night in late October or early November."""
    return bool(
        time.day_of_week == 6
        and time.hour <= 3
        and ((time.month == 10 and time.day >= 25) or (time.month == 11 and time.day <= 7))
    )


def _why_twice(time: pd.Timestamp) -> str:
    if clock_set_back(time):
        return "a clock was set back in that night, so the times seem to be local ones: give them in UTC"
    return "keep the right one"


def unfinished(rows: pd.DataFrame, now: dt.datetime, repairs: dict[str, int]) -> pd.DataFrame:
    """Drop the last hour when it isn't over at `now` or its close time says so; counts ``partial_hour``.

    Raises:
        InputError: rows that start after `now`.
    """
    future = (rows["time"] > now).to_numpy()
    if future.any():
        line = rows.index[future][0]
        raise _refuse(line, f"{rows['time'][line]} is in the future", int(future.sum()) - 1)
    last = rows.iloc[-1]
    partial = bool(last["time"] + HOUR > now)
    if "close_time" in rows and pd.notna(last["close_time"]):
        partial |= bool(last["close_time"] - last["time"] < HOUR - pd.Timedelta(seconds=2))
    repairs["partial_hour"] = int(partial)
    return rows.iloc[:-1] if partial else rows


def prices(rows: pd.DataFrame, repairs: dict[str, int], is_part: bool = False) -> pd.DataFrame:
    """Mend impossible bars where it is safe; counts ``swapped_high_low``, ``widened`` and ``incomplete``.

    How many of a part of the data are incomplete is for whoever has all parts to judge.

    Raises:
        InputError: a bar that can't be right (names line and reason), or too many incomplete ones.
    """
    rows = rows.copy()
    incomplete = rows[list(PRICES)].isna().any(axis=1).to_numpy()
    _count(repairs, incomplete=int(incomplete.sum()))
    if incomplete.sum() > MAX_MISSING * len(rows) and not is_part:
        raise _refuse(rows.index[incomplete][0], f"{incomplete.mean():.0%} of all rows lack a price")
    rows = rows[~incomplete]
    _flow(rows, is_part)
    o, h, low, c = (rows[name].to_numpy().copy() for name in PRICES)
    volume = rows["volume"].to_numpy()
    swap = (h < low) & (np.minimum(o, c) >= h) & (np.maximum(o, c) <= low)
    h[swap], low[swap] = low[swap], h[swap]
    top, bottom = np.maximum(o, c), np.minimum(o, c)
    near = ((h < top) & (h >= top * (1 - ROUNDING))) | ((low > bottom) & (low <= bottom * (1 + ROUNDING)))
    h = np.where(near & (h < top) & (h >= top * (1 - ROUNDING)), top, h)
    low = np.where(near & (low > bottom) & (low <= bottom * (1 + ROUNDING)), bottom, low)
    rows["high"], rows["low"] = h, low
    _count(repairs, swapped_high_low=int(swap.sum()), widened=int(near.sum()))
    wrong = [
        (~np.isfinite(rows[list(PRICES)].to_numpy()).all(axis=1) | np.isinf(volume), "a price or volume is infinite"),
        ((rows[list(PRICES)] <= 0).to_numpy().any(axis=1), "a price is zero or negative"),
        (volume < 0, "Volume is negative"),
        (h < low, "High is below Low, and swapping them doesn't make the bar right"),
        (h < top, "High is below Open or Close"),
        (low > bottom, "Low is above Open or Close"),
    ]
    for bad, reason in wrong:
        if bad.any():
            line = rows.index[bad][0]
            bar = ", ".join(f"{name} {rows[name][line]:g}" for name in (*PRICES, "volume"))
            raise _refuse(line, f"{reason}: {bar}", int(bad.sum()) - 1)
    return rows


def _flow(rows: pd.DataFrame, is_part: bool) -> None:
    """Refuse an order flow that can't be right; of a part it isn't known whether what is odd is frequent.

    Raises:
        InputError: names the first line and the values.
    """
    for name in rows.columns.intersection(list(FLOW)):
        values = rows[name].to_numpy()
        bad = (values < 0) | np.isinf(values)
        if bad.any():
            line = rows.index[bad][0]
            what = FLOW_NAMES[name]
            raise _refuse(line, f"{what} is negative or infinite: {rows[name][line]:g}", int(bad.sum()) - 1)
    if is_part or not set(FLOW) <= set(rows.columns):
        return
    if all(has_values(*flow_of(rows[name])) for name in FLOW):  # else it isn't used
        over = (rows["taker_base"] > rows["volume"] * (1 + ROUNDING)).to_numpy()
        if over.mean() > MAX_OVER:
            line = rows.index[over][0]
            raise _refuse(
                line,
                f"the taker buy volume is {rows['taker_base'][line]:g} and the volume {rows['volume'][line]:g}, of "
                "which it is a part: it may be in the money paid",
                int(over.sum()) - 1,
            )


def has_values(missing: int, rows: int, is_any: bool) -> bool:
    """Whether a column of the order flow says anything: neither empty in many of its `rows` nor all zero."""
    return is_any and missing <= MAX_MISSING * rows


def flow_of(column: Any) -> tuple[int, int, bool]:
    """How many values are missing, of how many, and whether any isn't zero."""
    missing = np.isnan(column)
    return int(missing.sum()), len(column), bool((column[~missing] != 0).any())


def to_bars(rows: pd.DataFrame, repairs: dict[str, int], is_part: bool = False) -> Bars:
    """Rows on an unbroken hourly grid; counts ``missing_hours``, ``longest_gap`` and ``no_trade``.

    An hour without trades (no volume and one price) carries no news: it becomes a missing hour. Of a part of the
    data there may be none, many may be missing, and the order flow is kept, whether or not it says anything.

    Raises:
        InputError: too much is missing.
    """
    still = ((rows["volume"] == 0) & (rows["high"] == rows["low"])).to_numpy()
    repairs["no_trade"] = int(still.sum())
    repairs["zero_volume"] = int((rows["volume"] == 0).sum()) - repairs["no_trade"]
    repairs["missing_volume"] = int(rows["volume"].isna().sum())
    rows = rows[~still]
    if rows.empty and not is_part:
        raise InputError("no hour has any trades: every row has volume 0 and one price")
    stamp = rows["time"].to_numpy().astype("datetime64[h]")
    place = (stamp - stamp[:1]).astype(np.int64)
    size = int(place.max(initial=-1)) + 1
    gaps = np.diff(place) - 1
    repairs["missing_hours"] = int(gaps.sum())
    repairs["longest_gap"] = int(gaps.max(initial=0))
    if repairs["missing_hours"] > MAX_MISSING * size and not is_part:
        line = rows.index[1:][gaps == gaps.max()][0]
        raise _refuse(
            line,
            f"{repairs['missing_hours']} of {size} hours are missing, {repairs['longest_gap']} of them just "
            "before this line: too many to learn from",
        )

    def grid(name: str) -> Array:
        values = np.full(size, np.nan)
        values[place] = rows[name].to_numpy()
        return values

    columns = [name for name in FLOW if name in rows]
    useful = [name for name in columns if is_part or has_values(*flow_of(rows[name]))]
    repairs["empty_flow"] = len(columns) - len(useful)
    flow = {name: grid(name) for name in FLOW} if len(useful) == len(FLOW) else {}
    time = stamp[:1] + np.arange(size).astype("timedelta64[h]")
    return Bars(
        time.astype("datetime64[s]"), grid("open"), grid("high"), grid("low"), grid("close"), grid("volume"), flow
    )
