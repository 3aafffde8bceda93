"""ECS Managed Instances, which moto hasn't: capacity providers of one cluster, and the instances that tasks wait for.

Where AWS says what it answers, the words are its own (docs/local.md names the sources); the reasons for which an
instance isn't launched are EC2's, after a beginning of ours.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.iam.exceptions import NotFoundException
from moto.utilities.utils import get_partition

from reconciler.core.aws_names import principal
from reconciler.core.managed_instances import COMPATIBILITY
from reconciler.local.correction import Correction
from reconciler.local.identities import Identity, iam_of, refusal, why_not_assumable
from reconciler.local.network import missing_network
from reconciler.local.runner import StartError
from reconciler.local.task import Task, TaskLaunch

ACTIVE, LEAVING = "ACTIVE", "DEPROVISIONING"
PAGE = 10  # providers that one answer has
START = 0.2  # seconds until an instance is there; AWS takes a minute or more
NO_ROOM = (
    "InsufficientInstanceCapacity: We currently do not have sufficient capacity in the Availability Zone you "
    "requested. Our system will be working on provisioning additional capacity."
)
THERE = (
    "The specified capacity provider already exists. To change the configuration of an existing capacity provider, "
    "update the capacity provider."
)
MISSING = "The specified capacity provider does not exist. Specify a valid name or ARN and try again."
IN_USE = "The specified capacity provider is in use and cannot be removed."
OWN = (
    "Cannot associate Managed Instances capacity provider to clusters using this API. Managed Instances capacity "
    "providers are already associated with the cluster that they were created for."
)
IN_METADATA = re.compile(r"[0-9a-zA-Z\-_+=,.@:]{1,255}")  # tag keys that an instance's metadata can have


@dataclass
class Instance:
    """An instance of EC2. tasks: ids of those on it."""

    id: str = field(default_factory=lambda: f"i-{uuid.uuid4().hex[:17]}")
    tasks: set[str] = field(default_factory=set)
    idle_since: float = 0.0


class ManagedProvider:
    """One capacity provider. moto looks at `name`, `capacity_provider_arn`, `status` and `tags`."""

    def __init__(self, backend: Any, cluster: str, name: str, settings: dict[str, Any], tags: Any) -> None:
        self.name, self.cluster, self.settings, self.tags = name, cluster, settings, tags or []
        place = f"{backend.region_name}:{backend.account_id}"
        self.capacity_provider_arn = f"arn:{backend.partition}:ecs:{place}:capacity-provider/{name}"
        self.status, self.update_status = ACTIVE, "CREATE_COMPLETE"
        self.tasks: set[str] = set()  # ids of those that haven't ended, with an instance or without
        self.instances: list[Instance] = []
        self.lock = threading.Lock()

    @property
    def template(self) -> dict[str, Any]:
        """The launch template."""
        template: dict[str, Any] = self.settings["instanceLaunchTemplate"]
        return template

    @property
    def tags_not_in_metadata(self) -> list[str]:
        """Keys of tags that its instances are to have in their metadata, and can't."""
        if self.settings.get("propagateTags") != "CAPACITY_PROVIDER":
            return []
        if not self.template.get("instanceMetadataTagsPropagation", True):
            return []
        return [tag["key"] for tag in self.tags if not IN_METADATA.fullmatch(tag["key"])]

    def response(self, *, with_tags: bool) -> dict[str, Any]:
        """The members of the API's CapacityProvider structure."""
        return {
            "capacityProviderArn": self.capacity_provider_arn,
            "name": self.name,
            "cluster": self.cluster,
            "status": self.status,
            "managedInstancesProvider": self.settings,
            "updateStatus": self.update_status,
            "type": COMPATIBILITY,
            **({"tags": self.tags} if with_tags else {}),
        }

    def instance_for(self, task_id: str) -> tuple[Instance, bool]:
        """An instance without a task, or a new one, and whether it is new; it is that task's from now on."""
        delay = (self.settings.get("infrastructureOptimization") or {}).get("scaleInAfter")
        with self.lock:
            now = time.monotonic()
            instances = [
                instance
                for instance in self.instances
                if instance.tasks or delay == -1 or now - instance.idle_since < (delay or 0)
            ]
            free = next((instance for instance in instances if not instance.tasks), None)
            instance = free or Instance()
            instance.tasks.add(task_id)
            self.instances = instances if free else [*instances, instance]
        return instance, free is None

    def leave(self, task_id: str, *, lost: bool) -> None:
        """Note that a task has ended. lost: with its instance."""
        with self.lock:
            self.tasks.discard(task_id)
            for instance in self.instances:
                if task_id in instance.tasks:
                    instance.tasks.discard(task_id)
                    instance.idle_since = time.monotonic()
                    if lost:
                        self.instances.remove(instance)
                        break


