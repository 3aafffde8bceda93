"""The default subnets that tasks run in."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config import Deploy, load
from reconciler.core.errors import UserError
from reconciler.core.fargate import ZONES
from reconciler.lower.account import read_facts
from tests.engine.project import Project
from tests.lab_client import REGION


def test_those_in_zones_without_fargate_are_left_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy, aws = load(project.folder / "deploy.yaml", environ={}), project.lab.aws()
    there = {
        subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in aws.call("ec2", "DescribeSubnets")["Subnets"]
    }
    assert set(read_facts(aws, deploy).subnets) == set(there)
    # No account of the embedded AWS has a zone without.
    without, *others = sorted(set(there.values()))
    monkeypatch.setitem(ZONES, REGION, frozenset(others))
    assert set(read_facts(aws, deploy).subnets) == {subnet for subnet, zone in there.items() if zone != without}
    only_own: list[dict[str, Any]] = [
        {"run": {"capacity": "own"}},
        {"run": {"capacity": "own", "workers": {"count": 1}}},
        {"run": {"capacity": "own"}, "service": {"capacity": "FARGATE"}},
    ]
    for sections, count in zip(only_own, (len(there), len(others), len(others)), strict=True):
        elsewhere = Deploy.model_validate({"name": "tiny", **sections}).filled()
        assert len(read_facts(aws, elsewhere).subnets) == count, sections
    monkeypatch.setitem(ZONES, REGION, frozenset())
    with pytest.raises(UserError, match="no default subnets in a zone with Fargate"):
        read_facts(aws, deploy)
