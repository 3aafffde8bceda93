"""RunTask, DescribeTasks, ListTasks and StopTask of the embedded ECS, in place of moto's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException, ECSException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse

from reconciler.local.agent import Agent
from reconciler.local.behaviour import Behaviour, quirks_of
from reconciler.local.managed_instances import provider_of
from reconciler.local.network import attach_interface, check_network
from reconciler.local.task import Task, TaskLaunch
from reconciler.local.task_request import needs_gpu, read_launches
from reconciler.local.task_run import NO_CAPACITY

MAX_TASKS = 100
NO_AGENT = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn't running. Wait and try again or run a new task with execute command enabled and try again."
)
NO_GPU, NO_INSTANCE = "RESOURCE:GPU", "RESOURCE:CPU"  # there are no instances here


class ClientTokenReused(ECSException):
    """The token of an earlier RunTask came with other parameters."""

    code = "ConflictException"

    def __init__(self, arns: list[str]) -> None:
        super().__init__("The client token was used before with other parameters.")
        self.resourceIds = arns


class NoShell(ECSException):
    """Nobody listens in the task; here never: a session is a web socket to Systems Manager, which isn't imitated."""

    code = "TargetNotConnectedException"

    def __init__(self) -> None:
        super().__init__(
            "The execute command failed due to an internal error. Try again later. (The embedded AWS opens no sessions "
            "of Systems Manager; `reconciler exec --local` opens a shell.)"
        )


