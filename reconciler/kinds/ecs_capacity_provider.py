"""Capacity providers of ECS Managed Instances: which EC2 instances ECS launches for the tasks of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PlainSerializer

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.errors import NotSettled
from reconciler.core.managed_instances import is_managed
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Immutable, Local, Observed, Ref, Spec, touches
from reconciler.kinds.base import OF_TASKS, Kind

BATCH = 100  # providers that one read describes
GONE, ACTIVE, LEAVING = "INACTIVE", "ACTIVE", "DEPROVISIONING"
CREATE_FAILED, UPDATE_FAILED, DELETE_FAILED = FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


def _requirements(value: Any) -> Any:
    """Lists are sets, and what is empty isn't there."""
    if isinstance(value, Mapping):
        return {key: _requirements(part) for key, part in sorted(value.items()) if part not in (None, [], {}, ())}
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value


class CapacityProviderSpec(Spec):
    """A capacity provider. name: CLUSTER/PROVIDER, since it is that cluster's alone.

    requirements: `instanceRequirements` as the ECS API has them. storage: GiB, None for what ECS gives by itself.
    scale_in_after: seconds for which an instance without a task is kept, None for ECS's own way.
    """

    kind: ClassVar[str] = "capacity-provider"
    uses: ClassVar[tuple[str, ...]] = ("cluster", "role", "instance-profile", "security-group")
    works_with: ClassVar[tuple[str, ...]] = OF_TASKS

    infrastructure_role: Annotated[str, Grants()] = ""  # ARN
    instance_profile: Annotated[str, Grants()] = ""  # ARN
    instance_role: Annotated[str, Local()] = ""  # ARN of the profile's, which whoever writes this hands over too
    subnets: StringSet = ()
    security_groups: tuple[str | Annotated[Ref, PlainSerializer(str)], ...] = ()  # ids
    requirements: Annotated[dict[str, Any], BeforeValidator(_requirements)] = Field({})
    capacity_option: Annotated[str, Immutable()] = "ON_DEMAND"  # or SPOT
    storage: int | None = None
    scale_in_after: int | None = None
    propagate_tags: str = "NONE"  # or CAPACITY_PROVIDER
    # Whether an instance's own metadata has its tags: EC2 launches none then with a tag key such as `team/name`.
    metadata_tags: bool = False

    @property
    def place(self) -> dict[str, str]:
        """Cluster and provider."""
        cluster, _, provider = self.name.partition("/")
        return {"cluster": cluster, "provider": provider}


