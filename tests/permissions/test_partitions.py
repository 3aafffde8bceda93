"""In every partition of AWS all of a large file has this partition's ARNs, hosts and principals, and no other's."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.session
import pytest

from reconciler.aws.regions import partitions
from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.aws_names import principal
from reconciler.lower import resources
from reconciler.permissions import policies
from reconciler.permissions.ci import ci_statements, plan_statements
from reconciler.permissions.parts import COMMANDS
from reconciler.permissions.preflight import IAM_REGIONS
from reconciler.run.console_links import console, log_link, task_link

ACCOUNT = "123456789012"
# Who takes on a role, or sends, under one name in every partition; and whom the token of a CI job is for.
EVERYWHERE = {"ecs-tasks", "ecs", "ecs-compute", "spot", "lambda", "events", "scheduler", "sns", "sts"}
REGIONS = sorted(
    {
        partition.name: next(r for r in sorted(partition.regions) if "global" not in r) for partition in partitions()
    }.items()
)


def large(region: str, partition: str) -> dict[str, Any]:
    """A file with what a deploy may have."""
    secret = f"arn:{partition}:secretsmanager:{region}:{ACCOUNT}:secret:hook-AbCdEf"
    key = f"arn:{partition}:kms:{region}:{ACCOUNT}:alias/mine"
    return {
        "name": "tiny", "region": region,
        "data": {
            "bucket": {"encryption": "aws:kms", "kms_key": key}, "files": [{"file": "d.csv", "key": "data/d.csv"}],
        },
        "image": ".",
        "ci": {"github": {"repository": "owner/tiny", "pull_requests": True}, "user": {"access_keys": 1}},
        "run": {
            "max_duration": "2h", "unattended": True, "checkpoint": True, "exec": True,
            "capacity": ["FARGATE", "FARGATE_SPOT", "managed", "managed-spot"],
        },
        "cluster": {"container_insights": True},
        "service": {},
        "parameters": {"EPOCHS": "3"},
        "schedule": {"when": "rate(1 day)"},
        "notify": {"email": "me@example.com", "webhook": {"url_from": secret, "kms_key": key}},
    }  # fmt: skip


def written(names: Names) -> str:
    """All that is made, and every policy."""
    specs = list(resources(names))
    parts: list[Any] = [spec.model_dump(mode="json") for spec in specs]
    for command in COMMANDS:
        parts += policies.statements(policies.for_command(command, names, specs, delete_data=True), names)
    parts += [*ci_statements(names, specs), *plan_statements(names, specs)]
    return json.dumps(parts, default=str)


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_nothing_is_of_another_partition(partition: str, region: str) -> None:
    domain = next(known.domain for known in partitions() if known.name == partition)
    deploy = Deploy.model_validate(large(region, partition)).filled()
    text = written(Names(deploy, Facts(ACCOUNT, partition, "vpc-1", ())))
    assert {*re.findall(r"arn:(aws[a-z-]*):", text)} == {partition}
    domains = "|".join(re.escape(known.domain) for known in partitions())
    hosts = {*re.findall(rf"[a-z0-9.-]+\.(?:{domains})(?![a-z.])", text)}
    mine = {host for host in hosts if host.endswith(f".{domain}")}
    via = {f"{service}.{region}.amazonaws.com" for service in ("s3", "secretsmanager")}
    universal = {f"{service}.amazonaws.com" for service in EVERYWHERE}
    assert hosts - mine <= universal | via | ({principal("ec2", partition)} if partition != "aws-cn" else set())
    assert {f"s3.{region}.{domain}", f"secretsmanager.{region}.{domain}"} <= mine, "through which a key may be used"
    assert principal("ec2", partition) in hosts
    assert ("ec2.amazonaws.com" in hosts) != (partition == "aws-cn")


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_links_are_to_its_console_or_there_is_none(partition: str, region: str) -> None:
    links = [task_link(region, "c", f"arn:{partition}:ecs:{region}:{ACCOUNT}:task/c/1"), log_link(region, "/g", "s")]
    assert all(link.startswith(console(region)) for link in links)
    assert bool(console(region)) == ("iso" not in partition)


@pytest.mark.filterwarnings("ignore:Fetching the endpoint_resolver:DeprecationWarning")
@pytest.mark.parametrize("partition", partitions(), ids=lambda partition: str(partition.name))
def test_where_iam_is(partition: Any) -> None:
    """By which region a policy of an organisation knows a request to IAM."""
    resolver = botocore.session.get_session().get_component("endpoint_resolver")
    for region in sorted(name for name in partition.regions if "global" not in name):
        signed = ((resolver.construct_endpoint("iam", region) or {}).get("credentialScope") or {}).get("region", region)
        assert IAM_REGIONS.get(partition.name, region) == signed
