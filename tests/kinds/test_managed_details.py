"""What ECS does with providers of managed instances that its emulator here doesn't do."""

from __future__ import annotations

from typing import Any, cast

import pytest

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.config.resource_names import Facts, Names
from reconciler.core.diff import diff
from reconciler.core.errors import Denied, Gone, NotSettled, Unreachable
from reconciler.core.spec import Observed
from reconciler.kinds import CapacityProviderSpec
from reconciler.kinds.ecs_capacity_provider import CapacityProvider
from reconciler.kinds.ecs_cluster import Cluster, ClusterSpec
from reconciler.local.managed_instances import ManagedProvider
from reconciler.lower.capacity import managed_instances
from reconciler.lower.existing import read_given

WANT = CapacityProviderSpec(name="c/p", propagate_tags="CAPACITY_PROVIDER", storage=80, requirements={"a": 1})
KIND = CapacityProvider()


class Answers:
    """An AWS that has this provider, and keeps what it is told to do."""

    def __init__(self, **live: Any) -> None:
        self.live, self.told = live, list[dict[str, Any]]()

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        self.told.append(params)
        return {}

    def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any] | None:
        return [self.live] if self.live else []

    def each(self, read: Any, items: Any) -> list[Any]:
        return [read(item) for item in items]


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
    backend = type("Backend", (), {"region_name": "r", "account_id": "1", "partition": "aws"})
    provider = ManagedProvider(backend, "c", "p", settings, [{"key": key, "value": "x"}])
    assert provider.tags_not_in_metadata == ([] if fits else [key])


@pytest.mark.parametrize(
    ("status", "update", "differs"),
    [
        ("ACTIVE", "UPDATE_COMPLETE", []),
        ("ACTIVE", "UPDATE_IN_PROGRESS", []),
        ("ACTIVE", "DELETE_FAILED", []),
        ("ACTIVE", "UPDATE_FAILED", [("requirements.updateStatus", False)]),
        ("ACTIVE", "CREATE_FAILED", [("capacity_option", True)]),
        ("DEPROVISIONING", "DELETE_IN_PROGRESS", [("capacity_option", True)]),
    ],
)
def test_what_aws_failed_at_is_done_again(status: str, update: str, differs: list[tuple[str, bool]]) -> None:
    there = seen(**made() | {"status": status, "updateStatus": update, "updateStatusReason": "no subnet"})
    assert [(change.path, change.replaces) for change in diff(WANT, there.spec)] == differs
    assert there.attributes.get("failure", "") == (f"{update}: no subnet" if "FAILED" in update else "")


def test_a_deletion_that_failed_is_told_with_its_reason() -> None:
    before, aws = seen(**made()), Answers(**made() | {"updateStatus": "DELETE_IN_PROGRESS", "status": "DEPROVISIONING"})
    assert KIND.is_there(cast(Any, aws), before)
    aws.live |= {"updateStatus": "DELETE_FAILED", "updateStatusReason": "an instance is kept"}
    with pytest.raises(NotSettled, match="DELETE_FAILED: an instance is kept"):
        KIND.is_there(cast(Any, aws), before)
    assert KIND.is_there(cast(Any, aws), seen(**aws.live)), "the reason of an earlier deletion"
    assert not KIND.is_there(cast(Any, Answers()), before)


@pytest.mark.parametrize(("storage", "wanted"), [(None, 80), (120, 120)])
def test_a_disk_is_always_wanted_of_some_size(storage: int | None, wanted: int) -> None:
    file = {
        "name": "tiny",
        "image": {"uri": "x"},
        "task": {"ephemeral_storage": storage},
        "run": {"capacity": "managed"},
    }
    names = Names(Deploy.model_validate(file).filled(), Facts("123456789012", "aws", "vpc-1", ()))
    nodes = [node.spec for node in managed_instances(names)]
    assert [spec.storage for spec in nodes if isinstance(spec, CapacityProviderSpec)] == [wanted]


@pytest.mark.parametrize(
    ("live", "managed"),
    [
        ({"name": "mine", "autoScalingGroupProvider": {}, "type": "EC2_AUTOSCALING"}, False),
        ({"name": "mine", "autoScalingGroupProvider": {}}, False),
        ({"name": "mine", "managedInstancesProvider": {"infrastructureRoleArn": "r"}}, True),
        ({"name": "mine", "type": "MANAGED_INSTANCES"}, True),
    ],
)
@pytest.mark.parametrize("scoped", [False, True], ids=["shown to all", "shown with its cluster"])
def test_what_a_provider_of_ones_own_is_says_its_description(live: dict[str, Any], managed: bool, scoped: bool) -> None:
    class Given(Answers):
        def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any]:
            return [live] if ("cluster" in params) == scoped else []

        def together(self, *reads: Any) -> list[Any]:
            return [read() for read in reads]

    file = {"name": "tiny", "image": {"uri": "x"}, "run": {"capacity": "mine"}}
    given = read_given(cast(Any, Given()), Deploy.model_validate(file).filled())
    assert (set(given.providers), set(given.managed)) == ({"mine"}, {"mine"} if managed else set())


@pytest.mark.parametrize("error", [Denied, Gone])
def test_a_cluster_is_seen_though_its_providers_are_not(error: type[Exception]) -> None:
    arn = "arn:aws:ecs:us-east-1:1:cluster/c"
    cluster: dict[str, Any] = {
        "clusterName": "c",
        "clusterArn": arn,
        "status": "ACTIVE",
        "capacityProviders": ["theirs"],
    }
    cluster["tags"] = [{"key": "reconciler:deploy", "value": "d"}]
    asked = []

    class Clusters(Answers):
        def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
            return {"clusters": [cluster]}

        def pages(self, service: str, operation: str, key: str, /, **params: Any) -> list[str]:
            return [arn]

        def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any] | None:
            asked.append(operation)
            if error is Gone:
                return None
            raise Denied(service, operation, "AccessDenied", "no")

    aws = cast(Any, Clusters())
    assert Cluster().owned(aws, "d") == ["c"]
    assert asked == []
    assert Cluster().observe(aws, [ClusterSpec(name="c")])["c"].spec.capacity_providers == ("theirs",)
    assert asked == ["DescribeCapacityProviders"]


class Pages:
    """An AWS that shows a provider on each page. tokens: of the pages that follow, by that of the page before."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens, self._clients = tokens, self

    def get(self, service: str, operation: str) -> Any:
        return self

    def can_paginate(self, operation: str) -> bool:
        return False  # as botocore says

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        token = params.get("nextToken", "")
        return {"capacityProviders": [{"name": token}], "nextToken": self.tokens.get(token)}


def test_providers_are_read_page_by_page() -> None:
    answers = Aws.answers(cast(Any, Pages({"": "b", "b": "c"})), "ecs", "DescribeCapacityProviders")
    assert [page["capacityProviders"][0]["name"] for page in answers] == ["", "b", "c"]
    with pytest.raises(Unreachable, match="its next page is itself"):
        list(Aws.answers(cast(Any, Pages({"": "b", "b": "b"})), "ecs", "DescribeCapacityProviders"))
