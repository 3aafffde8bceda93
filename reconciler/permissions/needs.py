"""What is asked of AWS, of all kinds of resources: read from the kinds themselves (`core.needs.Needs`).

What is asked besides the kinds is in `parts`. The test that records every call the suite makes holds both to it: it
fails for a call that isn't declared, and for a declaration that nothing uses (tests/permissions). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.core.needs import Needs
from reconciler.image.kind import EVERY_KIND

NEEDS: Mapping[str, Needs] = {kind.spec.kind: kind.needs for kind in EVERY_KIND}
# What AWS allows on `*` only: of the network, which isn't a kind, of the schedules of runs, and of the kinds.
ONLY_ANYWHERE = frozenset({
    "ec2:DescribeRouteTables", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs",
    "scheduler:ListSchedules",
}).union(*(needs.anywhere for needs in NEEDS.values()))  # fmt: skip


def arn(template: str, partition: str, region: str, account: str) -> str:
    """The ARN of `service:resource`: IAM's have no region, S3's neither that nor an account."""
    service, _, resource = template.partition(":")
    if service == "s3":
        return f"arn:{partition}:s3:::{resource}"
    return f"arn:{partition}:{service}:{'' if service == 'iam' else region}:{account}:{resource}"


def statements(grants: Mapping[str, Iterable[str]]) -> list[dict[str, object]]:
    """Policy statements that allow actions by ARN: one for all resources with the same actions."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for resource, actions in sorted(grants.items()):
        grouped.setdefault(tuple(sorted(actions)), []).append(resource)
    return [{"Effect": "Allow", "Action": list(actions), "Resource": arns} for actions, arns in grouped.items()]
