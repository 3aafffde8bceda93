"""Where Fargate is."""

from __future__ import annotations

import pytest

from reconciler.core.fargate import has_fargate


@pytest.mark.parametrize(
    ("region", "zone", "there"),
    [
        ("us-west-1", "usw1-az1", True), ("us-west-1", "usw1-az2", False), ("us-west-1", "", True),
        ("ap-northeast-1", "apne1-az3", False), ("ap-northeast-1", "apne1-az4", True),
        ("us-east-1", "use1-az3", True), ("eu-central-1", "euc1-az1", True), ("cn-north-1", "cnn1-az3", False),
    ],
)  # fmt: skip
def test_zones(region: str, zone: str, there: bool) -> None:
    assert has_fargate(region, zone) is there
