"""How a file of bars is to be read, as the user says."""

from __future__ import annotations

import dataclasses

MAX_DATA_BYTES = 4 * 2**30
"""Bytes of a file, unpacked, that are read unless MAX_DATA_BYTES says otherwise."""
ORDERS = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}


@dataclasses.dataclass(frozen=True)
class Reading:
    """What can't be seen in a file itself."""

    zone: str = "UTC"
    """Time zone of times that name none."""
    order: str = ""
    """Order of numeric dates, one of `ORDERS`; empty: seen from the file as a whole. Year first always is as it is."""
    resample: bool = False
    """Make hours of finer bars."""
    max_bytes: int = MAX_DATA_BYTES
    """A file that unpacks to more is refused."""


AS_IT_IS = Reading()
"""Nothing but what the file shows."""
