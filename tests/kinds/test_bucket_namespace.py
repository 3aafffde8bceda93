"""A bucket of the account's own namespace, which its name says, is asked for as one."""

from __future__ import annotations

import pytest

from reconciler.kinds import Bucket, BucketSpec
from tests.lab_client import ACCOUNT, REGION, LabHandle


@pytest.mark.parametrize("name", ["shared-prices", f"prices-{ACCOUNT}-{REGION}-an"])
def test_it_is_made(lab: LabHandle, name: str) -> None:
    lab.reset()
    aws, want = lab.aws(), BucketSpec(name=name)
    Bucket().create(aws, want)
    assert name in Bucket().observe(aws, [want])
