"""Links into the AWS console. Pure."""

from __future__ import annotations

from urllib.parse import quote

from reconciler.aws.regions import partition_of

# botocore's table has no consoles. https://docs.aws.amazon.com/awsconsolehelpdocs, docs.aws.eu, docs.amazonaws.cn
HOSTS = {
    "aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}  # fmt: skip


def console(region: str) -> str:
    """The console of a region's partition; empty for one whose console isn't public."""
    host = HOSTS.get(partition_of(region).name)
    return f"https://{region}.{host}" if host else ""


def task_link(region: str, cluster: str, task_arn: str) -> str:
    """A task's page."""
    task_id = task_arn.rpartition("/")[2]
    return f"{console(region)}/ecs/v2/clusters/{quote(cluster)}/tasks/{task_id}?region={region}"


def log_link(region: str, group: str, stream: str) -> str:
    """A log stream's page; the console quotes twice, with $ for %."""
    return (
        f"{console(region)}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{_twice(group)}"
        f"/log-events/{_twice(stream)}"
    )


def _twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="").replace("%", "$")
