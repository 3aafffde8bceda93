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


@feature("hour_new_york", "hour of the day of t+1 in New York, 0..23", "calendar")
def hour_new_york(x: Series) -> Array:
    """Stock exchanges and news keep New York's clock, which shifts against UTC twice a year."""
    return (_coming_hour(x) + _new_york_offset(x)) % 24


@feature("hour_of_week_new_york", "24 weekday + hour of t+1 in New York, 0..167", "calendar")
def hour_of_week_new_york(x: Series) -> Array:
    """Where in the week, from Monday's midnight."""
    local = _coming_hour(x) + _new_york_offset(x)
    return (local // 24 + 3) % 7 * 24 + local % 24


@feature("day_of_month", "day of the month of t+1, 1..31", "calendar")
def day_of_month(x: Series) -> Array:
    """News on jobs and prices comes in the first half of a month."""
    coming = x.bars.time.astype("datetime64[h]") + np.timedelta64(1, "h")
    day = coming.astype("datetime64[D]") - coming.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(day.astype(np.float64) + 1.0)


def _new_york_offset(x: Series) -> Array:
    """Hours to add to UTC: -4 from the second Sunday of March, 7:00 UTC, to the first of November, 6:00 UTC."""
    hours = _coming_hour(x)
    year = (x.bars.time + np.timedelta64(3600, "s")).astype("datetime64[Y]")
    offset = np.full(len(hours), -5.0)
    for calendar_year in np.unique(year):
        march, november = calendar_year.astype("datetime64[M]") + 2, calendar_year.astype("datetime64[M]") + 10
        begins = (_first_sunday(march) + 7) * 24 + 7
        ends = _first_sunday(november) * 24 + 6
        offset[(year == calendar_year) & (hours >= begins) & (hours < ends)] = -4.0
    return offset


def _first_sunday(month: np.datetime64) -> int:
    first = int(month.astype("datetime64[D]").astype(np.int64))
    return first + (6 - (first + 3) % 7)
