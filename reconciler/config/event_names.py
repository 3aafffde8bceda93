"""The rules for `notify` and `schedule`: addresses, ARNs of those who are told, and Scheduler's expressions.

Sources: botocore's service models (SNS, Scheduler) and EventBridge Scheduler's page on schedule types.
"""

from __future__ import annotations

import re

from reconciler.config.rule import Rule, like

_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_CRON = (
    ("minute", 0, 59, ""), ("hour", 0, 23, ""), ("day of the month", 1, 31, ""), ("month", 1, 12, _MONTHS),
    ("day of the week", 1, 7, _DAYS), ("year", 1970, 2199, ""),
)  # fmt: skip
_FORM = "write rate(1 day), or cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)"


def _expression(value: str) -> str | None:
    """Why a cron expression is refused."""
    match = re.fullmatch(r"cron\(([^()]*)\)", value)
    if match is None:
        return None
    parts = match[1].split()
    if len(parts) != len(_CRON):
        return f"cron has six fields, and here are {len(parts)}: MINUTE HOUR DAY MONTH WEEKDAY YEAR"
    for text, (what, low, high, names) in zip(parts, _CRON, strict=True):
        if not all(_item(item, what, low, high, names) for item in text.upper().split(",")):
            return f"{text} is no {what}" + (f" from {low} to {high}" if low or high else "")
    if (parts[2] == "?") == (parts[4] == "?"):
        return "exactly one of day and weekday is ?, since the other says which days are meant"
    return None


def _item(item: str, what: str, low: int, high: int, names: str) -> bool:
    """Whether a part between commas is one that Scheduler takes."""
    if item == "?":
        return what.startswith("day")
    if what == "day of the month" and re.fullmatch(r"L|LW|(?:[1-9]|[12][0-9]|3[01])W", item):
        return True
    if what == "day of the week" and re.fullmatch(rf"L|(?:[1-7]|{_DAYS})(?:L|#[1-5])", item):
        return True
    span, slash, step = item.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return False
    ends = span.split("-")
    if span == "*" or (len(ends) in (1, 2) and all(names and end in names.split("|") for end in ends)):
        return True
    return len(ends) in (1, 2) and all(end.isdigit() and low <= int(end) <= high for end in ends)


def _suggest(value: str) -> str:
    fields = value.strip().removeprefix("cron(").removesuffix(")").split()
    if len(fields) == 5:  # as the crontab of Unix has them, where Sunday is 0
        minute, hour, day, month, weekday = fields
        week = re.sub(r"\d", lambda m: str(int(m[0]) % 7 + 1), weekday) if not re.search("[/#]", weekday) else weekday
        days = (day, "?") if weekday in ("*", "?") else ("?", week)
        return f"cron({minute} {hour} {days[0]} {month} {days[1]} *)"
    return "cron(0 6 * * ? *)"


EXPRESSION = Rule(
    "a schedule",
    _FORM,
    r"rate\([1-9][0-9]{0,5} (?:minute|hour|day)s?\)|cron\([0-9A-Za-z*?,/#LW -]+\)",
    _suggest,
    256,
    _expression,
)
SCHEDULE = Rule("a name for a schedule", "1 to 64 letters, digits and . _ -", r"[0-9A-Za-z_.-]+",
                like("0-9A-Za-z_.-", 64), 64)  # fmt: skip
TOPIC = Rule("a name for an SNS topic", "1 to 256 letters, digits, - and _", r"[A-Za-z0-9_-]+",
             like("A-Za-z0-9_-", 256), 256)  # fmt: skip
EMAIL = Rule(
    "an e-mail address",
    "write NAME@DOMAIN",
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    lambda v: re.sub(r"^mailto:|[\s<>]", "", v.strip()),
    254,
)
SUBSCRIBER = Rule(
    "a subscriber of the topic",
    "write the ARN of an SQS queue or of a Lambda function",
    r"arn:aws[a-z-]*:(?:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}"
    r"|lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9_$-]+)?)",
    lambda v: "arn:aws:sqs:us-east-1:123456789012:ended-runs",
)
WEBHOOK = Rule(
    "the ARN of a secret",
    "store the URL in an SSM parameter or in Secrets Manager, and write the ARN of that",
    r"arn:aws[a-z-]*:(?:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_.\/-]+"
    r"|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9\/_+=.@-]+(?::[^:]*:[^:]*:[^:]*)?)",
    lambda v: None,
)
