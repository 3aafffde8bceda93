"""Time of day and of the week of the hour that is forecast (t+1), in UTC."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.features.registry import feature
from model.features.series import Series


def _coming_hour(x: Series) -> Array:
    return (x.bars.time.astype("datetime64[h]").astype(np.int64) + 1).astype(np.float64)


@feature("hour", "hour of the day of t+1, 0..23", "calendar")
def hour(x: Series) -> Array:
    """Hour of the day."""
    return _coming_hour(x) % 24


@feature("hour_sin{w}", "sin(2 pi {w} hour / 24)", "calendar", windows=(1, 2))
def hour_sin(x: Series, w: int) -> Array:
    """The day as a circle."""
    return np.asarray(np.sin(2 * np.pi * w * hour(x) / 24))


@feature("hour_cos{w}", "cos(2 pi {w} hour / 24)", "calendar", windows=(1, 2))
def hour_cos(x: Series, w: int) -> Array:
    """The day as a circle."""
    return np.asarray(np.cos(2 * np.pi * w * hour(x) / 24))


@feature("weekday", "day of the week of t+1, Monday 0", "calendar")
def weekday(x: Series) -> Array:
    """Day of the week (1970-01-01 was a Thursday)."""
    return (_coming_hour(x) // 24 + 3) % 7


@feature("weekend", "1 on Saturday and Sunday, else 0", "calendar")
def weekend(x: Series) -> Array:
    """Whether stock exchanges are closed."""
    return (weekday(x) >= 5).astype(np.float64)
