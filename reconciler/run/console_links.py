"""Links into the AWS console. Pure."""

from __future__ import annotations

from urllib.parse import quote


def console(region: str) -> str:
    """The console of a region's partition."""
    if region.startswith("cn-"):
        return f"https://{region}.console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return f"https://{region}.console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"


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
