"""What the capacity providers of the file mean, with the roles of those that are made for it, and `service`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from reconciler.config import Deploy
from reconciler.config.resource_names import Names
from reconciler.core.aws_names import principal
from reconciler.core.capacity import Weight
from reconciler.core.fargate import FARGATE
from reconciler.core.graph import Node
from reconciler.core.managed_instances import (
    COMPATIBILITY,
    DISK,
    IDLE,
    INFRASTRUCTURE_POLICY,
    INSTANCE_POLICY,
    MANAGED_SPOT,
)
from reconciler.core.spec import Address, Ref
from reconciler.kinds import CapacityProviderSpec, InstanceProfileSpec, RoleSpec, ServiceSpec
from reconciler.lower.ci import service_trust


def addresses(names: Names) -> tuple[Address, ...]:
    """The capacity providers of the deploy."""
    providers = names.deploy.managed_providers
    return tuple(Address("capacity-provider", f"{names.deploy.cluster.name}/{provider}") for provider in providers)


def managed_instances(names: Names) -> Iterator[Node]:
    """The roles, the profile and the providers; nothing where the file has none."""
    deploy = names.deploy
    if not deploy.managed_providers:
        return
    infrastructure, instance = names.infrastructure_role, names.instance_role
    # ECS takes the one and EC2 the other; neither is known to say for whose account.
    for role, service, policy, purpose in (
        (infrastructure, "ecs", INFRASTRUCTURE_POLICY, "Launches and ends the managed instances of"),
        (instance, "ec2", INSTANCE_POLICY, "The ECS agent on the managed instances of"),
    ):
        yield Node(
            RoleSpec(
                name=role,
                trust=service_trust(names, principal(service, names.facts.partition), only_here=False),
                description=f"{purpose} {deploy.name}",
                managed_policies=(f"arn:{names.facts.partition}:iam::aws:policy/{policy}",),
                tags=names.tags,
            )
        )
    profile = InstanceProfileSpec(name=instance, role=instance, tags=names.tags)
    yield Node(profile, (Address("role", instance),))
    group = Address("security-group", str(deploy.network.security_group.name))
    needs = (Address("cluster", str(deploy.cluster.name)), Address("role", infrastructure), profile.address)
    for address, capacity in zip(addresses(names), deploy.managed_providers.values(), strict=True):
        spec = CapacityProviderSpec(
            name=address.name,
            infrastructure_role=names.iam(f"role/{infrastructure}"),
            instance_profile=names.iam(f"instance-profile/{instance}"),
            instance_role=names.iam(f"role/{instance}"),
            subnets=names.facts.subnets,
            security_groups=(Ref(group, "id"),),
            requirements=deploy.requirements.request(),
            capacity_option="SPOT" if capacity == MANAGED_SPOT else "ON_DEMAND",
            storage=deploy.task.ephemeral_storage or DISK,  # a size that is left out of an update stays
            scale_in_after=IDLE,
            propagate_tags="CAPACITY_PROVIDER",
            tags=names.tags,
        )
        yield Node(spec, needs)


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