def managed_providers(backend: Any, cluster: str) -> dict[str, ManagedProvider]:
    """A cluster's providers by name, without those that are being deleted and have no task any more."""
    providers = {}
    for key, provider in list(backend.capacity_providers.items()):
        if not isinstance(provider, ManagedProvider) or provider.cluster != cluster:
            continue
        if provider.status == LEAVING and not provider.tasks:
            _forget(backend, key, provider)
        else:
            providers[provider.name] = provider
    return providers


def provider_of(launch: TaskLaunch) -> ManagedProvider | None:
    """The provider that a launch is on, if it is one of these."""
    if launch.launch_type != COMPATIBILITY:
        return None
    backend = ecs_backends[launch.account_id][launch.region]
    return managed_providers(backend, launch.cluster_name).get(str(launch.capacity_provider))


def find_instance(task: Task, stop: threading.Event) -> None:
    """Wait for an instance, where the task is to be on one. Raises StartError for none."""
    provider = provider_of(task.launch)
    if provider is None:
        return
    if why := _why_none(provider, task.launch):
        raise StartError("", f"Unable to launch an instance of capacity provider {provider.name}. {why}")
    _, new = provider.instance_for(task.id)
    if new:
        stop.wait(START)


def without_room(task: Task, reason: str | None) -> str:
    """Why a task that a rule gives no room isn't started."""
    provider = provider_of(task.launch)
    return reason or (
        f"Unable to launch an instance of capacity provider {provider.name}. {NO_ROOM}" if provider else ""
    )


def instance_of(task: Task) -> str:
    """The id of the instance that a task is on; empty on Fargate."""
    provider = provider_of(task.launch)
    ids = [instance.id for instance in provider.instances if task.id in instance.tasks] if provider else []
    return next(iter(ids), "")


def release(task: Task, *, lost: bool = False) -> None:
    """Take a task that has ended off its instance."""
    if provider := provider_of(task.launch):
        provider.leave(task.id, lost=lost)


def _why_none(provider: ManagedProvider, launch: TaskLaunch) -> str:
    """Why ECS can't launch an instance that joins the cluster: for its roles, network or tags; empty if it can."""
    account, region = launch.account_id, launch.region
    partition = get_partition(region)
    ec2 = principal("ec2", partition)
    role = str(provider.settings["infrastructureRoleArn"])
    if why := why_not_assumable(role, "ecs.amazonaws.com"):
        return why
    ecs = Identity(account, role, "ECSManagedInstancesForCompute")
    instances = f"arn:{partition}:ec2:{region}:{account}:instance/*"
    if why := refusal(ecs, "ec2:CreateFleet", instances, {"aws:requesttag/AmazonECSManaged": "true"}):
        return f"UnauthorizedOperation: {why}"
    network = provider.template.get("networkConfiguration") or {}
    if missing := missing_network(account, region, network.get("subnets") or (), network.get("securityGroups") or ()):
        return f"{missing[2]}: {missing[3]}"
    if wrong := provider.tags_not_in_metadata:
        return f"InvalidParameterValue: '{wrong[0]}' is not a valid tag key for instance metadata."
    profile = _profile(provider.template["ec2InstanceProfileArn"])
    (instance_role, *_) = [role.arn for role in profile.roles] if profile is not None and profile.roles else [""]
    if not instance_role:
        return "InvalidParameterValue: the instance profile doesn't exist or has no role."
    if why := refusal(ecs, "iam:PassRole", instance_role, {"iam:passedtoservice": ec2}):
        return f"UnauthorizedOperation: {why}"
    if why := why_not_assumable(instance_role, ec2):
        return why
    cluster = f"arn:{partition}:ecs:{region}:{account}:cluster/{launch.cluster_name}"
    why = refusal(Identity(account, instance_role, "i-0"), "ecs:RegisterContainerInstance", cluster)
    return f"The instance didn't register with the cluster: {why}" if why else ""


