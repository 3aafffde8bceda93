"""Every partition of AWS: its regions, ARNs, registries and consoles, as botocore's own table has them."""

from __future__ import annotations

import re

import pytest

from reconciler.aws.regions import known_regions, partition_of, partitions, registry
from reconciler.config import names as rules
from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.lower.execution import PRIVATE
from reconciler.run.console_links import console, log_link

PLACES = [
    ("us-east-1", "aws", "amazonaws.com", "console.aws.amazon.com"),
    ("il-central-1", "aws", "amazonaws.com", "console.aws.amazon.com"),
    ("us-gov-west-1", "aws-us-gov", "amazonaws.com", "console.amazonaws-us-gov.com"),
    ("cn-north-1", "aws-cn", "amazonaws.com.cn", "console.amazonaws.cn"),
    ("eusc-de-east-1", "aws-eusc", "amazonaws.eu", "console.amazonaws-eusc.eu"),
    ("us-iso-east-1", "aws-iso", "c2s.ic.gov", ""),
    ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov", ""),
    ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk", ""),
    ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov", ""),
    ("us-isof-north-9", "aws-iso-f", "csp.hci.ic.gov", ""),  # opened since
    ("nowhere", "aws", "amazonaws.com", "console.aws.amazon.com"),
]


@pytest.mark.parametrize(("region", "partition", "domain", "host"), PLACES)
def test_where_a_region_is(region: str, partition: str, domain: str, host: str) -> None:
    assert (partition_of(region).name, partition_of(region).domain) == (partition, domain)
    assert console(region) == (f"https://{region}.{host}" if host else "")
    assert log_link(region, "/g", "s").startswith(console(region))
    written = region if region in known_regions() else "us-east-1"
    names = Names(
        Deploy(name="a1", region=written, image={"repository": {"name": "a1"}}),
        Facts("123456789012", partition, "vpc-1", ()),
    )
    uri = f"123456789012.dkr.ecr.{region}.{domain}/a1"
    assert registry("123456789012", region) == uri.removesuffix("/a1")
    assert written != region or names.repository_uri == uri
    match = PRIVATE.fullmatch(f"{uri}:latest")
    assert match
    assert (match["region"], match["name"]) == (region, "a1")
    assert names.iam("role/r") == f"arn:{partition}:iam::123456789012:role/r"


def test_every_region_can_be_written() -> None:
    """As the table has them, without what stands for a whole partition."""
    assert {known.name for known in partitions()} >= {partition for _, partition, _, _ in PLACES}
    real = sorted(name for name in known_regions() if not name.endswith("-global"))
    assert len(real) > 35
    assert [name for name in real if rules.REGION.problem(name)] == []
    assert [name for name in real if not re.match(partition_of(name).pattern, name)] == []
