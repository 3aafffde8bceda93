"""When an EventBridge Scheduler expression is due: at(…), rate(…) and cron(…). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\(([^()]+)\)")
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FIELDS = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS), (1, 7, DAYS), (1970, 2199, ()))


def is_due(expression: str, timezone: str, since: datetime, now: datetime) -> bool:
    """Whether a moment of the expression lies in (since, now]; both are aware. False for what isn't understood.

    Of cron's specials only `*`, `?`, lists, ranges and steps are known, not L, W and #.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    if match := AT.fullmatch(expression):
        return since < datetime.fromisoformat(match[1]).replace(tzinfo=zone) <= now
    if match := RATE.fullmatch(expression):
        return now - since >= timedelta(**{f"{match[2]}s": int(match[1])})
    if match := CRON.fullmatch(expression):
        moment = since.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = min(now, moment + timedelta(days=1))
        while moment <= last:
            if cron_matches(match[1], moment.astimezone(zone)):
                return True
            moment += timedelta(minutes=1)
    return False


def cron_matches(fields: str, moment: datetime) -> bool:
    """Whether the six fields (minute, hour, day of month, month, day of week with Sunday 1, year) name this minute."""
    parts = fields.upper().split()
    values = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7 + 1, moment.year)
    if len(parts) != len(FIELDS):
        return False
    return all(
        any(_item_matches(item, value, low, high, list(names)) for item in part.split(","))
        for part, value, (low, high, names) in zip(parts, values, FIELDS, strict=True)
    )


def _item_matches(item: str, value: int, low: int, high: int, names: list[str]) -> bool:
    span, _, step = item.partition("/")
    first, _, last = span.partition("-")
    try:
        begin = low if span in ("*", "?") else _number(first, names)
        end = high if span in ("*", "?") or (step and not last) else _number(last or first, names)
        return begin <= value <= end and (value - begin) % int(step or 1) == 0
    except (ValueError, ZeroDivisionError):
        return False


def _number(text: str, names: list[str]) -> int:
    return names.index(text) + 1 if text in names else int(text)