def _profile(arn: str) -> Any:
    try:
        return iam_of(arn).get_instance_profile(arn.rpartition("/")[2])
    except (NotFoundException, IndexError, KeyError):
        return None


def _forget(backend: Any, key: str, provider: ManagedProvider) -> None:
    backend.capacity_providers.pop(key, None)
    cluster = backend.clusters.get(provider.cluster)
    if cluster is not None:
        cluster.capacity_providers = [name for name in cluster.capacity_providers or [] if name != provider.name]


def _install() -> None:
    """Wrap moto's operations."""
    for name, wrap in (
        ("create_capacity_provider", _create),
        ("update_capacity_provider", _update),
        ("delete_capacity_provider", _delete),
        ("describe_capacity_providers", _describe),
    ):
        setattr(EC2ContainerServiceResponse, name, wrap(getattr(EC2ContainerServiceResponse, name)))
    original: Any = EC2ContainerServiceBackend._get_provider

    def _get_provider(self: EC2ContainerServiceBackend, name_or_arn: str) -> Any:
        managed = {
            name: provider
            for name, provider in self.capacity_providers.items()
            if isinstance(provider, ManagedProvider)
        }
        by_arn = [
            provider
            for provider in managed.values()
            if provider.capacity_provider_arn.endswith(f":capacity-provider/{name_or_arn}")
        ]
        if by_arn and not any(name_or_arn == name for name in self.capacity_providers):
            return by_arn[0]  # as tags are put on it, by the last part of its ARN
        return original(self, name_or_arn)

    EC2ContainerServiceBackend._get_provider = _get_provider  # type: ignore[method-assign]


def _create(original: Any) -> Any:
    def create_capacity_provider(self: EC2ContainerServiceResponse) -> Any:
        name, cluster = str(self._get_param("name")), self._get_param("cluster")
        settings = self._get_param("managedInstancesProvider")
        if not settings:
            return original(self)
        if not cluster:
            raise EcsClientException("Managed instances provider is not supported without a cluster name.")
        backend: Any = self.ecs_backend
        live_cluster = backend._get_cluster(cluster)
        if live_cluster.status != "ACTIVE":
            raise EcsClientException("Cluster was not ACTIVE.")
        _check(self, settings)
        if name in managed_providers(backend, live_cluster.name):
            raise EcsClientException(THERE)
        tags = [dict(tag) for tag in self._get_param("tags") or []]
        provider = ManagedProvider(backend, live_cluster.name, name, settings, tags)
        backend.capacity_providers[f"{live_cluster.name}/{name}"] = provider
        live_cluster.capacity_providers = [*(live_cluster.capacity_providers or []), name]
        return ActionResult({"capacityProvider": provider.response(with_tags=True)})

    return create_capacity_provider


def _check(request: EC2ContainerServiceResponse, settings: Mapping[str, Any]) -> None:
    """Raises what ECS answers to a role or a profile that isn't there.

    That it looks at the network here AWS doesn't say: EC2 does when an instance is launched.
    """
    role = str(settings["infrastructureRoleArn"])
    try:
        iam_of(role).get_role_by_arn(role)
    except (NotFoundException, IndexError, KeyError):
        raise EcsClientException("Role is not valid") from None
    profile = (settings.get("instanceLaunchTemplate") or {}).get("ec2InstanceProfileArn")
    if profile and _profile(profile) is None:
        raise EcsClientException(f"The specified instance profile {profile} is not valid.")


def _provider_named(request: EC2ContainerServiceResponse, name: str) -> ManagedProvider:
    cluster = request.ecs_backend._get_cluster(request._get_param("cluster"))
    provider = managed_providers(request.ecs_backend, cluster.name).get(name.rpartition("/")[2])
    if provider is None:
        raise EcsClientException(MISSING)
    return provider


