"""The rules for `notify` and `schedule`: addresses, ARNs of those who are told, and Scheduler's expressions.

Sources: botocore's service models (SNS, Scheduler) and EventBridge Scheduler's page on schedule types.
"""

from __future__ import annotations

import re

from reconciler.config.rule import TextRule, like
from reconciler.core import aws_names
from reconciler.core.schedule import BadSchedule, parse

_FORM = "write rate(1 day), or cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)"


def _expression(value: str) -> str | None:
    """Why an expression is refused, where more than its form is wrong."""
    try:
        parse(value)
    except BadSchedule as wrong:
        return str(wrong) or None
    return None


def _suggest(value: str) -> str:
    fields = value.strip().removeprefix("cron(").removesuffix(")").split()
    if len(fields) == 5:  # as the crontab of Unix has them, where Sunday is 0
        minute, hour, day, month, weekday = fields
        week = re.sub(r"\d", lambda m: str(int(m[0]) % 7 + 1), weekday) if not re.search("[/#]", weekday) else weekday
        days = (day, "?") if weekday in ("*", "?") else ("?", week)
        return f"cron({minute} {hour} {days[0]} {month} {days[1]} *)"
    return "cron(0 6 * * ? *)"


EXPRESSION = TextRule(
    "a schedule",
    _FORM,
    r"rate\([1-9][0-9]{0,5} (?:minute|hour|day)s?\)|cron\([0-9A-Za-z*?,/#LW -]+\)",
    _suggest,
    256,
    _expression,
)
SCHEDULE = TextRule("a name for a schedule", "1 to 64 letters, digits and . _ -", r"[0-9A-Za-z_.-]+",
                like("0-9A-Za-z_.-", 64), 64)  # fmt: skip
TOPIC = TextRule.of(aws_names.TOPIC, like("A-Za-z0-9_-", 256))
EMAIL = TextRule.of(aws_names.EMAIL, lambda v: re.sub(r"^mailto:|[\s<>]", "", v.strip()))
SUBSCRIBER = TextRule.of(aws_names.SUBSCRIBER, lambda v: "arn:aws:sqs:us-east-1:123456789012:ended-runs")
WEBHOOK = TextRule(
    "the ARN of a secret",
    "store the URL in an SSM parameter or in Secrets Manager, and write the ARN of that",
    r"arn:aws[a-z-]*:(?:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_.\/-]+"
    r"|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9\/_+=.@-]+(?::[^:]*:[^:]*:[^:]*)?)",
    lambda v: None,
)
