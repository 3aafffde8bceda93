"""Drift of what works when nobody watches: a topic, a queue, a rule and a schedule, each change through AWS's own API.

An account of a few resources, since the guide's deployment has no schedule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from reconciler.core.graph import Node
from reconciler.core.plan import Action
from reconciler.core.spec import OWNER_TAG, Address
from reconciler.kinds import QueueSpec, RuleSpec, ScheduleSpec, TopicSpec
from reconciler.kinds.events_rule import RuleTarget
from tests.drift import cases, test_function
from tests.faults.small import Small
from tests.kinds.sample import KEY
from tests.lab_client import ACCOUNT, REGION, LabHandle

NAME, TAGS = "demo", {OWNER_TAG: "demo", "team": "one"}
THEM = "210987654321"


def arn(service: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{REGION}:{account}:{name}"


TOPIC, QUEUE, READER = arn("sns", NAME), arn("sqs", NAME), arn("sqs", "reader")
FUNCTION, THEIRS = arn("lambda", "function:demo"), arn("lambda", "function:theirs", THEM)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/demo"
SPECS = (
    TopicSpec(name=NAME, tags=TAGS, subscriptions=(f"sqs {READER}",)),
    QueueSpec(name=NAME, tags=TAGS, retention=1209600),
    RuleSpec(name=NAME, tags=TAGS, pattern='{"source":["aws.ecs"]}', targets=(RuleTarget(id="watcher", arn=FUNCTION),)),
    ScheduleSpec(name=NAME, tags=TAGS, expression="rate(1 day)", role=ROLE, target=FUNCTION, dead_letters=QUEUE),
)


def sns(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("sns"), name)(**params)


def attribute(name: str, value: str) -> Callable[[LabHandle], Any]:
    return sns("set_topic_attributes", TopicArn=TOPIC, AttributeName=name, AttributeValue=value)


def setting(name: str, value: object) -> Callable[[LabHandle], Any]:
    """A setting of the subscription that is wanted."""

    def do(lab: LabHandle) -> None:
        api = lab.client("sns")
        subscriptions = api.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
        (subscription_arn,) = [
            subscription["SubscriptionArn"] for subscription in subscriptions if subscription["Endpoint"] == READER
        ]
        text = value if isinstance(value, str) else json.dumps(value)
        api.set_subscription_attributes(SubscriptionArn=subscription_arn, AttributeName=name, AttributeValue=text)

    return do


def unsubscribe(lab: LabHandle) -> None:
    api = lab.client("sns")
    for subscription in api.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]:
        api.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def sqs(**attributes: str) -> Callable[[LabHandle], Any]:
    def do(lab: LabHandle) -> None:
        api = lab.client("sqs")
        api.set_queue_attributes(QueueUrl=api.get_queue_url(QueueName=NAME)["QueueUrl"], Attributes=attributes)

    return do


def on_queue(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    def do(lab: LabHandle) -> None:
        api = lab.client("sqs")
        getattr(api, name)(QueueUrl=api.get_queue_url(QueueName=NAME)["QueueUrl"], **params)

    return do


def everybody(action: str, on: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": on}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def events(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("events"), name)(**params)


def put_rule(**parts: Any) -> Callable[[LabHandle], Any]:
    return events("put_rule", **{"Name": NAME, "EventPattern": '{"source": ["aws.ecs"]}'} | parts)


def delete_rule(lab: LabHandle) -> None:
    lab.client("events").remove_targets(Rule=NAME, Ids=["watcher"])
    lab.client("events").delete_rule(Name=NAME)


def tag_rule(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return events(name, ResourceARN=arn("events", f"rule/{NAME}"), **params)


def schedule(target: dict[str, Any] | None = None, **parts: Any) -> Callable[[LabHandle], Any]:
    def do(lab: LabHandle) -> None:
        api = lab.client("scheduler")
        live = api.get_schedule(Name=NAME)
        keep = (
            "Name",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "FlexibleTimeWindow",
            "Description",
            "State",
        )
        api.update_schedule(**{k: live[k] for k in {*keep, "State"}} | parts, Target=live["Target"] | (target or {}))

    return do


class Drift(NamedTuple):
    """path: of the change that the plan has to show; empty for what has to be made again."""

    kind: str
    path: str
    do: Callable[[LabHandle], Any]
    widens: bool = False


DRIFTS = {
    "everybody may publish": Drift("topic", "policy", attribute("Policy", everybody("sns:Publish", TOPIC)), True),
    "another queue is subscribed": Drift("topic", "subscriptions", sns(
        "subscribe", TopicArn=TOPIC, Protocol="sqs", Endpoint=arn("sqs", "theirs", THEM)), True),
    "an address is subscribed": Drift("topic", "subscriptions", sns(
        "subscribe", TopicArn=TOPIC, Protocol="https", Endpoint="https://example.com/theirs"), True),
    "nobody is subscribed": Drift("topic", "subscriptions", unsubscribe),
    "some messages are left out": Drift("topic", "subscription_settings", setting("FilterPolicy", {"a": ["b"]})),
    "messages come bare": Drift("topic", "subscription_settings", setting("RawMessageDelivery", "true")),
    "what isn't delivered goes on": Drift(
        "topic", "subscription_settings", setting("RedrivePolicy", {"deadLetterTargetArn": arn("sqs", "theirs")})),
    "the topic is encrypted": Drift("topic", "kms_key", attribute("KmsMasterKeyId", KEY)),
    "the topic's owner": Drift("topic", f"tags.{OWNER_TAG}", sns(
        "untag_resource", ResourceArn=TOPIC, TagKeys=[OWNER_TAG])),
    "the topic is gone": Drift("topic", "", sns("delete_topic", TopicArn=TOPIC)),
    "everybody may send": Drift("queue", "policy", sqs(Policy=everybody("sqs:SendMessage", QUEUE)), True),
    "messages go on to another queue": Drift("queue", "attached", sqs(RedrivePolicy=json.dumps(
        {"deadLetterTargetArn": READER, "maxReceiveCount": "1"})), True),
    "messages are kept for a minute": Drift("queue", "retention", sqs(MessageRetentionPeriod="60")),
    "the queue isn't encrypted": Drift("queue", "encryption", sqs(SqsManagedSseEnabled="false"), True),
    "the queue's owner": Drift("queue", f"tags.{OWNER_TAG}", on_queue("untag_queue", TagKeys=[OWNER_TAG])),
    "the queue is gone": Drift("queue", "", on_queue("delete_queue")),
    "somebody's function gets the events": Drift("rule", "targets[theirs]", events(
        "put_targets", Rule=NAME, Targets=[{"Id": "theirs", "Arn": THEIRS}]), True),
    "ours gets something else": Drift("rule", "targets[watcher]", events(
        "put_targets", Rule=NAME, Targets=[{"Id": "watcher", "Arn": FUNCTION, "Input": '"x"'}]), True),
    "nothing gets the events": Drift("rule", "targets[watcher]", events(
        "remove_targets", Rule=NAME, Ids=["watcher"])),
    "the rule is switched off": Drift("rule", "state", events("disable_rule", Name=NAME)),
    "the rule is about other events": Drift("rule", "pattern", put_rule(EventPattern='{"source": ["aws.s3"]}')),
    "the rule has a role": Drift("rule", "role", put_rule(RoleArn=ROLE), True),
    "the rule's owner": Drift("rule", f"tags.{OWNER_TAG}", tag_rule("untag_resource", TagKeys=[OWNER_TAG])),
    "the rule is gone": Drift("rule", "", delete_rule),
    "the schedule is switched off": Drift("schedule", "state", schedule(State="DISABLED")),
    "every minute": Drift("schedule", "expression", schedule(ScheduleExpression="rate(1 minute)")),
    "in another time zone": Drift("schedule", "timezone", schedule(ScheduleExpressionTimezone="Asia/Tokyo")),
    "somebody's function is called": Drift("schedule", "target", schedule({"Arn": THEIRS}), True),
    "with another role": Drift("schedule", "role", schedule({"RoleArn": f"{ROLE}-2"}), True),
    "with other words": Drift("schedule", "input", schedule({"Input": '{"launch": "theirs"}'})),
    "what fails goes elsewhere": Drift("schedule", "dead_letters", schedule(
        {"DeadLetterConfig": {"Arn": arn("sqs", "theirs", THEM)}}), True),
    "the schedule's owner": Drift("schedule", f"tags.{OWNER_TAG}", schedule(Description="mine")),
    "the schedule is gone": Drift("schedule", "", lambda lab: lab.client("scheduler").delete_schedule(Name=NAME)),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(lab_session: LabHandle) -> Small:
    """The resources, which each repair leaves as they were."""
    lab_session.reset()
    for name in ("reader", "theirs"):
        lab_session.client("sqs").create_queue(QueueName=name)
    made = Small(lab_session, [Node(spec) for spec in SPECS])
    assert made.apply().ok
    assert {step.action for step in made.plan().steps} == {Action.NONE}
    return made


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=[name.replace(" ", "-") for name in DRIFTS])
def test_drift(drift: Drift, world: Small) -> None:
    drift.do(world.lab)
    (step,) = [step for step in world.plan().steps if step.action is not Action.NONE]
    assert step.address == Address(drift.kind, NAME)
    if drift.path:
        assert step.action is Action.UPDATE
        shown = [change for change in step.changes if change.path.startswith(drift.path)]
        assert shown, step.changes
        assert any(change.widens for change in shown) is drift.widens
    else:
        assert step.action is Action.CREATE
    assert world.apply().ok
    assert {step.action for step in world.plan().steps} == {Action.NONE}


def test_there_are_enough_of_them() -> None:
    """Of all kinds of changes, through AWS's API, behind the back of whoever applies."""
    guide = {(drift.address, drift.path, drift.name): drift.widens for drift in cases.drifts()}
    function = {("function", drift.path, name): drift.widens for name, drift in test_function.DRIFTS.items()}
    others = {(drift.kind, drift.path, name): drift.widens for name, drift in DRIFTS.items()}
    every = guide | function | others
    assert len(every) >= 150
    assert sum(every.values()) >= 60
