"""The section `allow`: what others have attached to resources of the deploy and may stay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.config.base import AsWritten, OneOrMore, Section
from reconciler.config.rule import TextRule

ATTACHED = TextRule(
    "the ARN, name or id of an attachment",
    "write it as the plan shows it, without spaces",
    r"[^\s]+",
    lambda value: next(iter(value.split()), ""),
    2048,
)
These = Annotated[tuple[Annotated[str, ATTACHED], ...], AsWritten(), OneOrMore()]


class Allow(Section):
    """Attachments by others to this deploy's resources that may stay, each as the plan names it."""

    bucket: These = Field(
        (),
        description="Buckets to which objects are copied, and topics, queues and functions that are notified "
        "of objects, by ARN.",
        examples=[["arn:aws:s3:::my-backup"]],
    )
    log_group: These = Field(
        (),
        description="Further destinations of log lines, by ARN.",
        examples=[["arn:aws:lambda:us-east-1:123456789012:function:ship-logs"]],
    )
    function: These = Field(
        (),
        description="Further callers of the schedule's function, and destinations of its results: ARNs, URLs, "
        "names of aliases.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:failures"]],
    )
    role: These = Field(
        (),
        description="Further policies of roles, and a permissions boundary: ARNs, names of inline policies.",
        examples=[["arn:aws:iam::123456789012:policy/organisation-boundary"]],
    )
    user: These = Field(
        (),
        description="The same for CI's user, and the ids of its SSH keys, certificates and service credentials.",
        examples=[["APKAIOSFODNN7EXAMPLE"]],
    )
    topic: These = Field(
        (),
        description="Further subscribers of `notify`'s topic: endpoints.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:pager"]],
    )
    queue: These = Field(
        (),
        description="Where the queue for failed calls forwards messages, by ARN.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:failures-of-all"]],
    )
    cluster: These = Field(
        (),
        description="Buckets and log groups that log the shells in its tasks, by name.",
        examples=[["audit-of-shells"]],
    )

    def of(self, kind: str) -> tuple[str, ...]:
        """What may stay at resources of a kind; nothing where the kind has no such field."""
        allowed: tuple[str, ...] = getattr(self, kind.replace("-", "_"), ())
        return allowed
