"""The section `allow`: what others have attached to resources of the deploy and may stay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.config.base import AsWritten, OneOrMore, Section
from reconciler.config.rule import Rule

ATTACHED = Rule(
    "what a plan shows of something attached",
    "write the ARN, name or id that the plan shows there, without a blank",
    r"[^\s]+",
    lambda value: next(iter(value.split()), ""),
    2048,
)
These = Annotated[tuple[Annotated[str, ATTACHED], ...], AsWritten(), OneOrMore()]


class Allow(Section):
    """What others have attached to resources of the deploy and may stay, each as the plan names it."""

    bucket: These = Field(
        (),
        description="Buckets that objects are copied to, and what is told of them, by ARN.",
        examples=[["arn:aws:s3:::my-backup"]],
    )
    log_group: These = Field(
        (),
        description="Where log lines are sent besides, by ARN.",
        examples=[["arn:aws:lambda:us-east-1:123456789012:function:ship-logs"]],
    )
    function: These = Field(
        (),
        description="What the schedule's function is called by and where its results go: ARNs, URLs, names of aliases.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:failures"]],
    )
    role: These = Field(
        (),
        description="Policies that roles may have besides, and a permissions boundary: ARNs, names of inline policies.",
        examples=[["arn:aws:iam::123456789012:policy/organisation-boundary"]],
    )
    user: These = Field(
        (),
        description="The same of the CI's user, and the ids of its SSH keys, certificates and credentials of services.",
        examples=[["APKAIOSFODNN7EXAMPLE"]],
    )
    topic: These = Field(
        (),
        description="What is subscribed besides to the topic of `notify`: endpoints.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:pager"]],
    )
    queue: These = Field(
        (),
        description="Where messages of the queue for failed calls go on, by ARN.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:failures-of-all"]],
    )
    cluster: These = Field(
        (),
        description="Buckets and log groups that get what is typed in shells of its tasks, by name.",
        examples=[["audit-of-shells"]],
    )

    def of(self, kind: str) -> tuple[str, ...]:
        """What may stay at resources of a kind; nothing where the kind has no such field."""
        found: tuple[str, ...] = getattr(self, kind.replace("-", "_"), ())
        return found
