"""What a subscription leaves out is put right, and one that somebody ended since the look is no error."""

from __future__ import annotations

import pytest

from reconciler.core.diff import diff
from reconciler.kinds import Topic, TopicSpec
from tests.lab_client import LabHandle

READER = "arn:aws:sqs:us-east-1:123456789012:reader"


@pytest.mark.parametrize("ended", [False, True])
def test_a_setting_is_put_right_where_its_subscription_still_is(lab: LabHandle, ended: bool) -> None:
    aws, sns = lab.aws(), lab.client("sns")
    want = TopicSpec(name="told", subscriptions=(f"sqs {READER}",), tags={"reconciler:deploy": "tiny"})
    lab.client("sqs").create_queue(QueueName="reader")
    Topic().create(aws, want)
    (arn,) = (subscription["SubscriptionArn"] for subscription in sns.list_subscriptions()["Subscriptions"])
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
    seen = Topic().observe(aws, [want])["told"]
    assert seen.spec.subscription_settings == (f"{READER} RawMessageDelivery true",)
    if ended:
        sns.unsubscribe(SubscriptionArn=arn)
    Topic().update(aws, want, seen, diff(want, seen.spec))
    assert Topic().observe(aws, [want])["told"].spec.subscription_settings == ()
