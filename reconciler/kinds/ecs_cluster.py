"""ECS clusters: capacity providers, default strategy, Container Insights, where shells are logged, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note
from reconciler.core.canonical import StringSet
from reconciler.core.capacity import Weight, strategy, weights
from reconciler.core.errors import Denied
from reconciler.core.fargate import FARGATE
from reconciler.core.managed_instances import is_managed
from reconciler.core.needs import Needs
from reconciler.core.spec import OWNER_TAG, Changes, Local, Observed, Spec, touches
from reconciler.kinds.base import OF_TASKS, Kind

BATCH = 100  # clusters that one call describes


class ClusterSpec(AttachedSpec):
    """A cluster. attached: `shell-log PLACE`, the bucket or log group that gets all that is typed in its shells.

    managed: capacity providers of managed instances that it may have, which are its own from when they are made, and
    no part of what is put. Of others it is found out, where that may be read.
    """

    kind: ClassVar[str] = "cluster"
    works_with: ClassVar[tuple[str, ...]] = OF_TASKS

    capacity_providers: StringSet = ()
    managed: Annotated[StringSet, Local()] = ()
    default_strategy: tuple[Weight, ...] = ()
    container_insights: str = "disabled"  # enabled, disabled or enhanced


class Cluster(Kind[ClusterSpec]):
    """Reads and writes clusters."""

    spec: ClassVar[type[Spec]] = ClusterSpec
    needs: ClassVar[Needs] = Needs(
        create=("ecs:CreateCluster", "ecs:TagResource"), delete=("ecs:DeleteCluster",),
        fields={"capacity_providers": ("ecs:PutClusterCapacityProviders",),
                "default_strategy": ("ecs:PutClusterCapacityProviders",), "container_insights": ("ecs:UpdateCluster",),
                "attached": ("ecs:UpdateCluster",),
                "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeClusters",), on=("ecs:cluster/{name}",), listing=("ecs:ListClusters",),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,255}"
    patience: ClassVar[float] = 600.0

    def observe(self, aws: Aws, wants: Sequence[ClusterSpec]) -> Mapping[str, Observed[ClusterSpec]]:
        """One read for a hundred clusters. An INACTIVE one is absent: it was deleted."""
        live = _described(aws, [want.name for want in wants])
        by_name = {cluster["clusterName"]: cluster for cluster in live}
        existing = [want for want in wants if want.name in by_name]
        knowing = aws.each(lambda want: _with_their_providers(aws, want, by_name[want.name]), existing)
        specs = [(by_name[want.name], _spec(by_name[want.name], want)) for want in knowing]
        return {
            spec.name: Observed(spec, {"arn": cluster["clusterArn"], "status": cluster["status"]}, note(spec))
            for cluster, spec in specs
        }

    def create(self, aws: Aws, want: ClusterSpec) -> None:
        """One call makes all of it. It is made only when absent: repeated, it would not say so."""
        aws.call(
            "ecs",
            "CreateCluster",
            clusterName=want.name,
            capacityProviders=list(want.capacity_providers),
            defaultCapacityProviderStrategy=strategy(want.default_strategy),
            settings=_settings(want),
            tags=tags.pairs(want.tags, "key", "value"),
        )

    def update(self, aws: Aws, want: ClusterSpec, seen: Observed[ClusterSpec], changes: Changes) -> None:
        """Put each part that differs."""
        if touches(changes, "capacity_providers", "default_strategy"):
            aws.call(
                "ecs",
                "PutClusterCapacityProviders",
                cluster=want.name,
                capacityProviders=list(want.capacity_providers),
                defaultCapacityProviderStrategy=strategy(want.default_strategy),
            )
        if touches(changes, "container_insights"):
            aws.call("ecs", "UpdateCluster", cluster=want.name, settings=_settings(want))
        if touches(changes, "attached"):
            usual = {"executeCommandConfiguration": {"logging": "DEFAULT"}}
            aws.call("ecs", "UpdateCluster", cluster=want.name, configuration=usual)
        if touches(changes, "tags"):
            tags.put(aws, "ecs", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[ClusterSpec]) -> None:
        """Remove it; a cluster with running tasks is waited for."""
        aws.find("ecs", "DeleteCluster", cluster=seen.spec.name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all clusters, in one read."""
        return [arn.rpartition("/")[2] for arn in aws.pages("ecs", "ListClusters", "clusterArns")]

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """As many reads as observing them all takes."""
        live = _described(aws, list(self.listed(aws)))
        specs = [_spec(cluster, ClusterSpec(name=cluster["clusterName"])) for cluster in live]
        return sorted(spec.name for spec in specs if spec.tags.get(OWNER_TAG) == deploy)


def _described(aws: Aws, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """The clusters that are there, as DescribeClusters gives them."""
    batches = [names[i : i + BATCH] for i in range(0, len(names), BATCH)]
    include = ["TAGS", "SETTINGS", "CONFIGURATIONS"]
    answers = aws.each(lambda batch: aws.call("ecs", "DescribeClusters", clusters=batch, include=include), batches)
    return [c for answer in answers for c in answer["clusters"] if c["status"] != "INACTIVE"]


def _with_their_providers(aws: Aws, want: ClusterSpec, live: Mapping[str, Any]) -> ClusterSpec:
    """What is wanted of a cluster, with the managed instances' providers that others gave it: nobody can take them."""
    names = live.get("capacityProviders") or ()
    if {*names} <= {*FARGATE, *want.capacity_providers, *want.managed}:
        return want
    params = {"cluster": want.name, "capacityProviders": list(names)}
    try:
        descriptions = aws.find_all("ecs", "DescribeCapacityProviders", "capacityProviders", **params) or ()
    except Denied:
        return want
    managed_names = [provider["name"] for provider in descriptions if is_managed(provider)]
    return want.model_copy(update={"managed": (*want.managed, *managed_names)})


def _settings(want: ClusterSpec) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": want.container_insights}]


def _shell_logs(live: Mapping[str, Any]) -> list[str]:
    shells = (live.get("configuration") or {}).get("executeCommandConfiguration") or {}
    places = shells.get("logConfiguration") or {}
    targets = (places.get(name) for name in ("s3BucketName", "cloudWatchLogGroupName"))
    return [f"shell-log {place}" for place in targets if place] if shells.get("logging") == "OVERRIDE" else []


def _spec(live: Mapping[str, Any], want: ClusterSpec) -> ClusterSpec:
    settings = {s["name"]: s["value"] for s in live.get("settings") or ()}
    return ClusterSpec(
        name=live["clusterName"],
        capacity_providers=tuple(
            provider for provider in live.get("capacityProviders") or () if provider not in want.managed
        ),
        default_strategy=weights(live.get("defaultCapacityProviderStrategy")),
        container_insights=settings.get("containerInsights", "disabled"),
        attached=not_allowed(_shell_logs(live), want),
        allow=want.allow,
        tags=tags.mapping(live.get("tags"), "key", "value"),
    )
