"""When schedules are due: every form and special of EventBridge Scheduler, in zones with summer time."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from reconciler.core.schedule import BadSchedule, Cron, next_time, parse, per_day, time_zones

START = "2026-03-04T12:00"  # a Wednesday


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(expression: str, zone: str, after: str, count: int) -> list[str]:
    """The next times in UTC."""
    moments: list[str] = []
    last = moment(after)
    for _ in range(count):
        due = next_time(parse(expression), ZoneInfo(zone), last)
        if due is None:
            return [*moments, "never"]
        moments.append(due.strftime("%Y-%m-%dT%H:%M"))
        last = due
    return moments


@pytest.mark.parametrize(
    ("fields", "expected"),
    [  # after Wednesday, 2026-03-04 at 12:00, in UTC
        ("0 12 * * ? *", "2026-03-05T12:00 2026-03-06T12:00"),
        ("1 12 * * ? *", "2026-03-04T12:01 2026-03-05T12:01"),
        ("* * * * ? *", "2026-03-04T12:01 2026-03-04T12:02"),
        ("*/1 13 * * ? *", "2026-03-04T13:00 2026-03-04T13:01"),
        ("*/20 * * * ? *", "2026-03-04T12:20 2026-03-04T12:40 2026-03-04T13:00"),
        ("50/5 12 * * ? *", "2026-03-04T12:50 2026-03-04T12:55 2026-03-05T12:50"),
        ("10-20/5 12 * * ? *", "2026-03-04T12:10 2026-03-04T12:15 2026-03-04T12:20 2026-03-05T12:10"),
        ("0,30 0,13 * * ? *", "2026-03-04T13:00 2026-03-04T13:30 2026-03-05T00:00"),
        ("0 22-1 * * ? *", "2026-03-04T22:00 2026-03-04T23:00 2026-03-05T00:00 2026-03-05T01:00 2026-03-05T22:00"),
        ("0 0 1 * ? *", "2026-04-01T00:00 2026-05-01T00:00"),
        ("0 0 31 * ? *", "2026-03-31T00:00 2026-05-31T00:00"),
        ("0 0 29 2 ? *", "2028-02-29T00:00 2032-02-29T00:00"),
        ("0 0 30 FEB ? *", "never"),
        ("0 0 L * ? *", "2026-03-31T00:00 2026-04-30T00:00"),
        ("0 0 L 2 ? *", "2027-02-28T00:00 2028-02-29T00:00"),
        ("0 0 LW * ? *", "2026-03-31T00:00 2026-04-30T00:00 2026-05-29T00:00"),  # 31 May is a Sunday
        ("0 0 15W * ? *", "2026-03-16T00:00 2026-04-15T00:00 2026-05-15T00:00"),  # 15 March is a Sunday
        ("0 0 14W * ? *", "2026-03-13T00:00 2026-04-14T00:00"),  # 14 March is a Saturday
        ("0 0 2W 5 ? *", "2026-05-01T00:00 2027-05-03T00:00"),  # 2 May is a Saturday, then a Sunday
        ("0 0 1W * ? *", "2026-04-01T00:00 2026-05-01T00:00 2026-06-01T00:00 2026-07-01T00:00 2026-08-03T00:00"),
        ("0 0 31W * ? *", "2026-03-31T00:00 2026-05-29T00:00"),  # no such day in April
        ("0 0 1,L 4 ? *", "2026-04-01T00:00 2026-04-30T00:00 2027-04-01T00:00"),
        ("0 0 1W,15 5 ? *", "2026-05-01T00:00 2026-05-15T00:00 2027-05-03T00:00"),
        ("0 0 ? * MON-FRI *", "2026-03-05T00:00 2026-03-06T00:00 2026-03-09T00:00"),
        ("0 0 ? * 1 *", "2026-03-08T00:00 2026-03-15T00:00"),
        ("0 0 ? * 7,sun *", "2026-03-07T00:00 2026-03-08T00:00 2026-03-14T00:00"),
        ("0 0 ? * FRI-MON *", "2026-03-06T00:00 2026-03-07T00:00 2026-03-08T00:00 2026-03-09T00:00 2026-03-13T00:00"),
        ("0 0 ? * L *", "2026-03-07T00:00 2026-03-14T00:00"),
        ("0 0 ? * 6L *", "2026-03-27T00:00 2026-04-24T00:00"),
        ("0 0 ? * TUEL *", "2026-03-31T00:00 2026-04-28T00:00"),
        ("0 0 ? * 2#1 *", "2026-04-06T00:00 2026-05-04T00:00"),
        ("0 0 ? * WED#5 *", "2026-04-29T00:00 2026-07-29T00:00"),
        ("0 0 ? * 2,6L 2026", "2026-03-09T00:00 2026-03-16T00:00 2026-03-23T00:00 2026-03-27T00:00"),
        ("0 0 ? JAN,jul 5#3 2027/2", "2027-01-21T00:00 2027-07-15T00:00 2029-01-18T00:00"),
        ("0 0 1 11-2 ? *", "2026-11-01T00:00 2026-12-01T00:00 2027-01-01T00:00 2027-02-01T00:00 2027-11-01T00:00"),
        ("0 0 1 11-2/3 ? *", "2026-11-01T00:00 2027-02-01T00:00 2027-11-01T00:00"),
        ("0 0 1 1 ? 2027-2028", "2027-01-01T00:00 2028-01-01T00:00 never"),
        ("0 0 * * ? 2025", "never"),
        ("0 0 1 1 ? 2199", "2199-01-01T00:00 never"),
    ],
)  # fmt: skip
def test_cron(fields: str, expected: str) -> None:
    assert times(f"cron({fields})", "UTC", START, len(expected.split())) == expected.split()


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "JAN"), (2, "FEB"), (3, "MAR"), (4, "APR"), (5, "MAY"), (6, "JUN"),
        (7, "JUL"), (8, "AUG"), (9, "SEP"), (10, "OCT"), (11, "NOV"), (12, "DEC"),
    ],
)  # fmt: skip
def test_names_of_months(number: int, name: str) -> None:
    assert parse(f"cron(0 0 1 {name} ? *)") == parse(f"cron(0 0 1 {number} ? *)")


@pytest.mark.parametrize(
    ("number", "name"), [(1, "SUN"), (2, "MON"), (3, "TUE"), (4, "WED"), (5, "THU"), (6, "FRI"), (7, "SAT")]
)
def test_names_of_days(number: int, name: str) -> None:
    for form in ("{}", "{}L", "{}#2", "{0}-{0}"):
        named, numbered = (parse(f"cron(0 0 ? * {form.format(day)} *)") for day in (name, number))
        assert named == numbered


@pytest.mark.parametrize(
    ("of", "day", "expected"),
    [
        ("1 1 ? 2027", date(2027, 1, 1), True), ("1 1 ? 2027", date(2026, 1, 1), False),
        ("1 1 ? 2027", date(2027, 2, 1), False), ("1 1 ? 2027", date(2027, 1, 2), False),
        ("? * MON *", date(2026, 3, 9), True), ("? * MON *", date(2026, 3, 10), False),
    ],
)  # fmt: skip
def test_on_a_day(of: str, day: date, expected: bool) -> None:
    cron = parse(f"cron(0 0 {of})")
    assert isinstance(cron, Cron)
    assert cron.on(day) is expected


@pytest.mark.parametrize("expression", ["at(2026-03-04T12:00:00)", "rate(1 day)", "cron(0 0 1 1 ? *)"])
def test_what_was_read_does_not_change(expression: str) -> None:
    schedule = parse(expression)
    with pytest.raises(FrozenInstanceError):
        setattr(schedule, next(iter(vars(schedule))), None)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("cron(0 7 ? * MON-FRI *)", "America/New_York", "2026-03-06T11:59", "2026-03-06T12:00 2026-03-09T11:00"),
        # Berlin: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October.
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T01:00", "2026-03-28T01:30 2026-03-30T00:30"),
        ("cron(0 3 * * ? *)", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00 2026-03-30T01:00"),
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30 2026-10-26T01:30"),
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T00:30 2026-10-25T02:00"),
        ("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-10-25T01:10", "2026-10-25T02:00 2026-10-25T02:30"),
        ("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:00 2026-03-29T01:30"),
        ("cron(0 0 * * ? *)", "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-05T02:00"),  # no midnight on the 4th
        ("cron(0 0 1 * ? *)", "Pacific/Kiritimati", "2026-03-04T12:00", "2026-03-31T10:00"),
        ("cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-04T15:15"),  # 30 minutes left out
        ("cron(0 0 * * ? *)", "Pacific/Apia", "2011-12-29T00:00", "2011-12-29T10:00 2011-12-30T10:00"),  # no 30th
        ("at(2026-03-04T13:00:30)", "UTC", START, "2026-03-04T13:00 never"),
        ("at(2026-03-04T12:00:00)", "UTC", START, "never"),
        ("at(2026-07-01T12:00:00)", "America/New_York", START, "2026-07-01T16:00"),
        ("at(2026-10-25T02:30:00)", "Europe/Berlin", START, "2026-10-25T00:30 never"),
        ("at(2026-03-29T02:30:00)", "Europe/Berlin", START, "2026-03-29T01:30 never"),
        ("rate(5 minutes)", "UTC", START, "2026-03-04T12:05 2026-03-04T12:10"),
        ("rate(1 hour)", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:30 2026-03-29T02:30"),
        ("rate(1 day)", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T12:00 2026-03-30T12:00"),
    ],
)
def test_zones(expression: str, zone: str, after: str, expected: str) -> None:
    assert times(expression, zone, after, len(expected.split())) == expected.split()


def test_seconds_and_the_moment_itself() -> None:
    each_minute = parse("cron(* * * * ? *)")
    assert next_time(each_minute, UTC, moment("2026-03-04T12:00:01")) == moment("2026-03-04T12:01")
    assert next_time(each_minute, UTC, moment("2026-03-04T11:59:59.999999")) == moment("2026-03-04T12:00")
    assert next_time(parse("at(2026-03-04T12:00:07)"), UTC, moment(START)) == moment("2026-03-04T12:00:07")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", ""), ("daily", ""), ("rate(0 days)", ""), ("rate(1 week)", ""), ("rate(1.5 hours)", ""), ("cron", ""),
        ("at(2026-02-30T00:00:00)", "2026-02-30T00:00:00 is not a date and time"), ("at(2026-01-01)", ""),
        ("at(0001-01-01T00:00:00)", "the year 1 is not from 1970 to 2199"),
        ("at(9999-12-31T23:59:59)", "the year 9999 is not from 1970 to 2199"),
        ("cron(0 6 * * *)", "cron has six fields, and this has 5: MINUTE HOUR DAY MONTH WEEKDAY YEAR"),
        ("cron(60 6 * * ? *)", "the minute 60 is not from 0 to 59"),
        ("cron(a 6 * * ? *)", "the minute a is not from 0 to 59"),
        ("cron(5, 6 * * ? *)", "the minute 5, is not from 0 to 59"),
        ("cron(0 24 * * ? *)", "the hour 24 is not from 0 to 23"),
        ("cron(0 1- * * ? *)", "the hour 1- is not from 0 to 23"),
        ("cron(0 1-2-3 * * ? *)", "the hour 1-2-3 is not from 0 to 23"),
        ("cron(0 ? * * ? *)", "the hour ? is not from 0 to 23"),
        ("cron(0 6 32 * ? *)", "the day of the month 32 is not from 1 to 31"),
        ("cron(0 6 0W * ? *)", "the day of the month 0W is not from 1 to 31"),
        ("cron(0 6 * 13 ? *)", "the month 13 is not from 1 to 12"),
        ("cron(0 6 * L ? *)", "the month L is not from 1 to 12"),
        ("cron(0 6 ? * 0 *)", "the day of the week 0 is not from 1 to 7"),
        ("cron(0 6 ? * 2#6 *)", "the day of the week 2#6 is not from 1 to 7"),
        ("cron(0 6 ? * 3#1,6#3 *)", "a # and another day can't both be in the day of the week: 3#1,6#3"),
        ("cron(0 6 ? * 2#1,6L *)", "a # and another day can't both be in the day of the week: 2#1,6L"),
        ("cron(0 6 ? * MON-6 *)", "the day of the week MON-6 is not from 1 to 7"),
        ("cron(0 6 ? * 15W *)", "the day of the week 15W is not from 1 to 7"),
        ("cron(0 6 * * ? 1969)", "the year 1969 is not from 1970 to 2199"),
        ("cron(0 6 * * ? 2030-2026)", "the year 2030-2026 is not from 1970 to 2199"),
        ("cron(0/0 6 * * ? *)", "the minute 0/0 is not from 0 to 59"),
        ("cron(0/ 6 * * ? *)", "the minute 0/ is not from 0 to 59"),
        ("cron(0 6 * * * *)", "exactly one of day and weekday must be ?, and the other says which days are meant"),
        ("cron(0 6 ? * ? *)", "exactly one of day and weekday must be ?, and the other says which days are meant"),
    ],
)  # fmt: skip
def test_what_scheduler_refuses(expression: str, reason: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        parse(expression)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("at(2026-03-04T12:00:00)", 0), ("rate(1 day)", 1), ("rate(30 minutes)", 48), ("cron(0,30 2-4 * * ? *)", 6),
        ("cron(0 0 L * ? *)", 12 / 365), ("cron(0 0 ? * 1 2028)", 53 / 366), ("cron(0 0 ? * * 2025)", 0),
    ],
)  # fmt: skip
def test_how_often(expression: str, expected: float) -> None:
    assert per_day(parse(expression), 2026) == pytest.approx(expected)


def test_next_and_on_agree() -> None:
    """Day by day over a leap cycle: the next time is on the first day that the fields name."""
    for fields in ("0 0 15W * ? *", "0 0 LW * ? *", "0 0 ? * 6L *", "0 0 ? * 3#5 *", "0 0 29 2 ? *"):
        cron = parse(f"cron({fields})")
        day, dues = moment("2026-01-01T00:00"), []
        while (due := next_time(cron, UTC, day)) is not None and due.year < 2034:
            dues.append(due)
            day = due
        days = [moment("2026-01-02T00:00") + timedelta(days=n) for n in range(365 * 8 + 1)]
        assert dues == [midnight for midnight in days if cron.on(midnight.date())]  # type: ignore[union-attr]


def test_the_time_zones_are_those_of_this_machine() -> None:
    assert time_zones() == available_timezones()
    assert time_zones() is time_zones(), "they are read once"
