"""Clusters and task definitions where moto's ECS differs from AWS in a way that matters here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException, ECSException, InvalidParameterException
from moto.ecs.responses import EC2ContainerServiceResponse

from reconciler.core.limits import TASK_DEFINITION, json_size
from reconciler.local.ecs_services import live_services
from reconciler.local.ecs_tasks import live_tasks
from reconciler.local.fargate_rules import check_containers, check_execution_role_given, check_fargate
from reconciler.local.task_request import FARGATE_PROVIDERS


class ClusterContainsTasks(ECSException):
    """DeleteCluster while tasks have not stopped."""

    code = "ClusterContainsTasksException"

    def __init__(self) -> None:
        super().__init__("The Cluster cannot be deleted while Tasks are active.")


class ClusterContainsServices(ECSException):
    """DeleteCluster while services are there."""

    code = "ClusterContainsServicesException"

    def __init__(self) -> None:
        super().__init__("The Cluster cannot be deleted while Services are active.")


def install() -> None:
    """Wrap moto's operations."""
    for name, wrap in (
        ("create_cluster", _create_cluster),
        ("delete_cluster", _delete_cluster),
        ("describe_clusters", _describe_clusters),
        ("put_cluster_capacity_providers", _put_capacity_providers),
        ("register_task_definition", _register_task_definition),
        ("deregister_task_definition", _deregister_task_definition),
    ):
        setattr(EC2ContainerServiceResponse, name, wrap(getattr(EC2ContainerServiceResponse, name)))


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
        return original(self)

    return delete_cluster


def _describe_clusters(original: Any) -> Any:
    def describe_clusters(self: EC2ContainerServiceResponse) -> Any:
        for cluster in self.ecs_backend.clusters.values():
            tasks = live_tasks(self.ecs_backend, cluster.name)
            cluster.running_tasks_count = sum(task.last_status == "RUNNING" for task in tasks)
            cluster.pending_tasks_count = sum(task.last_status in ("PROVISIONING", "PENDING") for task in tasks)
        return original(self)

    return describe_clusters


def _put_capacity_providers(original: Any) -> Any:
    def put_cluster_capacity_providers(self: EC2ContainerServiceResponse) -> Any:
        _check_providers(self)
        return original(self)

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
        containers = self._get_param("containerDefinitions") or []
        if (size := json_size(self.params)) > TASK_DEFINITION.most:
            most = TASK_DEFINITION.most
            raise EcsClientException(f"Actual length: '{size}'. Max allowed length is '{most}' bytes.")
        if "FARGATE" in (self._get_param("requiresCompatibilities") or []):
            try:
                cpu, memory = check_fargate(
                    self._get_param("cpu"), self._get_param("memory"), self._get_param("networkMode")
                )
                check_containers(containers, memory)
                check_execution_role_given(containers, self._get_param("executionRoleArn"))
            except ValueError as error:
                raise EcsClientException(str(error)) from None
            self.params["cpu"], self.params["memory"] = str(cpu), str(memory)  # "1 vCPU" is kept as 1024
        _check_dependencies(containers)
        answer = original(self)
        definition = answer.result["taskDefinition"]
        definition.registered_at = datetime.now(UTC)
        definition.registered_by = f"arn:aws:iam::{self.current_account}:root"
        answer.result["tags"] = definition.tags
        return answer

    return register_task_definition


def _check_dependencies(containers: list[dict[str, Any]]) -> None:
    for container in containers:  # the name is that of a folder too
        if re.fullmatch(r"[A-Za-z0-9_-]{1,255}", str(container.get("name", ""))) is None:
            raise EcsClientException(f"Container.name contains invalid characters: {container.get('name')!r}.")
    names = {container.get("name") for container in containers}
    if not any(container.get("essential", True) for container in containers):
        raise EcsClientException("A task definition must have at least one essential container.")
    for container in containers:
        for dependency in container.get("dependsOn") or []:
            if dependency.get("containerName") not in names - {container.get("name")}:
                raise EcsClientException(
                    f"Invalid container dependency of '{container.get('name')}': {dependency.get('containerName')}"
                )


def _deregister_task_definition(original: Any) -> Any:
    def deregister_task_definition(self: EC2ContainerServiceResponse) -> Any:
        answer = original(self)
        answer.result["taskDefinition"].deregistered_at = datetime.now(UTC)
        return answer

    return deregister_task_definition
