"""Hours from finer bars."""

from __future__ import annotations

import numpy as np
import pandas as pd

from model.bars import FLOW
from model.errors import InputError

HOUR = pd.Timedelta(hours=1)


def step(rows: pd.DataFrame) -> pd.Timedelta:
    """How far bars are apart: the most frequent distance of neighbours in time."""
    apart = rows["time"].sort_values().drop_duplicates().diff().dropna()
    return HOUR if apart.empty else apart.mode().iloc[0]


def to_hours(rows: pd.DataFrame, apart: pd.Timedelta, repairs: dict[str, int]) -> pd.DataFrame:
    """Hours from bars that are `apart`, a part of an hour; counts ``incomplete_hours``, which are left out.

    Open is the first bar's, Close the last one's, High and Low the extremes, amounts are sums. An hour counts only
    with all of its bars: of one that lacks some it isn't known what they would have said.

    Args:
        rows: in order of time, each time once.
        apart: of the bars.
        repairs: gets the count.

    Raises:
        InputError: bars aren't a whole part of an hour, or begin between its parts.
    """
    parts, odd = divmod(HOUR, apart)
    if odd:
        raise InputError(f"line {rows.index[0]}: bars of {apart} don't make whole hours")
    off = (rows["time"] != rows["time"].dt.floor(apart)).to_numpy()
    if off.any():
        line = rows.index[off][0]
        raise InputError(f"line {line}: {rows['time'][line]} is between the bars of {apart} that the others are")
    hour = rows["time"].dt.floor("h").to_numpy()
    start = np.flatnonzero(np.append(True, hour[1:] != hour[:-1]))
    stop = np.append(start[1:], len(rows)) - 1
    columns: dict[str, object] = {"time": hour[start]}
    for name in rows.columns.intersection(["open", "high", "low", "close", "volume", *FLOW]):
        values = rows[name].to_numpy()
        columns[name] = (
            values[start]
            if name == "open"
            else values[stop]
            if name == "close"
            else np.maximum.reduceat(values, start)
            if name == "high"
            else np.minimum.reduceat(values, start)
            if name == "low"
            else np.add.reduceat(values, start)
        )
    hours = pd.DataFrame(columns, index=rows.index[start])
    whole = stop - start + 1 == parts
    repairs["incomplete_hours"] = int((~whole).sum())
    if not whole.any():
        raise InputError(f"no hour has all of its {parts} bars of {apart}")
    return hours[whole]
