"""EventBridge Scheduler's schedules that run an ECS task.

A schedule can't be tagged, so its description says whose it is. An update replaces all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws.calls import Aws
from reconciler.canonical import JsonText, StringSet
from reconciler.spec import Changes, Grants, Observed, Ref, Spec

BETWEEN = "; "  # two tags in the description


class ScheduleSpec(Spec):
    """A schedule of the default group, and the task that it runs."""

    kind: ClassVar[str] = "schedule"

    expression: str = ""  # rate(...), cron(...) or at(...)
    timezone: str = "UTC"
    state: str = "ENABLED"
    window: int = 0  # minutes within which it may run
    role: Annotated[str, Grants()] = ""  # ARN, with which the task is launched
    cluster: str = ""  # ARN
    task_definition: str = ""  # ARN; without a revision it is the newest
    capacity: tuple[str, ...] = ()  # `PROVIDER WEIGHT BASE`
    subnets: StringSet = ()
    security_groups: tuple[str | Ref, ...] = ()
    public_ip: bool = False
    group: str = ""  # by which its tasks are known
    propagate_tags: str = ""
    input: JsonText = ""  # overrides, as RunTask takes them
    retries: int = 185
    max_age: int = 86400  # seconds after which a launch isn't tried any more
    dead_letters: str = ""  # ARN of the queue that gets what couldn't be launched
    other: JsonText = ""  # everything else that it has


class Schedule:
    """Reads and writes schedules."""

    spec: ClassVar[type[Spec]] = ScheduleSpec

    def observe(self, aws: Aws, wants: Sequence[ScheduleSpec]) -> Mapping[str, Observed[ScheduleSpec]]:
        """One read for each."""
        found = aws.each(lambda want: aws.find("scheduler", "GetSchedule", Name=want.name), wants)
        return {live["Name"]: Observed(_spec(live), {"arn": live["Arn"]}) for live in found if live is not None}

    def create(self, aws: Aws, want: ScheduleSpec) -> None:
        """One call makes all of it."""
        aws.call("scheduler", "CreateSchedule", **_request(want))

    def update(self, aws: Aws, want: ScheduleSpec, seen: Observed[ScheduleSpec], changes: Changes) -> None:
        """One call puts all of it."""
        aws.call("scheduler", "UpdateSchedule", **_request(want))

    def delete(self, aws: Aws, seen: Observed[ScheduleSpec]) -> None:
        """One call."""
        aws.find("scheduler", "DeleteSchedule", Name=seen.spec.name)


def _request(want: ScheduleSpec) -> dict[str, Any]:
    window: dict[str, Any] = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": want.window}
    strategy = [one.split() for one in want.capacity]
    task: dict[str, Any] = {
        "TaskDefinitionArn": want.task_definition,
        "TaskCount": 1,
        "CapacityProviderStrategy": [
            {"capacityProvider": name, "weight": int(weight), "base": int(base)} for name, weight, base in strategy
        ],
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": list(want.subnets),
                "SecurityGroups": list(want.security_groups),
                "AssignPublicIp": "ENABLED" if want.public_ip else "DISABLED",
            }
        },
        **({"Group": want.group} if want.group else {}),
        **({"PropagateTags": want.propagate_tags} if want.propagate_tags else {}),
    }
    target = {
        "Arn": want.cluster,
        "RoleArn": want.role,
        "EcsParameters": task,
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
    task, retry = dict(target.pop("EcsParameters", None) or {}), target.pop("RetryPolicy", None) or {}
    network = (task.pop("NetworkConfiguration", None) or {}).get("awsvpcConfiguration") or {}
    strategy = task.pop("CapacityProviderStrategy", None) or ()
    tagged = [part.partition("=") for part in (live.get("Description") or "").split(BETWEEN)]
    spec = {
        "name": live["Name"],
        "expression": live["ScheduleExpression"],
        "timezone": live.get("ScheduleExpressionTimezone") or "UTC",
        "state": live.get("State") or "ENABLED",
        "window": live["FlexibleTimeWindow"].get("MaximumWindowInMinutes") or 0,
        "role": target.pop("RoleArn", ""),
        "cluster": target.pop("Arn"),
        "task_definition": task.pop("TaskDefinitionArn", ""),
        "capacity": tuple(f"{s['capacityProvider']} {s.get('weight', 0)} {s.get('base', 0)}" for s in strategy),
        "subnets": network.get("Subnets", ()),
        "security_groups": tuple(network.get("SecurityGroups", ())),
        "public_ip": network.get("AssignPublicIp") == "ENABLED",
        "group": task.pop("Group", None) or "",
        "propagate_tags": task.pop("PropagateTags", None) or "",
        "input": target.pop("Input", None) or "",
        "retries": retry.get("MaximumRetryAttempts", 185),
        "max_age": retry.get("MaximumEventAgeInSeconds", 86400),
        "dead_letters": (target.pop("DeadLetterConfig", None) or {}).get("Arn", ""),
        "tags": {key: value for key, equals, value in tagged if equals},
    }
    if task.pop("TaskCount", 1) not in (1, None):
        task["TaskCount"] = live["Target"]["EcsParameters"]["TaskCount"]
    # Empty and false is what AWS fills in.
    others = {**target, **task, **{key: live.get(key) for key in ("StartDate", "EndDate", "KmsKeyArn")}}
    rest = {key: value for key, value in others.items() if value}
    return ScheduleSpec(**spec, other=json.dumps(rest, default=str) if rest else "")
