"""CloudWatch log groups: retention, where its lines go, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from os.path import commonprefix
from typing import Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note, to_detach
from reconciler.core.needs import ANYWHERE, Needs
from reconciler.core.spec import Changes, Observed, Spec, touches
from reconciler.kinds.base import Kind

PAGE = 50  # groups that one answer has


class LogGroupSpec(AttachedSpec):
    """A log group. It owns its subscription filters: what isn't wanted is taken away."""

    kind: ClassVar[str] = "log-group"

    retention_in_days: int | None = None  # None keeps the log for ever


class LogGroup(Kind[LogGroupSpec]):
    """Reads and writes log groups."""

    spec: ClassVar[type[Spec]] = LogGroupSpec
    needs: ClassVar[Needs] = Needs(
        create=("logs:CreateLogGroup", "logs:TagResource"), delete=("logs:DeleteLogGroup",),
        set={"retention_in_days": ("logs:PutRetentionPolicy",)},
        fields={"retention_in_days": ("logs:DeleteRetentionPolicy",),
                "attached": ("logs:DeleteSubscriptionFilter",),
                "tags": ("logs:TagResource", "logs:UntagResource")},
        read=("logs:DescribeLogGroups", "logs:DescribeSubscriptionFilters", "logs:ListTagsForResource"),
        on=("logs:log-group:{name}:*",),
        elsewhere={"logs:DescribeLogGroups": (ANYWHERE,), **dict.fromkeys(  # the APIs for tags leave out the `:*`
            ("logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"),
            ("logs:log-group:{name}", "logs:log-group:{name}:*"))},
        listing=("logs:DescribeLogGroups", "logs:ListTagsForResource"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9._/#-]{1,512}"

    def observe(self, aws: Aws, wants: Sequence[LogGroupSpec]) -> Mapping[str, Observed[LogGroupSpec]]:
        """Two reads for each, and one for each or, where that is less, one for fifty whose names begin alike."""
        names = [want.name for want in wants]
        reads: list[Any] = aws.together(
            lambda: self._describe(aws, names),
            lambda: aws.each(lambda name: self.tags_of(aws, name), names),
            lambda: aws.each(lambda name: _subscriptions(aws, name), names),
        )
        live, tagging, subscribed = reads
        specs = [
            LogGroupSpec(
                name=want.name,
                retention_in_days=live[want.name].get("retentionInDays"),
                attached=not_allowed(attached, want),
                allow=want.allow,
                tags=group_tags,
            )
            for want, group_tags, attached in zip(wants, tagging, subscribed, strict=True)
            if want.name in live
        ]
        return {spec.name: Observed(spec, {"arn": _arn(aws, spec.name)}, note(spec)) for spec in specs}

    def _describe(self, aws: Aws, names: Sequence[str]) -> dict[str, Any]:
        """Groups by name. To the API a name is a prefix, so that one answer may have many, and others between them."""
        by_name: dict[str, Any] = {}
        alike = commonprefix(list(names))  # noqa: RUF071  character by character, as the API does
        if alike:
            groups = aws.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=alike)
            # A second page's worth of others, and asking by name is faster.
            for group in groups if len(names) == 1 else islice(groups, len(names) + PAGE):
                if group["logGroupName"] in names:
                    by_name[group["logGroupName"]] = group
                if len(by_name) == len(names):
                    break
        missing = [name for name in names if name not in by_name]
        if missing and len(names) > 1:
            for described in aws.each(lambda name: self._describe(aws, [name]), missing):
                by_name |= described
        return by_name

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one log group, in one read."""
        answer = aws.find("logs", "ListTagsForResource", resourceArn=_arn(aws, name))
        return tags.mapping(_pairs(answer))

    def create(self, aws: Aws, want: LogGroupSpec) -> None:
        """Make it, then its retention."""
        aws.call("logs", "CreateLogGroup", logGroupName=want.name, tags=dict(want.tags))
        if want.retention_in_days:
            self._retain(aws, want)

    def update(self, aws: Aws, want: LogGroupSpec, seen: Observed[LogGroupSpec], changes: Changes) -> None:
        """Take away what others attached, then put each part that differs."""
        for text in to_detach(want, seen.spec):
            name = text.split(" ", 2)[2]
            aws.find("logs", "DeleteSubscriptionFilter", logGroupName=want.name, filterName=name)
        if touches(changes, "retention_in_days"):
            self._retain(aws, want)
        if touches(changes, "tags"):
            tags.put(aws, "logs", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[LogGroupSpec]) -> None:
        """Delete the log group, in one call."""
        aws.find("logs", "DeleteLogGroup", logGroupName=seen.spec.name)

    def _retain(self, aws: Aws, want: LogGroupSpec) -> None:
        if want.retention_in_days:
            days = want.retention_in_days
            aws.call("logs", "PutRetentionPolicy", logGroupName=want.name, retentionInDays=days)
        else:
            aws.find("logs", "DeleteRetentionPolicy", logGroupName=want.name)

    def is_there(self, aws: Aws, seen: Observed[LogGroupSpec]) -> bool:
        """Whether the log group still exists, in one read."""
        return bool(self._describe(aws, [seen.spec.name]))

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all log groups, in one read."""
        return [group["logGroupName"] for group in aws.pages("logs", "DescribeLogGroups", "logGroups")]


def _subscriptions(aws: Aws, name: str) -> list[str]:
    """`subscription DESTINATION NAME` for each filter that sends lines elsewhere."""
    subscriptions = aws.find_all("logs", "DescribeSubscriptionFilters", "subscriptionFilters", logGroupName=name) or ()
    return [
        f"subscription {subscription['destinationArn']} {subscription['filterName']}" for subscription in subscriptions
    ]


def _arn(aws: Aws, name: str) -> str:
    """Without the `:*` that DescribeLogGroups puts at its end."""
    return aws.arn("logs", f"log-group:{name}")


def _pairs(answer: Mapping[str, Mapping[str, str]] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (answer or {}).get("tags", {}).items()]
