"""Numbers and times out of the texts of a CSV file, a column at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from model.errors import InputError

USUAL = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
"""Forms of time that are read all at once; the last is in UTC. Whatever isn't in one of them is looked at singly."""


def numbers(values: pd.Series, name: str, header: str) -> pd.Series:
    """A column as float64.

    Raises:
        InputError: a value isn't a number; names its line.
    """
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    parsed = pd.to_numeric(values, errors="coerce").astype(np.float64)
    bad = parsed.isna() & values.notna()
    if bad.any():
        line = values.index[bad.to_numpy()][0]
        raise InputError(
            f"line {line}, column {header}: {values[line]!r} is not a number "
            f"({int(bad.sum())} such {'value' if bad.sum() == 1 else 'values'} in {name})"
        )
    return parsed


def times(values: pd.Series, zone: str, name: str = "Open time") -> pd.Series:
    """Texts as times in UTC (no zone attached): ISO 8601 with or without an offset, or s, ms or µs since 1970.

    Times without an offset are taken to be in `zone`. Exchange archives went from ms to µs
    within one file, so the unit is decided value by value.

    Raises:
        InputError: a value that is none of these; names its line.
    """
    result = pd.Series(pd.NaT, index=values.index, dtype="datetime64[us]")
    rest = values
    for form in USUAL:
        if len(rest) and len(str(rest.iloc[0])) == len("2024-01-01 00:00:00") + form.endswith("Z"):
            quick = pd.to_datetime(rest, format=form, errors="coerce")
            good = quick.notna().to_numpy()
            if good.any():
                found = quick[good]
                result[found.index] = found if form.endswith("Z") else _to_utc(found, zone, name)
                rest = rest[~good]
    if len(rest):
        result[rest.index] = _one_by_one(rest, zone, name)
    if result.isna().any():
        line = result.index[result.isna().to_numpy()][0]
        raise InputError(f"line {line}, column {name}: {values[line]!r} is not a time")
    return result


def _to_utc(naive: pd.Series, zone: str, name: str) -> pd.Series:
    """Times of `zone` as times in UTC, no zone attached to either."""
    if zone == "UTC":
        return naive.astype("datetime64[us]")
    try:
        return naive.dt.tz_localize(zone).dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    except ValueError as error:
        raise InputError(
            f"column {name}: {error}: times without an offset can't be told apart when "
            "the clock is set back; give them an offset or use UTC"
        ) from error


def _one_by_one(values: pd.Series, zone: str, name: str) -> pd.Series:
    """Times of any form; NaT for what is none."""
    text = values.astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    epoch = np.isfinite(number) & (np.abs(number) > 1e8)
    result = pd.Series(pd.NaT, index=values.index, dtype="datetime64[us]")
    if epoch.any():
        micro = number[epoch]
        micro = np.where(micro < 1e11, micro * 1e6, np.where(micro < 1e14, micro * 1e3, micro))
        result[epoch] = micro.astype(np.int64).astype("datetime64[us]")
    rest = text[~epoch]
    if len(rest):
        rest = rest.str.replace(r"\s*UTC$", "Z", regex=True)
        offset = rest.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True)
        with_offset = pd.to_datetime(rest[offset], utc=True, errors="coerce", format="ISO8601")
        naive = pd.to_datetime(rest[~offset], errors="coerce", format="ISO8601")
        if naive.isna().any():
            naive = naive.fillna(pd.to_datetime(rest[~offset], errors="coerce", format="mixed"))
        if len(with_offset):
            result[with_offset.index] = with_offset.dt.tz_localize(None).astype("datetime64[us]")
        if len(naive):
            result[naive.index] = _to_utc(naive, zone, name)
    return result
