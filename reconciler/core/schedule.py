"""The schedule expressions of EventBridge Scheduler, at(…), rate(…) and cron(…), and when they are due. Pure.

Sources: the Scheduler user guide, "Schedule types"; for what it leaves open (ranges that go round, `LW`, W at the end
of a month) Quartz, whose grammar cron(…) has. The libraries for it on PyPI (aws-croniter, pyawscron) know neither time
zones nor at and rate.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import available_timezones

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
RATE = re.compile(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\(([^()]*)\)")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
WEEKDAY = "day of the week"
FIRST_YEAR, LAST_YEAR = 1970, 2199


class BadSchedule(ValueError):
    """An expression that Scheduler refuses; the text says why, and is empty for what has none of the three forms."""


@cache
def time_zones() -> Set[str]:
    """The names of all time zones; none where this machine has no table of them."""
    return available_timezones()


@dataclass(frozen=True)
class Once:
    """at(…). moment: local time, without a zone."""

    moment: datetime


@dataclass(frozen=True)
class Rate:
    """rate(…), counted in real time from when the schedule was made or last due."""

    every: timedelta


@dataclass(frozen=True)
class Cron:
    """cron(…). days, weekdays: None for `?`; texts stand for what depends on the month: L, LW, 15W; 6L, 6#3."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int | str] | None
    months: frozenset[int]
    weekdays: frozenset[int | str] | None
    years: frozenset[int]

    def on(self, day: date) -> bool:
        """Whether it is due on this day."""
        if day.year not in self.years or day.month not in self.months:
            return False
        last = monthrange(day.year, day.month)[1]
        if self.days is not None:
            return day.day in self.days or any(
                _day_of(item, day.year, day.month, last) == day.day for item in self.days if isinstance(item, str)
            )
        assert self.weekdays is not None
        weekday = _weekday(day)
        kinds = {weekday, f"{weekday}#{(day.day + 6) // 7}"} | ({f"{weekday}L"} if day.day + 7 > last else set())
        return not self.weekdays.isdisjoint(kinds)


def parse(expression: str) -> Once | Rate | Cron:
    """What an expression says. Raises BadSchedule."""
    if match := AT.fullmatch(expression):
        try:
            moment = datetime.fromisoformat(match[1])
        except ValueError:
            raise BadSchedule(f"{match[1]} is not a date and time") from None
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise BadSchedule(f"the year {moment.year} is not from {FIRST_YEAR} to {LAST_YEAR}")
        return Once(moment)
    if match := RATE.fullmatch(expression):
        return Rate(timedelta(**{f"{match[2]}s": int(match[1])}))
    match = CRON.fullmatch(expression)
    if match is None:
        raise BadSchedule("")
    parts = match[1].split()
    if len(parts) != 6:
        raise BadSchedule(f"cron has six fields, and this has {len(parts)}: MINUTE HOUR DAY MONTH WEEKDAY YEAR")
    minute, hour, day, month, weekday, year = parts
    cron = Cron(
        _numbers(minute, "minute", 0, 59),
        _numbers(hour, "hour", 0, 23),
        None if day == "?" else _field(day, "day of the month", 1, 31, special=r"L|LW|(?:[1-9]|[12][0-9]|3[01])W"),
        _numbers(month, "month", 1, 12, MONTHS),
        None if weekday == "?" else _weekdays(weekday),
        _numbers(year, "year", FIRST_YEAR, LAST_YEAR),
    )
    if (cron.days is None) == (cron.weekdays is None):
        raise BadSchedule("exactly one of day and weekday must be ?, and the other says which days are meant")
    return cron


def next_time(schedule: Once | Rate | Cron, zone: tzinfo, after: datetime) -> datetime | None:
    """The first moment after `after` at which it is due, in UTC; None for never. after: aware; for a rate, when it was
    made or last due.

    As Scheduler has it, a local time that summer time leaves out is skipped, and one that comes twice counts once.
    """
    if isinstance(schedule, Rate):
        return after.astimezone(UTC) + schedule.every
    moments = iter([schedule.moment]) if isinstance(schedule, Once) else _local(schedule, after.astimezone(zone))
    for moment in moments:
        due = moment.replace(tzinfo=zone).astimezone(UTC)
        exists = isinstance(schedule, Once) or due.astimezone(zone).replace(tzinfo=None) == moment
        if exists and due > after:
            return due
    return None


