"""CreateService, UpdateService, DescribeServices, ListServices and DeleteService of the embedded ECS, for moto's."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.responses import EC2ContainerServiceResponse

from reconciler.local.ecs_tasks import TaskOperations
from reconciler.local.network import check_network
from reconciler.local.services import Deployment, Service, Services
from reconciler.local.task import Task
from reconciler.local.task_request import read_launches

SETTINGS = (
    "taskDefinition", "desiredCount", "launchType", "capacityProviderStrategy", "platformVersion",
    "deploymentConfiguration", "networkConfiguration", "enableExecuteCommand", "propagateTags",
)  # fmt: skip


class ServiceNotFound(ECSException):
    """No service of this name."""

    code = "ServiceNotFoundException"

    def __init__(self) -> None:
        super().__init__("Service not found.")


class ServiceNotActive(ECSException):
    """The service was deleted."""

    code = "ServiceNotActiveException"

    def __init__(self) -> None:
        super().__init__("Service was not ACTIVE.")


class ServiceOperations:
    """The operations, each taking moto's response object of one request. Install with `install`."""

    def __init__(self, tasks: TaskOperations) -> None:
        self._tasks = tasks
        self.services = Services(self._launch, tasks.stop)

    def install(self) -> None:
        """Put these operations into moto's ECS."""
        for name in ("create_service", "update_service", "describe_services", "list_services", "delete_service"):
            setattr(EC2ContainerServiceResponse, name, _as_method(getattr(self, name)))

    def create_service(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Create a service, and begin its first deployment."""
        backend, params = request.ecs_backend, dict(request._get_params())
        cluster, name = backend._get_cluster(params.get("cluster") or "default"), str(params["serviceName"])
        settings = self._settings(request, params)
        with self.services.lock:
            existing = backend.services.get(f"{cluster.name}:{name}")
            if existing is not None and existing.status != "INACTIVE":
                draining = "Unable to Start a service that is still Draining."
                why = draining if existing.status == "DRAINING" else "Creation of service was not idempotent."
                raise InvalidParameterException(why)
            service = Service(backend, cluster, name, settings, list(params.get("tags") or []))
            backend.services[f"{cluster.name}:{name}"] = service  # type: ignore[assignment]
            self.services.add(service)
            return ActionResult({"service": service.response()})

    def update_service(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Change the settings that are given."""
        params = dict(request._get_params())
        with self.services.lock:
            service = self._find(request, str(params["service"]))
            if service is None:
                raise ServiceNotFound
            if service.status != "ACTIVE":
                raise ServiceNotActive
            changes = self._settings(request, service.settings | params)
            settings = {name: changes[name] for name in SETTINGS if name in params}
            service.update(settings, force=bool(params.get("forceNewDeployment")))
            return ActionResult({"service": service.response()})

    def describe_services(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Services as they are, and failures for those that ECS doesn't know."""
        names, with_tags = request._get_param("services", []), "TAGS" in request._get_param("include", [])
        shown_services, failures = [], []
        with self.services.lock:
            for name in names:
                service = self._find(request, name)
                if service is None:
                    failures.append({"arn": name, "reason": "MISSING"})
                    continue
                response = service.response()
                if not with_tags:
                    response.pop("tags")
                shown_services.append(response)
        return ActionResult({"services": shown_services, "failures": failures})

    def list_services(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """ARNs of a cluster's services that are there."""
        cluster = request.ecs_backend._get_cluster(request._get_param("cluster", "default"))
        return ActionResult(
            {"serviceArns": [service.arn for service in live_services(request.ecs_backend, cluster.name)]}
        )

    def delete_service(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Let it drain: its tasks are stopped, then it is INACTIVE."""
        with self.services.lock:
            service = self._find(request, str(request._get_param("service")))
            if service is None:
                raise ServiceNotFound
            if service.desired and not request._get_param("force", False):
                raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
            if service.status == "ACTIVE":
                service.status = (
                    "DRAINING" if any(deployment.tasks for deployment in service.deployments) else "INACTIVE"
                )
            return ActionResult({"service": service.response()})

    def _find(self, request: EC2ContainerServiceResponse, name: str) -> Service | None:
        cluster = request.ecs_backend._get_cluster(request._get_param("cluster", "default"))
        service: Any = request.ecs_backend.services.get(f"{cluster.name}:{name.split('/')[-1]}")
        return service if isinstance(service, Service) else None

    def _settings(self, request: EC2ContainerServiceResponse, params: dict[str, Any]) -> dict[str, Any]:
        """The settings of a service, checked as a launch is, with the revision that a family stands for."""
        definition = request.ecs_backend.describe_task_definition(params["taskDefinition"])
        settings = {name: params.get(name) for name in SETTINGS} | {"taskDefinition": definition.arn}
        cluster = request._get_param("cluster", "default")
        launch_params = _run_task(settings) | {"cluster": cluster}
        # That a role can't be assumed shows when a task is launched.
        for launch in read_launches(request.ecs_backend, launch_params, with_roles=False):
            check_network(launch)
        return settings

    def _launch(self, service: Service, deployment: Deployment) -> Task:
        """One task of a deployment."""
        params = _run_task(deployment.settings) | {
            "cluster": service.cluster.name,
            "startedBy": deployment.id,
            "group": f"service:{service.name}",
            "tags": service.tags if deployment.settings.get("propagateTags") == "SERVICE" else [],
        }
        (launch,) = read_launches(service.backend, params)
        task = self._tasks.begin(service.backend, launch)
        if isinstance(task, str):
            raise InvalidParameterException(task)
        return task


def live_services(backend: Any, cluster_name: str) -> list[Service]:
    """Services of a cluster that are ACTIVE or DRAINING."""
    services = [service for key, service in backend.services.items() if key.startswith(f"{cluster_name}:")]
    return [service for service in services if isinstance(service, Service) and service.status != "INACTIVE"]


def _run_task(settings: dict[str, Any]) -> dict[str, Any]:
    """The part of RunTask's parameters that a service's settings are."""
    keys = ("taskDefinition", "launchType", "capacityProviderStrategy", "networkConfiguration", "enableExecuteCommand")
    return {key: settings[key] for key in keys if settings.get(key)}


def _as_method(operation: Any) -> Any:
    def method(self: EC2ContainerServiceResponse) -> ActionResult:
        result: ActionResult = operation(self)
        return result

    return method
