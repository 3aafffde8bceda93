"""What works when nobody is there: what starts runs and sees them through, and the topic that tells of them. Pure.

Who tells of which run: docs/decisions/notify.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.config.unattended import Notify, Schedule
from reconciler.core.canonical import allow, policy_of
from reconciler.core.function_settings import LAUNCH
from reconciler.core.graph import Node
from reconciler.core.spec import OWNER_TAG, Address
from reconciler.kinds import QueueSpec, RoleSpec, ScheduleSpec, TopicSpec
from reconciler.lower.ci import service_trust
from reconciler.lower.scheduled_function import watcher

SCHEDULER = "scheduler.amazonaws.com"
KEPT = 14 * 86400  # seconds for which a launch that failed is kept: as long as SQS keeps anything
TIME = "<aws.scheduler.scheduled-time>"  # Scheduler puts it in its place, the same each time that it tries


def scheduler_role(
    names: Names, name: str, description: str, policy_name: str, statements: Sequence[dict[str, Any]]
) -> Node:
    """A role for this account's schedules, which may do this and nothing else."""
    spec = RoleSpec(
        name=name,
        trust=service_trust(names, SCHEDULER),
        description=description,
        inline_policies={policy_name: policy_of(statements)},
        tags=names.tags,
    )
    return Node(spec)


def unattended(names: Names) -> Iterator[Node]:
    """The function with what calls it, where the file has a schedule or unattended runs; the topic where it notifies
    anyone.
    """
    deploy = names.deploy
    if deploy.has_function:
        yield from _caller(names)
        yield from watcher(names)
    if deploy.schedule:
        yield _schedule(names, deploy.schedule)
    if deploy.notify and deploy.notify.subscriptions:
        yield _topic(names, deploy.notify)


def _caller(names: Names) -> Iterator[Node]:
    """What Scheduler calls the function with, at its times and after a pause, and where a call goes that failed."""
    dead, function = names.arn("sqs", names.dead_letters), names.arn("lambda", f"function:{names.watcher}")
    statements = [allow("Call", "lambda:InvokeFunction", function), allow("DeadLetters", "sqs:SendMessage", dead)]
    yield Node(QueueSpec(name=names.dead_letters, retention=KEPT, tags=names.tags))
    yield scheduler_role(names, names.schedule_role, "Starts the scheduled runs", "launch", statements)


def _schedule(names: Names, schedule: Schedule) -> Node:
    spec = ScheduleSpec(
        name=names.schedule,
        expression=schedule.when,
        timezone=schedule.timezone,
        state="ENABLED" if schedule.enabled else "DISABLED",
        window=schedule.window // 60,
        role=names.iam(f"role/{names.schedule_role}"),
        target=names.arn("lambda", f"function:{names.watcher}"),
        input=json.dumps({LAUNCH: TIME}),
        retries=schedule.retries,
        max_age=schedule.give_up,
        dead_letters=names.arn("sqs", names.dead_letters),
        tags={OWNER_TAG: names.deploy.name},
    )
    needs = Address("queue", names.dead_letters), Address("role", names.schedule_role)
    return Node(spec, (*needs, Address("function", names.watcher)))


def _topic(names: Names, notify: Notify) -> Node:
    """Only this account, as SNS has it by itself, may publish there."""
    spec = TopicSpec(name=str(notify.topic), subscriptions=notify.subscriptions, tags=names.tags)
    return Node(spec)
