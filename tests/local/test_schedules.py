"""Schedules and events that work without anybody watching."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.local import schedules
from tests.local_fixtures import ACCOUNT, REGION, EmbeddedAws, unique
from tests.waiting import until


@pytest.mark.parametrize(
    ("expression", "timezone", "expected", "begins", "ends"),  # these in days, None for no such date
    [
        ("cron(0 12 L * ? *)", "UTC", ["03-31T12:00", "04-30T12:00"], None, None),
        ("cron(0 12 ? * 6#2 *)", "America/New_York", ["03-13T16:00", "04-10T16:00"], None, None),
        ("cron(0 12 5W APR ? *)", "Not/There", ["04-06T12:00"], None, None),
        ("rate(20 days)", "UTC", ["03-24T00:00", "04-13T00:00"], None, None),
        ("at(2026-03-01T00:00:00)", "UTC", ["03-04T00:00"], None, None),  # past when it was set
        ("cron(0 12 * *)", "UTC", [], None, None),
        ("whenever", "UTC", [], None, None),
        ("rate(20 days)", "UTC", ["03-06T00:00", "03-26T00:00"], 2, 30),
        ("rate(20 days)", "UTC", ["03-24T00:00"], -1, 39),
        ("cron(0 0 6 * ? *)", "UTC", ["03-06T00:00", "04-06T00:00"], 2, None),
        ("at(2026-03-06T00:00:00)", "UTC", ["03-06T00:00"], 9, 1),  # neither counts
    ],
)
def test_each_time_is_called_once(
    monkeypatch: pytest.MonkeyPatch,
    expression: str,
    timezone: str,
    expected: list[str],
    begins: int | None,
    ends: int | None,
) -> None:
    """Looked at every ten minutes from when it was set, for two months."""
    begin = datetime(2026, 3, 4, tzinfo=UTC)
    schedule = SimpleNamespace(
        arn="a", last_modified_date=begin.timestamp(), state="ENABLED", schedule_expression=expression,
        schedule_expression_timezone=timezone, action_after_completion=None,
        start_date=begins and (begin + timedelta(days=begins)).timestamp(),
        end_date=ends and (begin + timedelta(days=ends)).timestamp(),
    )  # fmt: skip
    called: list[str] = []
    monkeypatch.setattr(schedules, "_all_schedules", lambda: [(None, schedule)])
    looking = schedules.Schedules("http://127.0.0.1:9", cast(Any, None), cast(Any, None))
    now = begin
    monkeypatch.setattr(looking, "_call", lambda *_: called.append(now.strftime("%m-%dT%H:%M")))
    for minutes in range(0, 58 * 24 * 60, 10):
        now = begin + timedelta(minutes=minutes)
        looking.look(now)
    assert called == expected


def scheduler_role(embedded_aws: EmbeddedAws, *actions: str) -> str:
    return embedded_aws.role(
        unique("scheduler"), {"Effect": "Allow", "Action": actions, "Resource": "*"}, service="scheduler.amazonaws.com"
    )


def create(embedded_aws: EmbeddedAws, target: dict[str, Any], expression: str, **more: Any) -> str:
    name = unique("schedule")
    embedded_aws.client("scheduler").create_schedule(
        Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=target, **more
    )
    return name


def names(embedded_aws: EmbeddedAws) -> list[str]:
    return [schedule["Name"] for schedule in embedded_aws.client("scheduler").list_schedules()["Schedules"]]


def stop_target(embedded_aws: EmbeddedAws, arn: str, role: str) -> dict[str, Any]:
    order = {"Cluster": "tests", "Task": arn, "Reason": "its deadline"}
    return {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask", "RoleArn": role, "Input": json.dumps(order)}


def test_a_one_time_schedule_stops_a_task_and_deletes_itself(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python("import time; time.sleep(600)")
    target = stop_target(embedded_aws, arn, scheduler_role(embedded_aws, "ecs:StopTask"))
    when = (datetime.now(UTC) + timedelta(seconds=2)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    name = create(embedded_aws, target, when, ActionAfterCompletion="DELETE")
    assert name in names(embedded_aws)
    task = embedded_aws.finished(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "its deadline")
    until(lambda: name not in names(embedded_aws), "the schedule's deletion")


def test_a_moment_already_past_counts_once(embedded_aws: EmbeddedAws) -> None:
    sqs = embedded_aws.client("sqs")
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    role = scheduler_role(embedded_aws, "sqs:SendMessage")
    order = json.dumps({"QueueUrl": url, "MessageBody": "now"})
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": role, "Input": order}
    name = create(embedded_aws, target, "at(2001-02-03T04:05:06)")
    until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), "the message")
    later = create(embedded_aws, target, "at(2001-02-03T04:05:06)", ActionAfterCompletion="DELETE")
    until(lambda: later not in names(embedded_aws), "two more looks at the schedules")
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 1  # of the later one
    assert name in names(embedded_aws)


def test_a_schedule_runs_a_task(embedded_aws: EmbeddedAws) -> None:
    family = embedded_aws.register(
        embedded_aws.container(embedded_aws.python_image("import os; print(os.environ['A'])"))
    )
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{embedded_aws.cluster()}"
    network = {"awsvpcConfiguration": {"Subnets": [embedded_aws.subnet()], "AssignPublicIp": "ENABLED"}}
    override = {"containerOverrides": [{"name": "main", "environment": [{"name": "A", "value": "by schedule"}]}]}
    target = {
        "Arn": cluster,
        "RoleArn": scheduler_role(embedded_aws, "ecs:RunTask", "iam:PassRole"),
        "EcsParameters": {"TaskDefinitionArn": family, "LaunchType": "FARGATE", "NetworkConfiguration": network},
        "Input": json.dumps(override),
    }
    name = create(embedded_aws, target, "cron(0 4 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")
    assert embedded_aws.control("POST", f"schedules/{name}") == (200, {"fired": True})
    ecs = embedded_aws.client("ecs")

    def launched() -> list[str]:
        answers = [
            ecs.list_tasks(cluster="tests", family=family, desiredStatus=s)["taskArns"] for s in ("RUNNING", "STOPPED")
        ]
        return [arn for arns in answers for arn in arns]

    arn = until(launched, "the task of the schedule")[0]
    assert embedded_aws.finished(arn)["startedBy"] == f"chronos-schedule/{name}"
    assert embedded_aws.lines(arn) == ["by schedule"]
    assert embedded_aws.control("POST", "schedules/nothing") == (404, {"fired": False})


def test_a_schedule_whose_role_may_not_goes_to_the_dead_letter_queue(embedded_aws: EmbeddedAws) -> None:
    sqs = embedded_aws.client("sqs")
    url = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for role, words in (
        (scheduler_role(embedded_aws, "ecs:RunTask", "sqs:SendMessage"), "not authorized to perform: ecs:StopTask"),
        # It sends as the schedule's role, so that has to be allowed to.
        (scheduler_role(embedded_aws, "ecs:RunTask"), ""),
        ("arn:aws:iam::123456789012:role/nobody", ""),
    ):
        target = stop_target(embedded_aws, "x", role) | {"DeadLetterConfig": {"Arn": queue}}
        name = create(embedded_aws, target, "rate(1 day)")
        embedded_aws.control("POST", f"schedules/{name}")
        messages = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
        assert len(messages) == bool(words)
        for message in messages:
            assert words in message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def task_target(embedded_aws: EmbeddedAws, family: str, role: str) -> dict[str, Any]:
    """A schedule's target that runs a task."""
    network = {"awsvpcConfiguration": {"Subnets": [embedded_aws.subnet()], "AssignPublicIp": "ENABLED"}}
    return {
        "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{embedded_aws.cluster()}",
        "RoleArn": role,
        "EcsParameters": {"TaskDefinitionArn": family, "LaunchType": "FARGATE", "NetworkConfiguration": network},
    }


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Condition": {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/other"}}}, "RunTask"),
        ({"Resource": "arn:aws:ecs:us-east-1:123456789012:task-definition/other:*"}, "ecs:RunTask"),
        ({"Action": "ecs:RunTask"}, "iam:PassRole"),
    ],
)
def test_a_schedules_role_is_held_to_cluster_definition_and_the_roles_it_hands_over(
    embedded_aws: EmbeddedAws, statement: dict[str, Any], words: str
) -> None:
    sqs = embedded_aws.client("sqs")
    url = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    family = embedded_aws.register(embedded_aws.container(embedded_aws.python_image("pass")))
    everything = {"Effect": "Allow", "Action": ["ecs:RunTask", "iam:PassRole"], "Resource": "*"}
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
    role = embedded_aws.role(unique("scheduler"), everything | statement, send, service="scheduler.amazonaws.com")
    target = task_target(embedded_aws, family, role) | {"DeadLetterConfig": {"Arn": queue}}
    name = create(embedded_aws, target, "rate(1 day)")
    embedded_aws.control("POST", f"schedules/{name}")
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert words in message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_an_address_gets_nothing_until_it_is_confirmed(embedded_aws: EmbeddedAws) -> None:
    sns = embedded_aws.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["SubscriptionArn"], subscription["Endpoint"]) == ("PendingConfirmation", "a@example.com")
    arn = sns.confirm_subscription(TopicArn=topic, Token="a@example.com")["SubscriptionArn"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert subscription["SubscriptionArn"] == arn