def _update(original: Any) -> Any:
    def update_capacity_provider(self: EC2ContainerServiceResponse) -> Any:
        settings = self._get_param("managedInstancesProvider")
        if not settings:
            return original(self)
        provider = _provider_named(self, str(self._get_param("name")))
        _check(self, settings)
        option = {key: provider.template[key] for key in ("capacityOptionType",) if key in provider.template}
        # A storage that isn't given stays, as everything of a template does that an update leaves out.
        template = {**provider.template, **(settings.get("instanceLaunchTemplate") or {}), **option}
        provider.settings = {**provider.settings, **settings, "instanceLaunchTemplate": template}
        provider.update_status = "UPDATE_COMPLETE"
        return ActionResult({"capacityProvider": provider.response(with_tags=True)})

    return update_capacity_provider


def _delete(original: Any) -> Any:
    def delete_capacity_provider(self: EC2ContainerServiceResponse) -> Any:
        name = str(self._get_param("capacityProvider"))
        if not self._get_param("cluster"):
            if self.ecs_backend._get_provider(name) is None:
                raise EcsClientException(MISSING)
            return original(self)
        provider, backend = _provider_named(self, name), self.ecs_backend
        if any(_uses(service, provider) for service in backend.services.values()):
            raise EcsClientException(IN_USE)
        provider.status, provider.update_status = LEAVING, "DELETE_IN_PROGRESS"
        managed_providers(backend, provider.cluster)  # without a task it goes at once
        return ActionResult({"capacityProvider": provider.response(with_tags=True)})

    return delete_capacity_provider


def _uses(service: Any, provider: ManagedProvider) -> bool:
    """Whether a service that is there has a provider in its strategy."""
    strategy = getattr(service, "settings", {}).get("capacityProviderStrategy") or []
    in_strategy = any(item["capacityProvider"] == provider.name for item in strategy)
    return in_strategy and service.status == "ACTIVE" and service.cluster.name == provider.cluster


def _describe(original: Any) -> Any:
    def describe_capacity_providers(self: EC2ContainerServiceResponse) -> Any:
        backend: Any = self.ecs_backend
        names = [str(reference).rpartition("/")[2] for reference in self._get_param("capacityProviders") or []]
        with_tags = "TAGS" in (self._get_param("include") or [])
        if cluster := self._get_param("cluster"):
            providers = managed_providers(backend, backend._get_cluster(cluster).name)
            responses = [
                provider.response(with_tags=with_tags)
                for name, provider in providers.items()
                if not names or name in names
            ]
            missing = [{"arn": name, "reason": "MISSING"} for name in names if name not in providers]
            start = int(self._get_param("nextToken") or 0)
            end = start + int(self._get_param("maxResults") or PAGE)
            next_page = {"nextToken": str(end)} if end < len(responses) else {}
            return ActionResult({"capacityProviders": responses[start:end], "failures": missing, **next_page})
        scoped = [provider for provider in backend.capacity_providers.values() if isinstance(provider, ManagedProvider)]
        hidden = {provider.name for provider in scoped} - backend.capacity_providers.keys()
        self.params["capacityProviders"] = [name for name in names if name not in hidden]
        answer = original(self)
        answer.result["failures"] += [{"arn": name, "reason": "MISSING"} for name in names if name in hidden]
        return answer

    return describe_capacity_providers


def keep_own(cluster: Any, backend: Any) -> None:
    """After a cluster's providers were put: those of managed instances stay whatever was put."""
    names = [
        name for name in managed_providers(backend, cluster.name) if name not in (cluster.capacity_providers or [])
    ]
    cluster.capacity_providers = [*(cluster.capacity_providers or []), *names]


def refuse_own(request: EC2ContainerServiceResponse, names: list[str]) -> None:
    """Raises what ECS answers to one of them in PutClusterCapacityProviders."""
    cluster = request.ecs_backend._get_cluster(request._get_param("cluster"))
    if set(names) & managed_providers(request.ecs_backend, cluster.name).keys():
        raise InvalidParameterException(OWN)


CORRECTIONS = (
    Correction(
        "managed instances have capacity providers",
        "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCapacityProvider.html",
        _install,
    ),
)
