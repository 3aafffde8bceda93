"""ECS services: a number of tasks that are kept running, and how a new revision takes the place of an old one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainSerializer

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.capacity import Weight, strategy, weights
from reconciler.core.needs import ANYWHERE, Needs, On
from reconciler.core.spec import Changes, Grants, Observed, Ref, Spec, touches
from reconciler.kinds.base import OF_TASKS, Kind

BATCH = 10  # services that one call describes
FAILED = " (its deployment failed)"  # so that it is a difference, and tried again
Text = str | Annotated[Ref, PlainSerializer(str)]
BAD = re.compile("fail|unable|roll")  # what an event of a service that isn't well says


class ServiceSpec(Spec):
    """A service, named CLUSTER/SERVICE. circuit_breaker: what becomes of a deployment whose tasks don't stay up."""

    kind: ClassVar[str] = "service"
    uses: ClassVar[tuple[str, ...]] = ("cluster", "capacity-provider", "task-definition", "security-group")
    works_with: ClassVar[tuple[str, ...]] = OF_TASKS

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


class Service(Kind[ServiceSpec]):
    """Reads and writes services."""

    spec: ClassVar[type[Spec]] = ServiceSpec
    needs: ClassVar[Needs] = Needs(
        create=("ecs:CreateService", "ecs:TagResource"), delete=("ecs:UpdateService", "ecs:DeleteService"),
        fields={"": ("ecs:UpdateService",), "tags": ("ecs:TagResource", "ecs:UntagResource")},
        read=("ecs:DescribeServices",), watch=("ecs:ListTasks", "ecs:DescribeTasks"), on=("ecs:service/{name}",),
        elsewhere={"ecs:ListTasks": (On(ANYWHERE, {"ArnEquals": {"ecs:cluster": "{cluster_arn}"}}),),
                   "ecs:DescribeTasks": ("ecs:task/{holder}/*",)},
        pushed=("",),  # to deploy what was pushed, not to make one
        listing=("ecs:ListClusters", "ecs:ListServices"),
        wide={"ecs:ListTasks": "AWS knows container instances there, not tasks; only this cluster's"},
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255}"
    patience: ClassVar[float] = 900.0

    def observe(self, aws: Aws, wants: Sequence[ServiceSpec]) -> Mapping[str, Observed[ServiceSpec]]:
        """One read for ten services of a cluster. One that is DRAINING or INACTIVE is absent: it was deleted."""
        clusters = dict.fromkeys(want.place["cluster"] for want in wants)
        names = {c: [want.place["service"] for want in wants if want.place["cluster"] == c] for c in clusters}
        batches = [
            (c, services[i : i + BATCH]) for c, services in names.items() for i in range(0, len(services), BATCH)
        ]
        answers = aws.each(
            lambda batch: aws.find("ecs", "DescribeServices", cluster=batch[0], services=batch[1], include=["TAGS"]),
            batches,
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
        breaker_mode = "rollback" if breaker.get("rollback") else "enabled"
        gave_up = _primary(live).get("rolloutState") == "FAILED"
        spec = ServiceSpec(
            name=name,
            desired_count=live["desiredCount"],
            task_definition=live.get("taskDefinition", "") + (FAILED if gave_up else ""),
            circuit_breaker=breaker_mode if breaker.get("enable") else "disabled",
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
        if live.get("launchType"):
            attributes["launch_type"] = live["launchType"]
        if failure := _last_failure(live):
            attributes["failure"] = failure
        if going := _progress(aws, spec.place, live):
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
            # What was made with a launch type takes a strategy, which is always sent, with a new deployment only.
            force = {"forceNewDeployment": True} if anew or "launch_type" in seen.attributes else {}
            aws.call("ecs", "UpdateService", **want.place, **_parts(want), **force)
        if touches(changes, "tags"):
            tags.put(aws, "ecs", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[ServiceSpec]) -> None:
        """No more tasks, then no service; those that run are stopped."""
        if aws.find("ecs", "UpdateService", **seen.spec.place, desiredCount=0) is not None:
            aws.find("ecs", "DeleteService", **seen.spec.place, force=True)

    def listed(self, aws: Aws) -> Iterable[str]:
        """One read, and one for each cluster."""
        clusters = [arn.rpartition("/")[2] for arn in aws.pages("ecs", "ListClusters", "clusterArns")]
        answers = aws.each(lambda c: list(aws.pages("ecs", "ListServices", "serviceArns", cluster=c)), clusters)
        return ["/".join(arn.rsplit("/", 2)[-2:]) for arns in answers for arn in arns]

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """As many reads as observing them all takes."""
        services = self.observe(aws, [ServiceSpec(name=name) for name in self.listed(aws)])
        return sorted(name for name, service in services.items() if service.owner == deploy)


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


def _progress(aws: Aws, place: Mapping[str, str], live: Mapping[str, Any]) -> str:
    """Empty for a service that is steady. place: cluster and service."""
    deployments = live.get("deployments") or ()
    first = _primary(live)
    steady = first.get("rolloutState", "COMPLETED") == "COMPLETED" and len(deployments) < 2
    if steady and live["runningCount"] == live["desiredCount"]:
        return ""
    failed = f", {first['failedTasks']} failed" if first.get("failedTasks") else ""
    text = f"{first.get('runningCount', 0)} of {live['desiredCount']} tasks run{failed}"
    if any(deployment.get("rolloutState") == "FAILED" or deployment.get("failedTasks") for deployment in deployments):
        text = "; ".join(filter(None, (text, _failure_text(aws, place, live))))
    return text


def _primary(live: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment that is to stay."""
    return next((deployment for deployment in live.get("deployments") or () if deployment["status"] == "PRIMARY"), {})


def _last_failure(live: Mapping[str, Any]) -> str:
    """The last deployment that failed, by its id and state; of one that is gone, as it is after the way back, the event
    that names it. Empty for none.
    """
    for deployment in live.get("deployments") or ():
        if deployment.get("rolloutState") == "FAILED":
            return f"(deployment {deployment.get('id', '')}) {deployment.get('rolloutStateReason') or 'its tasks fail'}"
    messages = (event["message"] for event in live.get("events") or ())
    return next((message for message in messages if "deployment failed" in message), "")


def _failure_text(aws: Aws, place: Mapping[str, str], live: Mapping[str, Any]) -> str:
    """How the last of the service's tasks ended, and what ECS says of it."""
    listed = {"cluster": place["cluster"], "serviceName": place["service"], "desiredStatus": "STOPPED"}
    arns = (aws.find("ecs", "ListTasks", **listed) or {}).get("taskArns", ())
    answer = aws.find("ecs", "DescribeTasks", cluster=place["cluster"], tasks=arns[:100]) if arns else None
    # Not those that ECS stopped to make room for others.
    tasks = [t for t in (answer or {}).get("tasks", ()) if t.get("stopCode") != "ServiceSchedulerInitiated"]
    by_end = sorted(tasks, key=lambda task: str(task.get("stoppedAt", "")))
    messages = [event["message"] for event in live.get("events") or () if BAD.search(event["message"])]
    return "; ".join([*(_ended(task) for task in by_end[-1:]), *messages[:1]])


def _ended(task: Mapping[str, Any]) -> str:
    containers = task.get("containers", ())
    codes = [f"exit code {c['exitCode']}" for c in containers if c.get("exitCode") is not None]
    reasons = [c["reason"] for c in containers if c.get("reason")]
    words = dict.fromkeys(filter(None, (task.get("stoppedReason", ""), *reasons, *codes)))
    return f"task {task['taskArn'].rpartition('/')[2]} stopped: {', '.join(words)}"
