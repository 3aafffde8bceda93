"""ECS services: a number of tasks that are kept running, and how a new revision takes the place of an old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainSerializer

from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.spec import Changes, Grants, Observed, Ref, Spec, touches
from reconciler.kinds import tags
from reconciler.kinds.service_progress import last_failure, primary, progress
from reconciler.kinds.weights import Weight, strategy, weights

BATCH = 10  # services that one call describes
FAILED = " (its deployment failed)"  # so that it is a difference, and tried again
Text = str | Annotated[Ref, PlainSerializer(str)]


class ServiceSpec(Spec):
    """A service, named CLUSTER/SERVICE. circuit_breaker: what becomes of a deployment whose tasks don't stay up."""

    kind: ClassVar[str] = "service"

    desired_count: int = 0
    task_definition: Text = ""  # ARN
    circuit_breaker: Literal["disabled", "enabled", "rollback"] = "disabled"
    minimum_healthy: int = 100  # percent of desired_count while a deployment goes on
    maximum: int = 200  # the same
    capacity: tuple[Weight, ...] = ()
    subnets: StringSet = ()
    security_groups: tuple[Text, ...] = ()
    public_ip: bool = False
    execute_command: Annotated[bool, Grants()] = False  # whether a shell can be opened in its tasks

    @property
    def place(self) -> dict[str, str]:
        """Cluster and service, as the API takes them."""
        cluster, _, service = self.name.partition("/")
        return {"cluster": cluster, "service": service}


class Service:
    """Reads and writes services."""

    spec: ClassVar[type[Spec]] = ServiceSpec

    def observe(self, aws: Aws, wants: Sequence[ServiceSpec]) -> Mapping[str, Observed[ServiceSpec]]:
        """One read for ten services of a cluster. One that is DRAINING or INACTIVE is absent: it was deleted."""
        clusters = dict.fromkeys(want.place["cluster"] for want in wants)
        names = {c: [want.place["service"] for want in wants if want.place["cluster"] == c] for c in clusters}
        batches = [(c, found[i : i + BATCH]) for c, found in names.items() for i in range(0, len(found), BATCH)]
        answers = aws.each(
            lambda one: aws.find("ecs", "DescribeServices", cluster=one[0], services=one[1], include=["TAGS"]), batches
        )
        live = [
            (f"{cluster}/{service['serviceName']}", service)
            for (cluster, _), answer in zip(batches, answers, strict=True)
            for service in (answer or {}).get("services", ())
            if service["status"] == "ACTIVE"
        ]
        return {name: self._observed(aws, name, service) for name, service in live}

    def _observed(self, aws: Aws, name: str, live: Mapping[str, Any]) -> Observed[ServiceSpec]:
        network = (live.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        rollout = live.get("deploymentConfiguration") or {}
        breaker = rollout.get("deploymentCircuitBreaker") or {}
        how = "rollback" if breaker.get("rollback") else "enabled"
        gave_up = primary(live).get("rolloutState") == "FAILED"
        spec = ServiceSpec(
            name=name,
            desired_count=live["desiredCount"],
            task_definition=live.get("taskDefinition", "") + (FAILED if gave_up else ""),
            circuit_breaker=how if breaker.get("enable") else "disabled",
            minimum_healthy=rollout.get("minimumHealthyPercent", 100),
            maximum=rollout.get("maximumPercent", 200),
            capacity=weights(live.get("capacityProviderStrategy")) or _launch_type(live),
            subnets=tuple(network.get("subnets") or ()),
            security_groups=tuple(sorted(network.get("securityGroups") or ())),
            public_ip=network.get("assignPublicIp") == "ENABLED",
            execute_command=bool(live.get("enableExecuteCommand")),
            tags=tags.mapping(live.get("tags"), "key", "value"),
        )
        attributes = {"arn": live["serviceArn"]}
        if failure := last_failure(live):
            attributes["failure"] = failure
        if going := progress(aws, spec.place, live):
            attributes |= {"status": "DEPLOYING", "progress": going}
        return Observed(spec, attributes, going)

    def create(self, aws: Aws, want: ServiceSpec) -> None:
        """One call makes all of it; one of this name that is going is waited for."""
        place = want.place
        aws.call(
            "ecs",
            "CreateService",
            cluster=place["cluster"],
            serviceName=place["service"],
            tags=tags.pairs(want.tags, "key", "value"),
            propagateTags="SERVICE",
            **_parts(want),
        )

    def update(self, aws: Aws, want: ServiceSpec, seen: Observed[ServiceSpec], changes: Changes) -> None:
        """One call puts all of it but the tags; a new deployment begins where ECS wants one."""
        if any(not touches((change,), "tags") for change in changes):
            anew = touches(changes, "capacity", "execute_command", "task_definition")
            again = {"forceNewDeployment": True} if anew else {}
            aws.call("ecs", "UpdateService", **want.place, **_parts(want), **again)
        if touches(changes, "tags"):
            arn = seen.attributes["arn"]
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("ecs", "UntagResource", resourceArn=arn, tagKeys=gone)
            aws.call("ecs", "TagResource", resourceArn=arn, tags=tags.pairs(want.tags, "key", "value"))

    def delete(self, aws: Aws, seen: Observed[ServiceSpec]) -> None:
        """No more tasks, then no service; those that run are stopped."""
        if aws.find("ecs", "UpdateService", **seen.spec.place, desiredCount=0) is not None:
            aws.find("ecs", "DeleteService", **seen.spec.place, force=True)


def _parts(want: ServiceSpec) -> dict[str, Any]:
    breaker = {"enable": want.circuit_breaker != "disabled", "rollback": want.circuit_breaker == "rollback"}
    network = {
        "subnets": list(want.subnets),
        "securityGroups": list(want.security_groups),
        "assignPublicIp": "ENABLED" if want.public_ip else "DISABLED",
    }
    return {
        "desiredCount": want.desired_count,
        "taskDefinition": want.task_definition,
        "capacityProviderStrategy": strategy(want.capacity),
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": breaker,
            "minimumHealthyPercent": want.minimum_healthy,
            "maximumPercent": want.maximum,
        },
        "networkConfiguration": {"awsvpcConfiguration": network},
        "enableExecuteCommand": want.execute_command,
    }


def _launch_type(live: Mapping[str, Any]) -> tuple[Weight, ...]:
    """A launch type is a strategy of one."""
    return (Weight(provider=live["launchType"], weight=1),) if live.get("launchType") else ()
