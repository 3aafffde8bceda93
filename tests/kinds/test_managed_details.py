"""What ECS does with providers of managed instances that its emulator here doesn't do."""

from __future__ import annotations

from typing import Any, cast

import pytest

from reconciler.core.diff import diff
from reconciler.core.spec import Observed
from reconciler.kinds import CapacityProviderSpec
from reconciler.kinds.ecs_capacity_provider import CapacityProvider
from reconciler.local.managed_instances import ManagedProvider

WANT = CapacityProviderSpec(name="c/p", propagate_tags="CAPACITY_PROVIDER", storage=80, requirements={"a": 1})
KIND = CapacityProvider()


class Answers:
    """An AWS that has this provider, and keeps what it is told to do."""

    def __init__(self, **live: Any) -> None:
        self.live, self.told = live, list[dict[str, Any]]()

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        self.told.append(params)
        return {}

    def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any]:
        return [self.live]

    def each(self, read: Any, items: Any) -> list[Any]:
        return [read(one) for one in items]


def made(**more: Any) -> dict[str, Any]:
    """A provider as it was wanted. more: of its launch template."""
    aws = Answers()
    KIND.create(cast(Any, aws), WANT)
    settings = aws.told[0]["managedInstancesProvider"]
    settings["instanceLaunchTemplate"] |= more
    return {"name": "p", "capacityProviderArn": "arn:p", "status": "ACTIVE", "managedInstancesProvider": settings}


def seen(**live: Any) -> Observed[CapacityProviderSpec]:
    return KIND.observe(cast(Any, Answers(**live)), [WANT])["c/p"]


@pytest.mark.parametrize(("metadata", "differs"), [(False, []), (True, ["metadata_tags"]), (None, ["metadata_tags"])])
def test_tags_are_kept_out_of_the_metadata(metadata: bool | None, differs: list[str]) -> None:
    live = made(instanceMetadataTagsPropagation=metadata)
    template = live["managedInstancesProvider"]["instanceLaunchTemplate"]
    if metadata is None:  # as AWS shows what was made without it
        del template["instanceMetadataTagsPropagation"]
    there = seen(**live)
    changes = diff(WANT, there.spec)
    assert [change.path for change in changes] == differs
    aws = Answers()
    KIND.update(cast(Any, aws), WANT, there, changes)
    for told in aws.told:
        assert told["managedInstancesProvider"]["instanceLaunchTemplate"]["instanceMetadataTagsPropagation"] is False


@pytest.mark.parametrize(
    ("key", "propagated", "fits"),
    [("team/name", True, False), ("cost centre", True, False), ("größe", True, False), ("team:a-b", True, True),
     ("team/name", False, True)],
)  # fmt: skip
def test_the_emulator_knows_what_metadata_can_have(key: str, propagated: bool, fits: bool) -> None:
    settings = made(instanceMetadataTagsPropagation=propagated)["managedInstancesProvider"]
    backend = type("Backend", (), {"region_name": "r", "account_id": "1"})
    provider = ManagedProvider(backend, "c", "p", settings, [{"key": key, "value": "x"}])
    assert provider.tags_not_in_metadata == ([] if fits else [key])
