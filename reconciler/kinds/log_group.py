"""CloudWatch log groups: retention, tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from reconciler.aws import Aws
from reconciler.kinds import tags
from reconciler.spec import Changes, Observed, Spec, touches


class LogGroupSpec(Spec):
    """A log group."""

    kind: ClassVar[str] = "log-group"

    retention_in_days: int | None = None  # None keeps the log for ever


class LogGroup:
    """Reads and writes log groups."""

    spec: ClassVar[type[Spec]] = LogGroupSpec

    def observe(self, aws: Aws, wants: Sequence[LogGroupSpec]) -> Mapping[str, Observed[LogGroupSpec]]:
        """Two reads for each."""
        found = aws.each(lambda want: self._read(aws, want.name), wants)
        return {one.spec.name: one for one in found if one is not None}

    def _read(self, aws: Aws, name: str) -> Observed[LogGroupSpec] | None:
        arn = aws.arn("logs", f"log-group:{name}")  # without the `:*` that DescribeLogGroups puts at its end
        found: list[Any] = aws.together(
            # The name is a prefix to the API, so longer names come too.
            lambda: list(aws.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)),
            lambda: aws.find("logs", "ListTagsForResource", resourceArn=arn),
        )
        groups, tagging = found
        live = next((group for group in groups if group["logGroupName"] == name), None)
        if live is None:
            return None
        spec = LogGroupSpec(
            name=name, retention_in_days=live.get("retentionInDays"), tags=tags.mapping(_pairs(tagging))
        )
        return Observed(spec, {"arn": arn})

    def create(self, aws: Aws, want: LogGroupSpec) -> None:
        """Make it, then its retention."""
        aws.call("logs", "CreateLogGroup", logGroupName=want.name, tags=dict(want.tags))
        if want.retention_in_days:
            self._retain(aws, want)

    def update(self, aws: Aws, want: LogGroupSpec, seen: Observed[LogGroupSpec], changes: Changes) -> None:
        """Put each part that differs."""
        if touches(changes, "retention_in_days"):
            self._retain(aws, want)
        if touches(changes, "tags"):
            arn = seen.attributes["arn"]
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("logs", "UntagResource", resourceArn=arn, tagKeys=gone)
            aws.call("logs", "TagResource", resourceArn=arn, tags=dict(want.tags))

    def delete(self, aws: Aws, seen: Observed[LogGroupSpec]) -> None:
        """One call."""
        aws.find("logs", "DeleteLogGroup", logGroupName=seen.spec.name)

    def _retain(self, aws: Aws, want: LogGroupSpec) -> None:
        if want.retention_in_days:
            days = want.retention_in_days
            aws.call("logs", "PutRetentionPolicy", logGroupName=want.name, retentionInDays=days)
        else:
            aws.find("logs", "DeleteRetentionPolicy", logGroupName=want.name)


def _pairs(answer: Mapping[str, Mapping[str, str]] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (answer or {}).get("tags", {}).items()]
