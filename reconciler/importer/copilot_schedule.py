"""What AWS Copilot's `on.schedule` and `timeout` mean here. Pure.

Copilot takes an expression of AWS's as it is, a crontab line of five fields, `@daily` and its like, and `@every 1h30m`.
All of them are in UTC.
"""

from __future__ import annotations

import re
from fractions import Fraction

_FIXED = {
    "@hourly": "cron(0 * * * ? *)",
    "@daily": "cron(0 0 * * ? *)",
    "@midnight": "cron(0 0 * * ? *)",
    "@weekly": "cron(0 0 ? * 1 *)",
    "@monthly": "cron(0 0 1 * ? *)",
    "@yearly": "cron(0 0 1 1 ? *)",
    "@annually": "cron(0 0 1 1 ? *)",
}
_UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(ms|h|m|s)")
_FIELD = re.compile(r"[0-9A-Za-z*?,/-]{1,100}")


def expression(text: str) -> str:
    """The expression for EventBridge Scheduler; empty for `none`. Raises ValueError with the reason."""
    text = text.strip()
    if text == "none":
        return ""
    if re.fullmatch(r"(?:rate|cron)\(.*\)", text):
        return text
    if text.startswith("@every "):
        minutes = Fraction(seconds(text.removeprefix("@every ")), 60)
        if minutes < 1 or minutes.denominator != 1:
            raise ValueError("the time between two runs must be whole minutes")
        return f"rate({minutes} minute{'' if minutes == 1 else 's'})"
    if text in _FIXED:
        return _FIXED[text]
    fields = text.split()
    if len(fields) != 5 or not all(map(_FIELD.fullmatch, fields)):
        raise ValueError("it is neither a crontab line of five fields nor a rate")
    return _from_crontab(*fields)


def drops_steps(text: str) -> bool:
    """Whether Copilot runs the job every day although the crontab line says every so many days."""
    fields = text.split()
    return len(fields) == 5 and any(day[:1] in "*?" and "/" in day for day in (fields[2], fields[4]))


def seconds(duration: str) -> int:
    """The seconds of a duration of Go's, such as 1h30m. Raises ValueError."""
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration.strip():
        raise ValueError("it is not a duration, such as 1h30m")
    total = sum((Fraction(number) * _UNITS[unit] for number, unit in parts), Fraction(0))
    if total.denominator != 1:
        raise ValueError("it is not a whole number of seconds")
    return int(total)


def duration(count: int) -> str:
    """Seconds as deploy.yaml writes them."""
    unit, size = next((u, n) for u, n in (("h", 3600), ("m", 60), ("s", 1)) if count % n == 0)
    return f"{count // size}{unit}"


def _from_crontab(minute: str, hour: str, day: str, month: str, weekday: str) -> str:
    """AWS wants a `?` for the day or the weekday, and counts weekdays from 1, a crontab from 0."""
    every_day, every_weekday = day in ("*", "?"), weekday in ("*", "?")
    if not every_day and not every_weekday:
        raise ValueError("AWS takes a day of the month or a weekday, not both")
    if every_weekday:
        day, weekday = ("*" if every_day else day.replace("*/", "1/")), "?"
    else:
        day, weekday = "?", ",".join(map(_weekday, weekday.split(",")))
    minute, hour, month = minute.replace("*/", "0/"), hour.replace("*/", "0/"), month.replace("*/", "1/")
    return f"cron({minute} {hour} {day} {month} {weekday} *)"


def _weekday(item: str) -> str:
    """One item of a crontab's weekdays, such as 1-5/2: its days count from 1 in AWS, its step stays."""
    days, slash, step = item.partition("/")
    days = re.sub(r"[0-9]+", lambda number: str(int(number[0]) + 1), days)
    return ("1" if slash and days in ("*", "?") else days) + slash + step
