"""What works when nobody is there: the schedule that starts runs, and the topic that tells of them. Pure.

Who tells of which run: docs/decisions/notify.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.canonical import policy
from reconciler.config.schema import Notify, Schedule
from reconciler.config.service import FARGATE
from reconciler.graph import Node
from reconciler.keys import SCHEDULED, output_prefix
from reconciler.kinds import QueueSpec, RoleSpec, ScheduleSpec, TopicSpec
from reconciler.lower.watcher import watcher
from reconciler.resource_names import Names
from reconciler.spec import OWNER_TAG, Address, Ref

SCHEDULER = "scheduler.amazonaws.com"
KEPT = 14 * 86400  # seconds for which a launch that failed is kept: as long as SQS keeps anything
EXECUTION = "<aws.scheduler.execution-id>"  # Scheduler puts the id of each launch in its place


def scheduler_role(
    names: Names, name: str, description: str, policy_name: str, statements: Sequence[dict[str, Any]]
) -> Node:
    """A role for this account's schedules, which may do this and nothing else."""
    condition = {"StringEquals": {"aws:SourceAccount": names.facts.account}}
    trust = {"Effect": "Allow", "Principal": {"Service": SCHEDULER}, "Action": "sts:AssumeRole", "Condition": condition}
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    spec = RoleSpec(
        name=name,
        trust=policy({"Version": "2012-10-17", "Statement": [trust]}),
        description=description,
        inline_policies={policy_name: policy(document)},
        tags=names.tags,
    )
    return Node(spec)


def unattended(names: Names) -> Iterator[Node]:
    """All of it."""
    deploy = names.deploy
    if deploy.schedule:
        yield from _schedule(names, deploy.schedule)
        yield from watcher(names)
    if deploy.notify and deploy.notify.subscriptions:
        yield _topic(names, deploy.notify)


def _schedule(names: Names, schedule: Schedule) -> Iterator[Node]:
    deploy, task = names.deploy, names.deploy.task
    dead = names.arn("sqs", names.dead_letters)
    cluster = names.arn("ecs", f"cluster/{deploy.cluster.name}")
    family = names.arn("ecs", f"task-definition/{task.family}")
    roles = [names.iam(f"role/{role.name}") for role in (task.execution_role, task.role)]
    statements: list[dict[str, Any]] = [
        {"Sid": "Launch", "Effect": "Allow", "Action": "ecs:RunTask", "Resource": [family, f"{family}:*"],
         "Condition": {"ArnEquals": {"ecs:cluster": cluster}}},
        {"Sid": "PassRole", "Effect": "Allow", "Action": "iam:PassRole", "Resource": roles,
         "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}},
        {"Sid": "Tag", "Effect": "Allow", "Action": "ecs:TagResource",
         "Resource": names.arn("ecs", f"task/{deploy.cluster.name}/*"),
         "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}}},
        {"Sid": "DeadLetters", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dead},
    ]  # fmt: skip
    yield Node(QueueSpec(name=names.dead_letters, retention=KEPT, tags=names.tags))
    yield scheduler_role(names, names.schedule_role, "Starts the scheduled runs", "launch", statements)
    group = Address("security-group", str(deploy.network.security_group.name))
    run_id = f"{SCHEDULED}{EXECUTION}"
    given = {"RUN_ID": run_id, "OUTPUT_URI": f"s3://{names.bucket}/{output_prefix(run_id)}"}
    container = {
        "name": task.container,
        "environment": [{"name": key, "value": value} for key, value in sorted(given.items())],
    }
    spec = ScheduleSpec(
        name=names.schedule,
        expression=schedule.when,
        timezone=schedule.timezone,
        state="ENABLED" if schedule.enabled else "DISABLED",
        window=schedule.window // 60,
        role=names.iam(f"role/{names.schedule_role}"),
        cluster=cluster,
        task_definition=family,
        capacity=(f"{deploy.run.capacity[0]} 1 0",),
        subnets=names.facts.subnets,
        security_groups=(Ref(group, "id"),),
        public_ip=deploy.network.public_ip and deploy.run.capacity[0] in FARGATE,
        group=names.schedule,
        propagate_tags="TASK_DEFINITION",
        input=json.dumps({"containerOverrides": [container]}),
        retries=schedule.retries,
        max_age=schedule.give_up,
        dead_letters=dead,
        tags={OWNER_TAG: deploy.name},
    )
    needs = (
        Address("queue", names.dead_letters), Address("role", names.schedule_role), group,
        Address("cluster", str(deploy.cluster.name)), Address("task-definition", str(task.family)),
    )  # fmt: skip
    yield Node(spec, needs)


def _topic(names: Names, notify: Notify) -> Node:
    """Only this account, as SNS has it by itself, may publish there."""
    spec = TopicSpec(name=str(notify.topic), subscriptions=notify.subscriptions, tags=names.tags)
    return Node(spec)