class CapacityProvider(Kind[CapacityProviderSpec]):
    """Reads and writes capacity providers of managed instances; those of Auto Scaling groups belong to no cluster."""

    spec: ClassVar[type[Spec]] = CapacityProviderSpec
    needs: ClassVar[Needs] = Needs(
        create=("ecs:CreateCapacityProvider", "ecs:TagResource"), delete=("ecs:DeleteCapacityProvider",),
        fields={"": ("ecs:UpdateCapacityProvider",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeCapacityProviders",), on=("ecs:capacity-provider/{member}",),
        passes={"infrastructure_role": "ecs", "instance_role": "ec2"},
        listing=("ecs:ListClusters", "ecs:DescribeCapacityProviders"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255}"
    patience: ClassVar[float] = 1200.0  # until the last instance is gone

    def observe(self, aws: Aws, wants: Sequence[CapacityProviderSpec]) -> Mapping[str, Observed[CapacityProviderSpec]]:
        """One read for a hundred providers of a cluster. An INACTIVE one is absent: it was deleted."""
        clusters = dict.fromkeys(want.place["cluster"] for want in wants)
        names = {c: [want.place["provider"] for want in wants if want.place["cluster"] == c] for c in clusters}
        batches = [
            (c, providers[i : i + BATCH]) for c, providers in names.items() for i in range(0, len(providers), BATCH)
        ]
        answers = aws.each(lambda batch: _described(aws, cluster=batch[0], capacityProviders=batch[1]), batches)
        return {
            provider.spec.name: provider
            for (cluster, _), answer in zip(batches, answers, strict=True)
            for provider in (_observed(cluster, live) for live in answer)
        }

    def create(self, aws: Aws, want: CapacityProviderSpec) -> None:
        """One call makes all of it, and associates it with its cluster."""
        aws.call(
            "ecs",
            "CreateCapacityProvider",
            name=want.place["provider"],
            cluster=want.place["cluster"],
            managedInstancesProvider=_parts(want, capacityOptionType=want.capacity_option),
            tags=tags.pairs(want.tags, "key", "value"),
        )

    def update(
        self, aws: Aws, want: CapacityProviderSpec, seen: Observed[CapacityProviderSpec], changes: Changes
    ) -> None:
        """One call puts all of it but the tags; instances that run stay as they are."""
        if any(not touches((change,), "tags") for change in changes):
            place = {"name": want.place["provider"], "cluster": want.place["cluster"]}
            aws.call("ecs", "UpdateCapacityProvider", **place, managedInstancesProvider=_parts(want))
        if touches(changes, "tags"):
            tags.put(aws, "ecs", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[CapacityProviderSpec]) -> None:
        """Its instances end after their last task; until then it is there."""
        place = seen.spec.place
        aws.find("ecs", "DeleteCapacityProvider", cluster=place["cluster"], capacityProvider=place["provider"])

    def is_there(self, aws: Aws, seen: Observed[CapacityProviderSpec]) -> bool:
        """Whether it is still going. Raises NotSettled with AWS's reason where it has given that up."""
        live = self.observe(aws, [seen.spec]).get(seen.spec.name)
        failure = live.attributes.get("failure", "") if live else ""
        if failure.startswith(DELETE_FAILED) and failure != seen.attributes.get("failure"):
            raise NotSettled(
                f"{seen.spec.address} wasn't deleted: {failure}", hint="put that right and run the command again"
            )
        return live is not None

    def listed(self, aws: Aws) -> Iterable[str]:
        """One read, and one for each cluster."""
        return [provider.spec.name for provider in self._all(aws)]

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """As many reads as listing them takes."""
        return sorted(provider.spec.name for provider in self._all(aws) if provider.owner == deploy)

    def _all(self, aws: Aws) -> list[Observed[CapacityProviderSpec]]:
        clusters = [arn.rpartition("/")[2] for arn in aws.pages("ecs", "ListClusters", "clusterArns")]
        answers = aws.each(lambda cluster: _described(aws, cluster=cluster), clusters)
        return [_observed(cluster, live) for cluster, lives in zip(clusters, answers, strict=True) for live in lives]


def _described(aws: Aws, **params: Any) -> list[Mapping[str, Any]]:
    """The providers of managed instances that are there; none in a cluster that isn't."""
    providers = aws.find_all("ecs", "DescribeCapacityProviders", "capacityProviders", include=["TAGS"], **params)
    return [provider for provider in providers or () if provider["status"] != GONE and is_managed(provider)]


def _parts(want: CapacityProviderSpec, **extra: Any) -> dict[str, Any]:
    """`managedInstancesProvider`. extra: of the launch template, what is given when it is made only."""
    template = {
        "ec2InstanceProfileArn": want.instance_profile,
        "networkConfiguration": {"subnets": list(want.subnets), "securityGroups": list(want.security_groups)},
        "instanceRequirements": want.requirements,
        "instanceMetadataTagsPropagation": want.metadata_tags,
        **({"storageConfiguration": {"storageSizeGiB": want.storage}} if want.storage is not None else {}),
        **extra,
    }
    delay = want.scale_in_after
    return {
        "infrastructureRoleArn": want.infrastructure_role,
        "instanceLaunchTemplate": template,
        "propagateTags": want.propagate_tags,
        "infrastructureOptimization": {} if delay is None else {"scaleInAfter": delay},
    }


def _observed(cluster: str, live: Mapping[str, Any]) -> Observed[CapacityProviderSpec]:
    managed = live.get("managedInstancesProvider") or {}
    template = managed.get("instanceLaunchTemplate") or {}
    network = template.get("networkConfiguration") or {}
    option, status = template.get("capacityOptionType") or "ON_DEMAND", live["status"]
    update = live.get("updateStatus") or ""
    # What was never made, and what is going, can't be had: it is another that is wanted.
    obstacle = "being deleted" if status == LEAVING else update if update == CREATE_FAILED else ""
    # Settings that AWS shows and has not taken over are put once more.
    untaken = {"updateStatus": update} if update == UPDATE_FAILED else {}
    spec = CapacityProviderSpec(
        name=f"{cluster}/{live['name']}",
        infrastructure_role=managed.get("infrastructureRoleArn") or "",
        instance_profile=template.get("ec2InstanceProfileArn") or "",
        subnets=tuple(network.get("subnets") or ()),
        security_groups=tuple(sorted(network.get("securityGroups") or ())),
        requirements={**(template.get("instanceRequirements") or {}), **untaken},
        capacity_option=f"{option}, {obstacle}" if obstacle else option,
        storage=(template.get("storageConfiguration") or {}).get("storageSizeGiB"),
        scale_in_after=(managed.get("infrastructureOptimization") or {}).get("scaleInAfter"),
        propagate_tags=managed.get("propagateTags") or "NONE",
        metadata_tags=template.get("instanceMetadataTagsPropagation", True),
        tags=tags.mapping(live.get("tags"), "key", "value"),
    )
    attributes = {"arn": live["capacityProviderArn"], "status": ACTIVE if status == LEAVING else status}
    if update in FAILED:
        attributes["failure"] = f"{update}: {live.get('updateStatusReason') or 'AWS gave no reason'}"
    elif update.endswith("_IN_PROGRESS") and status != LEAVING:
        attributes |= {"status": update, "progress": update}
    return Observed(spec, attributes)
