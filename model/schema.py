"""The schema that rows must satisfy after the repairs; the last gate before training."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa

from model.errors import InputError


def _price() -> Any:
    return pa.Column(float, pa.Check.gt(0), nullable=False)


SCHEMA = pa.DataFrameSchema(
    {
        "time": pa.Column("datetime64[us]", unique=True, nullable=False),
        "open": _price(),
        "high": _price(),
        "low": _price(),
        "close": _price(),
        "volume": pa.Column(float, pa.Check.ge(0), nullable=True),
        "trades": pa.Column(float, pa.Check.ge(0), nullable=True, required=False),
        "taker_base": pa.Column(float, pa.Check.ge(0), nullable=True, required=False),
    },
    checks=[
        pa.Check(lambda rows: rows["high"] >= rows[["open", "close"]].max(axis=1), name="High covers Open and Close"),
        pa.Check(lambda rows: rows["low"] <= rows[["open", "close"]].min(axis=1), name="Low covers Open and Close"),
        pa.Check(lambda rows: rows["time"].is_monotonic_increasing, name="times in order"),
    ],
)


def check(rows: pd.DataFrame) -> None:
    """Hold the rows against the schema.

    Raises:
        InputError: the first row and column that don't satisfy it, and how many more there are.
    """
    try:
        SCHEMA.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        case = cases.iloc[0]
        place = f"line {case['index']}" if pd.notna(case["index"]) else "the file"
        count_text = f" ({len(cases) - 1} more)" if len(cases) > 1 else ""
        raise InputError(
            f"{place}, column {case['column']}: {case['failure_case']!r} fails the check {case['check']}{count_text}"
        ) from error
