"""SQS queues: how long messages stay, who may send, where they go on, encryption, tags."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note
from reconciler.core.canonical import Policy, PolicyDocument, policy
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Observed, Restricts, Spec, touches
from reconciler.kinds.base import Kind

SQS = "SSE-SQS"  # encrypted with a key of SQS's own, as every new queue is


class QueueSpec(AttachedSpec):
    """A standard queue. It owns its policy: one that isn't wanted is taken away.

    attached: `redrive ARN COUNT`, the queue to which what was received so often goes on.
    """

    kind: ClassVar[str] = "queue"

    retention: int = 345600  # seconds
    policy: Annotated[PolicyDocument, Grants()] = Policy()
    encryption: Annotated[str, Restricts()] = SQS  # or a KMS key's id; empty for none


class Queue(Kind[QueueSpec]):
    """Reads and writes queues."""

    spec: ClassVar[type[Spec]] = QueueSpec
    needs: ClassVar[Needs] = Needs(
        create=("sqs:CreateQueue", "sqs:TagQueue"), delete=("sqs:DeleteQueue",),
        fields={"tags": ("sqs:TagQueue", "sqs:UntagQueue"), "": ("sqs:SetQueueAttributes",)},
        read=("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"), on=("sqs:{name}",),
        listing=("sqs:ListQueues",),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,80}"

    def read(self, aws: Aws, want: QueueSpec) -> Observed[QueueSpec] | None:
        """The queue with its attributes and tags, in three reads."""
        answer = aws.find("sqs", "GetQueueUrl", QueueName=want.name)
        if answer is None:
            return None
        url = answer["QueueUrl"]
        reads: list[Any] = aws.together(
            lambda: aws.find("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]),
            lambda: aws.find("sqs", "ListQueueTags", QueueUrl=url),
        )
        if reads[0] is None:
            return None
        live = reads[0]["Attributes"]
        default = SQS if live.get("SqsManagedSseEnabled", "true").lower() == "true" else ""
        spec = QueueSpec(
            name=want.name,
            retention=int(live["MessageRetentionPeriod"]),
            policy=policy(live["Policy"]) if live.get("Policy") else Policy(),
            encryption=live.get("KmsMasterKeyId") or default,
            attached=not_allowed(_redrive(live.get("RedrivePolicy")), want),
            allow=want.allow,
            tags=(reads[1] or {}).get("Tags") or {},
        )
        return Observed(spec, {"arn": live["QueueArn"], "url": url}, note(spec))

    def create(self, aws: Aws, want: QueueSpec) -> None:
        """One call makes all of it."""
        attributes = {"MessageRetentionPeriod": str(want.retention), **_encryption(want)}
        if want.policy.statements:
            attributes["Policy"] = want.policy.text()
        aws.call("sqs", "CreateQueue", QueueName=want.name, Attributes=attributes, tags=dict(want.tags))

    def update(self, aws: Aws, want: QueueSpec, seen: Observed[QueueSpec], changes: Changes) -> None:
        """Put what differs."""
        url = seen.attributes["url"]
        attributes: dict[str, str] = {}
        if touches(changes, "retention"):
            attributes["MessageRetentionPeriod"] = str(want.retention)
        if touches(changes, "policy"):
            attributes["Policy"] = want.policy.text() if want.policy.statements else ""
        if touches(changes, "encryption"):
            attributes |= {"KmsMasterKeyId": "", **_encryption(want)}
        if touches(changes, "attached"):
            attributes["RedrivePolicy"] = ""
        if attributes:
            aws.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes=attributes)
        if touches(changes, "tags"):
            tags.put(aws, "sqs", want.tags, seen.spec.tags, of="Queue", QueueUrl=url)

    def delete(self, aws: Aws, seen: Observed[QueueSpec]) -> None:
        """Remove it with the messages in it. AWS makes no other of its name for a minute."""
        aws.find("sqs", "DeleteQueue", QueueUrl=seen.attributes["url"])

    def listed(self, aws: Aws) -> Iterable[str]:
        """A read for a thousand of them: without MaxResults SQS has no further page."""
        return [url.rpartition("/")[2] for url in aws.pages("sqs", "ListQueues", "QueueUrls", MaxResults=1000)]


def _redrive(text: str | None) -> list[str]:
    redrive = json.loads(text) if text else {}
    return [f"redrive {redrive['deadLetterTargetArn']} {redrive.get('maxReceiveCount', '')}"] if redrive else []


def _encryption(want: QueueSpec) -> dict[str, str]:
    if want.encryption in (SQS, ""):
        return {"SqsManagedSseEnabled": "true" if want.encryption else "false"}
    return {"KmsMasterKeyId": want.encryption}
