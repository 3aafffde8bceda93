"""SNS topics: who may publish, who is subscribed and to what of it, encryption, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import OpenSpec, where
from reconciler.core.canonical import Policy, PolicyDocument, StringSet, policy
from reconciler.core.needs import ANYWHERE, Needs
from reconciler.core.spec import Changes, Grants, Observed, Spec, touches
from reconciler.kinds.base import Kind

PENDING, DELETED = "PendingConfirmation", "Deleted"  # in the place of a subscription's ARN
# Of a subscription, with what they are put right: what is left out of it, sent on undelivered, or sent another way.
SETTINGS = {"FilterPolicy": "{}", "RedrivePolicy": "", "DeliveryPolicy": "", "RawMessageDelivery": "false"}
DEFAULT = "__default_statement_ID"  # the Sid of what a new topic allows its own account
ACTIONS = (
    "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
    "ListSubscriptionsByTopic", "Publish",
)  # fmt: skip


class TopicSpec(OpenSpec):
    """A topic. It owns its policy and its subscriptions: what isn't wanted is taken away.

    allow: endpoints that others may have subscribed.
    """

    kind: ClassVar[str] = "topic"

    policy: Annotated[PolicyDocument, Grants()] = Policy()  # empty is what SNS gives a new topic: its own account
    subscriptions: Annotated[StringSet, Grants()] = ()  # `PROTOCOL ENDPOINT`
    subscription_settings: StringSet = ()  # `ENDPOINT NAME VALUE`: what keeps a subscription from getting all as it is
    kms_key: str = ""


class Topic(Kind[TopicSpec]):
    """Reads and writes topics."""

    spec: ClassVar[type[Spec]] = TopicSpec
    needs: ClassVar[Needs] = Needs(
        create=("sns:CreateTopic", "sns:TagResource"), delete=("sns:DeleteTopic",),
        set={"subscriptions": ("sns:Subscribe",)},
        fields={"subscriptions": ("sns:Unsubscribe",),
                "subscription_settings": ("sns:SetSubscriptionAttributes",),
                "tags": ("sns:TagResource", "sns:UntagResource"),
                "": ("sns:SetTopicAttributes",)},
        read=("sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic",
              "sns:ListTagsForResource"),
        on=("sns:{name}",), elsewhere=dict.fromkeys(
            ("sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"), (ANYWHERE,)),
        listing=("sns:ListTopics", "sns:ListTagsForResource"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,256}"

    def read(self, aws: Aws, want: TopicSpec) -> Observed[TopicSpec] | None:
        """Three reads, and one for each confirmed subscription that is wanted."""
        arn = aws.arn("sns", want.name)
        reads: list[Any] = aws.together(
            lambda: aws.find("sns", "GetTopicAttributes", TopicArn=arn),
            lambda: _subscriptions(aws, arn),
            lambda: self.tags_of(aws, want.name),
        )
        live, subscribed, tagging = reads
        if live is None:
            return None
        # One that waits for its confirmation counts as there where it is wanted. Elsewhere it gets nothing, can't be
        # taken away and goes by itself after two days: no difference that an apply could repair.
        effective = [text for text, its_arn in subscribed.items() if its_arn != PENDING or text in want.subscriptions]
        subscriptions = [(where(text), its_arn) for text, its_arn in subscribed.items() if text in want.subscriptions]
        settings = aws.each(
            lambda subscription: _settings(aws, *subscription),
            [subscription for subscription in subscriptions if subscription[1] != PENDING],
        )
        spec = TopicSpec(
            name=want.name,
            policy=_without_default(policy(live["Attributes"].get("Policy") or "{}"), aws.account),
            subscriptions=(
                *(text for text in effective if text in want.subscriptions or where(text) not in want.allow),
            ),
            subscription_settings=tuple(text for texts in settings for text in texts),
            allow=want.allow,
            kms_key=live["Attributes"].get("KmsMasterKeyId", ""),
            tags=tagging,
        )
        return Observed(spec, {"arn": arn})

    def create(self, aws: Aws, want: TopicSpec) -> None:
        """Make it with its policy, then its subscriptions. It is made only when absent: repeated, it wouldn't say."""
        attributes = {"KmsMasterKeyId": want.kms_key} if want.kms_key else {}
        if want.policy.statements:
            attributes["Policy"] = want.policy.text()
        aws.call("sns", "CreateTopic", Name=want.name, Attributes=attributes, Tags=tags.pairs(want.tags))
        _subscribe(aws, aws.arn("sns", want.name), want.subscriptions)

    def update(self, aws: Aws, want: TopicSpec, seen: Observed[TopicSpec], changes: Changes) -> None:
        """Take away who isn't wanted before anything is added."""
        arn, old = seen.attributes["arn"], seen.spec
        if touches(changes, "subscriptions"):
            for text, its_arn in _subscriptions(aws, arn).items():
                if text in old.subscriptions and text not in want.subscriptions and its_arn != PENDING:
                    aws.find("sns", "Unsubscribe", SubscriptionArn=its_arn)
        if touches(changes, "subscription_settings"):
            arns = {where(text): its_arn for text, its_arn in _subscriptions(aws, arn).items()}
            for endpoint, name, _ in (text.split(" ", 2) for text in old.subscription_settings):
                if arns.get(endpoint, PENDING) != PENDING:  # somebody may have ended it since the look
                    usual = {"AttributeName": name, "AttributeValue": SETTINGS[name]}
                    aws.find("sns", "SetSubscriptionAttributes", SubscriptionArn=arns[endpoint], **usual)
        values = {"Policy": _text(want, aws, arn), "KmsMasterKeyId": want.kms_key}
        for field, name in (("policy", "Policy"), ("kms_key", "KmsMasterKeyId")):
            if touches(changes, field):
                aws.call("sns", "SetTopicAttributes", TopicArn=arn, AttributeName=name, AttributeValue=values[name])
        _subscribe(aws, arn, sorted(set(want.subscriptions) - set(old.subscriptions)))
        if touches(changes, "tags"):
            tags.put(aws, "sns", want.tags, old.tags, ResourceArn=arn)

    def delete(self, aws: Aws, seen: Observed[TopicSpec]) -> None:
        """Its subscriptions go with it."""
        aws.find("sns", "DeleteTopic", TopicArn=seen.attributes["arn"])

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all topics, in one read."""
        return [topic["TopicArn"].rpartition(":")[2] for topic in aws.pages("sns", "ListTopics", "Topics")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one topic, in one read."""
        answer = aws.find("sns", "ListTagsForResource", ResourceArn=aws.arn("sns", name))
        return tags.mapping((answer or {}).get("Tags"))


