"""EventBridge Scheduler's schedules, each with the one thing that it calls.

A schedule can't be tagged, so its description says whose it is. An update replaces all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from reconciler.aws.calls import Aws
from reconciler.core.canonical import JsonText
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Observed, Spec
from reconciler.kinds.base import Kind

BETWEEN = "; "  # two tags in the description


class ScheduleSpec(Spec):
    """A schedule of the default group, and what it calls."""

    kind: ClassVar[str] = "schedule"
    uses: ClassVar[tuple[str, ...]] = ("role", "queue", "function")

    expression: str = ""  # rate(...), cron(...) or at(...)
    timezone: str = "UTC"
    state: str = "ENABLED"
    window: int = 0  # minutes within which it may be due
    role: Annotated[str, Grants()] = ""  # ARN, with which the target is called
    target: Annotated[str, Grants()] = ""  # ARN
    input: JsonText = ""
    retries: int = 185
    max_age: int = 86400  # seconds after which a call isn't tried any more
    dead_letters: Annotated[str, Grants()] = ""  # ARN of the queue that gets what couldn't be called
    other: JsonText = ""  # everything else that it has


class Schedule(Kind[ScheduleSpec]):
    """Reads and writes schedules."""

    spec: ClassVar[type[Spec]] = ScheduleSpec
    needs: ClassVar[Needs] = Needs(
        create=("scheduler:CreateSchedule",), delete=("scheduler:DeleteSchedule",),
        fields={"": ("scheduler:UpdateSchedule",)}, read=("scheduler:GetSchedule",),
        on=("scheduler:schedule/default/{name}",), passes={"role": "scheduler"}, listing=("scheduler:ListSchedules",),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9._-]{1,64}"

    def read(self, aws: Aws, want: ScheduleSpec) -> Observed[ScheduleSpec] | None:
        """The schedule as it is in AWS, in one read."""
        live = aws.find("scheduler", "GetSchedule", Name=want.name)
        return Observed(_spec(live), {"arn": live["Arn"]}) if live else None

    def create(self, aws: Aws, want: ScheduleSpec) -> None:
        """One call makes all of it."""
        aws.call("scheduler", "CreateSchedule", **_request(want))

    def update(self, aws: Aws, want: ScheduleSpec, seen: Observed[ScheduleSpec], changes: Changes) -> None:
        """One call puts all of it."""
        aws.call("scheduler", "UpdateSchedule", **_request(want))

    def delete(self, aws: Aws, seen: Observed[ScheduleSpec]) -> None:
        """Delete the schedule, in one call."""
        aws.find("scheduler", "DeleteSchedule", Name=seen.spec.name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all schedules of the default group, in one read."""
        return [
            schedule["Name"] for schedule in aws.pages("scheduler", "ListSchedules", "Schedules", GroupName="default")
        ]


def _request(want: ScheduleSpec) -> dict[str, Any]:
    window: dict[str, Any] = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": want.window}
    target = {
        "Arn": want.target,
        "RoleArn": want.role,
        "RetryPolicy": {"MaximumRetryAttempts": want.retries, "MaximumEventAgeInSeconds": want.max_age},
        **({"Input": want.input} if want.input else {}),
        **({"DeadLetterConfig": {"Arn": want.dead_letters}} if want.dead_letters else {}),
    }
    return {
        "Name": want.name,
        "ScheduleExpression": want.expression,
        "ScheduleExpressionTimezone": want.timezone,
        "State": want.state,
        "Description": BETWEEN.join(f"{key}={value}" for key, value in sorted(want.tags.items())),
        "FlexibleTimeWindow": window if want.window else {"Mode": "OFF"},
        "Target": target,
    }


def _spec(live: Mapping[str, Any]) -> ScheduleSpec:
    target = dict(live["Target"])
    retry = target.pop("RetryPolicy", None) or {}
    tagged = [part.partition("=") for part in (live.get("Description") or "").split(BETWEEN)]
    spec = {
        "name": live["Name"],
        "expression": live["ScheduleExpression"],
        "timezone": live.get("ScheduleExpressionTimezone") or "UTC",
        "state": live.get("State") or "ENABLED",
        "window": live["FlexibleTimeWindow"].get("MaximumWindowInMinutes") or 0,
        "role": target.pop("RoleArn", ""),
        "target": target.pop("Arn"),
        "input": target.pop("Input", None) or "",
        "retries": retry.get("MaximumRetryAttempts", 185),
        "max_age": retry.get("MaximumEventAgeInSeconds", 86400),
        "dead_letters": (target.pop("DeadLetterConfig", None) or {}).get("Arn", ""),
        "tags": {key: value for key, equals, value in tagged if equals},
    }
    # Empty and false is what AWS fills in.
    others = {**target, **{key: live.get(key) for key in ("StartDate", "EndDate", "KmsKeyArn")}}
    other = {key: value for key, value in others.items() if value}
    return ScheduleSpec(**spec, other=json.dumps(other, default=str) if other else "")