class TaskOperations:
    """The operations, each taking moto's response object of one request. Install with `install`."""

    def __init__(self, agent: Agent, behaviour: Behaviour) -> None:
        self._agent = agent
        self._behaviour = behaviour
        self._lock = threading.Lock()  # one RunTask at a time: two with the same token must launch once
        self._tokens: dict[tuple[str, str, str, str], tuple[str, list[Task]]] = {}

    def install(self) -> None:
        """Put these operations into moto's ECS."""
        for name in ("run_task", "describe_tasks", "list_tasks", "stop_task", "execute_command"):
            setattr(EC2ContainerServiceResponse, name, _as_method(getattr(self, name)))

    def reset(self) -> None:
        """Forget the client tokens."""
        with self._lock:
            self._tokens.clear()

    def run_task(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Launch tasks; the same client token launches once."""
        params = dict(request._get_params())
        token = params.pop("clientToken", None)
        backend = request.ecs_backend
        launches = read_launches(backend, params)
        for launch in launches:
            check_network(launch)
        request_text = json.dumps(params, sort_keys=True, default=str)
        key = (backend.account_id, backend.region_name, launches[0].cluster_name, str(token))
        with self._lock:
            if token and key in self._tokens:
                earlier_text, earlier_tasks = self._tokens[key]
                if earlier_text != request_text:
                    raise ClientTokenReused([task.arn for task in earlier_tasks])
                return ActionResult({"tasks": [task.response() for task in earlier_tasks], "failures": []})
            tasks: list[Task] = []
            responses: list[dict[str, Any]] = []
            failures: list[dict[str, str]] = []
            for launch in launches:
                began = self.begin(backend, launch, responses.append)
                if isinstance(began, str):
                    failures.append({"reason": began})
                else:
                    tasks.append(began)
            if token and tasks:
                self._tokens[key] = (request_text, tasks)
        return ActionResult({"tasks": responses, "failures": failures})

    def begin(
        self,
        backend: EC2ContainerServiceBackend,
        launch: TaskLaunch,
        show: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Task | str:
        """Begin one task, or say why there is no room for it. show: gets it as it is before it moves."""
        quirks = quirks_of(self._behaviour, _facts(launch))
        rule = quirks.first("no-capacity")
        provider = provider_of(launch)
        if rule is not None and rule.get("when", "start" if provider else "run") == "run":
            return str(rule.get("reason", NO_CAPACITY))
        if launch.launch_type == "EC2":
            return NO_GPU if needs_gpu(launch) else NO_INSTANCE
        task = Task(launch)
        if provider:
            provider.tasks.add(task.id)
        if launch.subnets:
            attach_interface(task)
        backend.tasks.setdefault(launch.cluster_name, {})[task.arn] = task  # type: ignore[assignment]
        show(task.response())  # PROVISIONING
        self._agent.launch(task, quirks)
        return task

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Have a task stopped."""
        self._agent.stop(task, code, reason)

    def describe_tasks(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Tasks as they are, and failures for those that ECS doesn't know."""
        backend = request.ecs_backend
        cluster = backend._get_cluster(request._get_param("cluster", "default"))
        names = request._get_param("tasks", [])
        with_tags = "TAGS" in request._get_param("include", [])
        tasks, failures = [], []
        for name in names:
            task = _find(backend, cluster, name)
            if task is None or not self._agent.visible(task):
                arn = name if name.startswith("arn:") else _task_arn(cluster.arn, cluster.name, name)
                failures.append({"arn": arn, "reason": "MISSING"})
                continue
            response = task.response()
            if not with_tags:
                response.pop("tags")
            tasks.append(response)
        return ActionResult({"tasks": tasks, "failures": failures})

    def list_tasks(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """ARNs of tasks whose desired status is RUNNING unless another is asked for."""
        backend = request.ecs_backend
        cluster = backend._get_cluster(request._get_param("cluster", "default"))
        family, started_by = request._get_param("family"), request._get_param("startedBy")
        service, launch_type = request._get_param("serviceName"), request._get_param("launchType")
        desired = request._get_param("desiredStatus") or "RUNNING"
        arns = []
        for task in self._live(backend, cluster.name):
            launch = task.launch
            if (
                task.desired_status == desired
                and (not family or launch.definition.family == family)
                and (not started_by or launch.started_by == started_by)
                and (not launch_type or launch.launch_type == launch_type)
                and (not service or launch.group == f"service:{service.split('/')[-1]}")
            ):
                arns.append(task.arn)
        size = min(request._get_int_param("maxResults") or MAX_TASKS, MAX_TASKS)
        token = request._get_param("nextToken")
        start = _token_number(token)
        page: dict[str, Any] = {"taskArns": arns[start : start + size]}
        if start + size < len(arns):
            page["nextToken"] = f"page-{start + size}"
        return ActionResult(page)

    def stop_task(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Begin to stop a task."""
        backend = request.ecs_backend
        cluster = backend._get_cluster(request._get_param("cluster", "default"))
        task = _find(backend, cluster, request._get_param("task") or "")
        if task is None:
            raise InvalidParameterException("The referenced task was not found.")
        self._agent.stop(task, "UserInitiated", request._get_param("reason") or "Task stopped by user")
        return ActionResult({"task": task.response()})

    def execute_command(self, request: EC2ContainerServiceResponse) -> ActionResult:
        """Refused as AWS refuses it where no shell can be opened."""
        backend = request.ecs_backend
        cluster = backend._get_cluster(request._get_param("cluster", "default"))
        task = _find(backend, cluster, request._get_param("task") or "")
        if task is None:
            raise InvalidParameterException("The referenced task was not found.")
        if not task.launch.enable_execute_command or task.last_status != "RUNNING":
            raise InvalidParameterException(NO_AGENT)
        raise NoShell

    def _live(self, backend: EC2ContainerServiceBackend, cluster_name: str) -> list[Task]:
        """The cluster's tasks, those forgotten that ECS no longer knows."""
        tasks: dict[str, Any] = backend.tasks.get(cluster_name, {})
        for arn, task in list(tasks.items()):
            if isinstance(task, Task) and self._agent.expired(task):
                self._agent.forget(task)
                tasks.pop(arn, None)
        return [task for task in list(tasks.values()) if isinstance(task, Task)]


def live_tasks(backend: EC2ContainerServiceBackend, cluster_name: str) -> list[Task]:
    """Tasks of a cluster that have not stopped."""
    tasks: list[object] = list(backend.tasks.get(cluster_name, {}).values())
    return [task for task in tasks if isinstance(task, Task) and task.last_status != "STOPPED"]


def _as_method(operation: Any) -> Any:
    def method(self: EC2ContainerServiceResponse) -> ActionResult:
        result: ActionResult = operation(self)
        return result

    return method


def _find(backend: EC2ContainerServiceBackend, cluster: Any, name: str) -> Task | None:
    """A task by its ARN or id, without a look at the others, of which there may be thousands."""
    arn = _task_arn(cluster.arn, cluster.name, name.split("/")[-1])
    task: object = backend.tasks.get(cluster.name, {}).get(arn)
    return task if isinstance(task, Task) else None


def _task_arn(cluster_arn: str, cluster_name: str, task_id: str) -> str:
    return f"{cluster_arn.replace(':cluster/', ':task/').rpartition('/')[0]}/{cluster_name}/{task_id}"


def _facts(launch: TaskLaunch) -> dict[str, str | None]:
    return {
        "cluster": launch.cluster_name,
        "family": launch.definition.family,
        "group": launch.group,
        "startedBy": launch.started_by,
        "capacityProvider": launch.capacity_provider,
        "launchType": launch.launch_type,
    }


def _token_number(token: str | None) -> int:
    if not token:
        return 0
    number = token.removeprefix("page-")
    if not number.isdigit():
        raise EcsClientException("The nextToken is invalid.")
    return int(number)