def _subscriptions(aws: Aws, arn: str) -> dict[str, str]:
    """`PROTOCOL ENDPOINT` to the subscription's ARN."""
    subscriptions = aws.find_all("sns", "ListSubscriptionsByTopic", "Subscriptions", TopicArn=arn) or ()
    there = (subscription for subscription in subscriptions if subscription["SubscriptionArn"] != DELETED)
    return {
        f"{subscription['Protocol']} {subscription['Endpoint']}": subscription["SubscriptionArn"]
        for subscription in there
    }


def _settings(aws: Aws, endpoint: str, arn: str) -> list[str]:
    """`ENDPOINT NAME VALUE` of each setting that isn't as SNS makes it."""
    attributes = (aws.find("sns", "GetSubscriptionAttributes", SubscriptionArn=arn) or {}).get("Attributes", {})
    return [
        f"{endpoint} {name} {attributes[name]}"
        for name, usual in SETTINGS.items()
        if attributes.get(name) not in (None, "", "{}", usual)
    ]


def _subscribe(aws: Aws, arn: str, texts: Iterable[str]) -> None:
    for text in texts:
        protocol, endpoint = text.split(" ", 1)
        aws.call("sns", "Subscribe", TopicArn=arn, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True)


def _without_default(topic_policy: Policy, account: str) -> Policy:
    """Without what every new topic has: that its own account may use it."""
    own_conditions = (
        policy({"Statement": {"Condition": {"StringEquals": {"AWS:SourceOwner": account}}}}).statements[0].conditions
    )
    statements = tuple(s for s in topic_policy.statements if s.sid != DEFAULT or s.conditions != own_conditions)
    return Policy(version=topic_policy.version, statements=statements) if statements else Policy()


def _text(want: TopicSpec, aws: Aws, arn: str) -> str:
    """The policy as SNS takes it."""
    if want.policy.statements:
        return want.policy.text()
    statement = {
        "Sid": DEFAULT,
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Resource": arn,
        "Action": [f"SNS:{action}" for action in ACTIONS],
        "Condition": {"StringEquals": {"AWS:SourceOwner": aws.account}},
    }
    return policy({"Version": "2008-10-17", "Statement": [statement]}).text()
