"""What `service` and the capacity providers of the file mean. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from reconciler.config import Deploy
from reconciler.config.resource_names import Names
from reconciler.core.capacity import Weight
from reconciler.core.fargate import FARGATE
from reconciler.core.graph import Node
from reconciler.core.managed_instances import COMPATIBILITY
from reconciler.core.spec import Address, Ref
from reconciler.kinds import ServiceSpec
from reconciler.lower.managed_instances import addresses


def service(names: Names) -> Iterator[Node]:
    """The service, where the file has one."""
    deploy, section = names.deploy, names.deploy.service
    if section is None:
        return
    group = Address("security-group", str(deploy.network.security_group.name))
    provider = str(section.capacity)
    spec = ServiceSpec(
        name=f"{deploy.cluster.name}/{section.name}",
        desired_count=section.desired_count,
        task_definition=Ref(Address("task-definition", str(deploy.task.family)), "arn"),
        circuit_breaker="rollback" if section.circuit_breaker else "disabled",
        capacity=(Weight(provider=provider, weight=1),),
        subnets=names.facts.subnets,
        security_groups=(Ref(group, "id"),),
        # Instances of yours have the subnet's addresses or none: ECS gives a public one on Fargate only.
        public_ip=deploy.network.public_ip and provider in FARGATE,
        tags=names.tags,
    )
    yield Node(spec, (Address("cluster", str(deploy.cluster.name)), *addresses(names)))


def launch_types(deploy: Deploy, managed: Collection[str]) -> tuple[str, ...]:
    """What the task definition has to be good for. managed: providers of managed instances."""
    kinds = dict.fromkeys(FARGATE, "FARGATE") | dict.fromkeys(managed, COMPATIBILITY)
    return tuple(sorted({kinds.get(provider, "EC2") for provider in deploy.providers}))


def requirements(names: Names) -> dict[str, Any]:
    """What the container needs besides, as the ECS API has it."""
    gpus = names.deploy.task.gpu
    return {"resourceRequirements": [{"type": "GPU", "value": str(gpus)}]} if gpus else {}