def per_day(schedule: Once | Rate | Cron, year: int) -> float:
    """How often a day it is due, on average: of cron, over the first year from `year` on that it names."""
    if isinstance(schedule, Once):
        return 0.0
    if isinstance(schedule, Rate):
        return timedelta(days=1) / schedule.every
    years = [named_year for named_year in schedule.years if named_year >= year]
    if not years:
        return 0.0
    begin, end = date(min(years), 1, 1), date(min(years) + 1, 1, 1)
    span = (end - begin).days
    days = sum(schedule.on(begin + timedelta(days=n)) for n in range(span))
    return days / span * len(schedule.hours) * len(schedule.minutes)


def _local(cron: Cron, start: datetime) -> Iterator[datetime]:
    """The local times from the minute of `start` on, in order, without a zone."""
    times = [(hour, minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    day, first = start.date(), (start.hour, start.minute)
    while day.year <= LAST_YEAR:
        if day.year not in cron.years or day.month not in cron.months:
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
            continue
        if cron.on(day):
            for hour, minute in times:
                if day > start.date() or (hour, minute) >= first:
                    yield datetime(day.year, day.month, day.day, hour, minute)
        day += timedelta(days=1)


def _weekday(day: date) -> int:
    """Sunday is 1."""
    return day.isoweekday() % 7 + 1


def _day_of(item: str, year: int, month: int, last: int) -> int:
    """The day of a month that L, LW or 15W names; 0 for none. W: the nearest weekday in the same month."""
    if item == "L":
        return last
    day = last if item == "LW" else int(item[:-1])
    if day > last:
        return 0
    weekday = _weekday(date(year, month, day))
    if weekday == 7:
        return day - 1 if day > 1 else 3
    if weekday == 1:
        return day + 1 if day < last else last - 2
    return day


def _weekdays(text: str) -> frozenset[int | str]:
    """The field for weekdays; L alone is Saturday, the last of a week, and names of days become numbers.

    "If you use a '#' character, you can define only one expression in the day-of-week field":
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html
    """
    if "#" in text and "," in text:
        raise BadSchedule(f"a # and another day can't both be in the {WEEKDAY}: {text}")
    values = _field(text, WEEKDAY, 1, 7, DAYS, special=rf"L|(?:[1-7]|{'|'.join(DAYS)})(?:L|#[1-5])")
    return frozenset(7 if item == "L" else _numbered(item) if isinstance(item, str) else item for item in values)


def _numbered(item: str) -> str:
    """MON#2 as 2#2, and FRIL as 6L."""
    for number, name in enumerate(DAYS, 1):
        item = item.replace(name, str(number))
    return item


def _numbers(text: str, field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    return frozenset(item for item in _field(text, field, low, high, names) if isinstance(item, int))


def _field(
    text: str, field: str, low: int, high: int, names: tuple[str, ...] = (), *, special: str | None = None
) -> frozenset[int | str]:
    """The values of a field: numbers, and the specials as they stand there. Raises BadSchedule."""
    values: set[int | str] = set()
    for item in text.upper().split(","):
        if special is not None and re.fullmatch(special, item):
            values.add(item)
            continue
        numbers = _span(item, low, high, names)
        if not numbers:
            raise BadSchedule(f"the {field} {text} is not from {low} to {high}")
        values.update(numbers)
    return frozenset(values)


def _span(item: str, low: int, high: int, names: tuple[str, ...]) -> list[int]:
    """The numbers of one item between commas: *, 5, 5-9, MON-FRI, 22-2, */15, 5/15; none for what is wrong."""
    span, slash, step = item.partition("/")
    if slash and not (re.fullmatch("[0-9]+", step) and int(step) > 0):
        return []
    if span == "*":
        return list(range(low, high + 1, int(step or 1)))
    ends = [_number(end, low, high, names) for end in span.split("-")]
    if len(ends) > 2 or None in ends or len({end.isdigit() for end in span.split("-")}) > 1:
        return []
    first = ends[0] or 0
    last = high if slash and len(ends) == 1 else ends[-1] or 0
    if last < first and high == LAST_YEAR:
        return []  # years don't go round
    size = high - low + 1
    return [(first - low + n) % size + low for n in range(0, (last - first) % size + 1, int(step or 1))]


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int | None:
    if text in names:
        return names.index(text) + 1
    return int(text) if re.fullmatch("[0-9]{1,4}", text) and low <= int(text) <= high else None
