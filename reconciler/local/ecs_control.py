"""Clusters and task definitions where moto's ECS differs from AWS in a way that matters here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.utilities.utils import get_partition

from reconciler.core.managed_instances import COMPATIBILITY
from reconciler.local.correction import Correction
from reconciler.local.ecs_services import live_services
from reconciler.local.ecs_tasks import live_tasks
from reconciler.local.fargate_rules import check_fargate
from reconciler.local.managed_instances import keep_own, managed_providers, refuse_own
from reconciler.local.task_request import FARGATE_PROVIDERS

API = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_"


class ClusterContainsTasks(ECSException):
    """DeleteCluster while tasks have not stopped."""

    code = "ClusterContainsTasksException"

    def __init__(self) -> None:
        super().__init__("The Cluster cannot be deleted while Tasks are active.")


class ClusterContainsProviders(ECSException):
    """DeleteCluster while capacity providers of its own are there."""

    code = "ClusterContainsCapacityProviderException"

    def __init__(self) -> None:
        super().__init__("The Cluster cannot be deleted while it contains capacity providers.")


class ClusterContainsServices(ECSException):
    """DeleteCluster while services are there."""

    code = "ClusterContainsServicesException"

    def __init__(self) -> None:
        super().__init__("The Cluster cannot be deleted while Services are active.")


def _create_cluster(original: Any) -> Any:
    def create_cluster(self: EC2ContainerServiceResponse) -> Any:
        name = self._get_param("clusterName") or "default"
        _check_providers(self)
        existing = self.ecs_backend.clusters.get(name)
        if existing is not None and existing.status == "ACTIVE":
            return ActionResult({"cluster": existing})  # AWS gives back what is there; moto would wipe it
        return original(self)

    return create_cluster


def _delete_cluster(original: Any) -> Any:
    def delete_cluster(self: EC2ContainerServiceResponse) -> Any:
        cluster = self.ecs_backend._get_cluster(self._get_param("cluster"))
        if live_services(self.ecs_backend, cluster.name):
            raise ClusterContainsServices
        if live_tasks(self.ecs_backend, cluster.name):
            raise ClusterContainsTasks
        if managed_providers(self.ecs_backend, cluster.name):
            raise ClusterContainsProviders
        return original(self)

    return delete_cluster


def _describe_clusters(original: Any) -> Any:
    def describe_clusters(self: EC2ContainerServiceResponse) -> Any:
        for cluster in self.ecs_backend.clusters.values():
            tasks = live_tasks(self.ecs_backend, cluster.name)
            cluster.running_tasks_count = sum(task.last_status == "RUNNING" for task in tasks)
            managed_providers(self.ecs_backend, cluster.name)  # those that are gone by now
            cluster.pending_tasks_count = sum(task.last_status in ("PROVISIONING", "PENDING") for task in tasks)
        return original(self)

    return describe_clusters


def _put_capacity_providers(original: Any) -> Any:
    def put_cluster_capacity_providers(self: EC2ContainerServiceResponse) -> Any:
        refuse_own(self, self._get_param("capacityProviders") or [])
        _check_providers(self)
        answer = original(self)
        keep_own(self.ecs_backend._get_cluster(self._get_param("cluster")), self.ecs_backend)
        return answer

    return put_cluster_capacity_providers


def _check_providers(request: EC2ContainerServiceResponse) -> None:
    providers = request._get_param("capacityProviders") or []
    for name in providers:
        if name not in FARGATE_PROVIDERS and request.ecs_backend._get_provider(name) is None:
            raise InvalidParameterException(
                f"The specified capacity provider '{name}' is not valid. Specify a valid capacity provider name."
            )
    for item in request._get_param("defaultCapacityProviderStrategy") or []:
        if item["capacityProvider"] not in providers:
            raise InvalidParameterException(
                "The specified capacity provider strategy contains a capacity provider that is not associated with "
                f"the cluster: {item['capacityProvider']}"
            )


def _register_task_definition(original: Any) -> Any:
    def register_task_definition(self: EC2ContainerServiceResponse) -> Any:
        if "FARGATE" in (self._get_param("requiresCompatibilities") or []):
            size = check_fargate(self._get_param("cpu"), self._get_param("memory"), self._get_param("networkMode"))
            self.params["cpu"], self.params["memory"] = map(str, size)  # "1 vCPU" is kept as 1024
        answer = original(self)
        definition = answer.result["taskDefinition"]
        if COMPATIBILITY in (compatibilities := self._get_param("requiresCompatibilities") or []):
            definition.compatibilities = sorted({"EC2", *compatibilities})
        definition.registered_at = datetime.now(UTC)
        definition.registered_by = f"arn:{get_partition(self.region)}:iam::{self.current_account}:root"
        answer.result["tags"] = definition.tags
        return answer

    return register_task_definition


def _deregister_task_definition(original: Any) -> Any:
    def deregister_task_definition(self: EC2ContainerServiceResponse) -> Any:
        answer = original(self)
        answer.result["taskDefinition"].deregistered_at = datetime.now(UTC)
        return answer

    return deregister_task_definition


def _wrap(operation: str, wrapper: Callable[[Any], Any]) -> None:
    setattr(EC2ContainerServiceResponse, operation, wrapper(getattr(EC2ContainerServiceResponse, operation)))


CORRECTIONS = tuple(
    Correction(behaviour, f"{API}{page}.html", functools.partial(_wrap, operation, wrapper))
    for behaviour, page, operation, wrapper in (
        ("a cluster that is there is given back", "CreateCluster", "create_cluster", _create_cluster),
        ("a cluster in use stays", "DeleteCluster", "delete_cluster", _delete_cluster),
        ("a cluster counts its tasks", "DescribeClusters", "describe_clusters", _describe_clusters),
        (
            "a cluster's providers are there",
            "PutClusterCapacityProviders",
            "put_cluster_capacity_providers",
            _put_capacity_providers,
        ),
        (
            "a task definition for Fargate has a size of Fargate's",
            "RegisterTaskDefinition",
            "register_task_definition",
            _register_task_definition,
        ),
        (
            "a task definition says when it was deregistered",
            "DeregisterTaskDefinition",
            "deregister_task_definition",
            _deregister_task_definition,
        ),
    )
)
