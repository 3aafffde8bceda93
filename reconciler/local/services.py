"""What becomes of the embedded ECS's services: their tasks are launched, replaced and stopped by one thread for all.

A deployment is COMPLETED once its tasks have run for STEADY seconds and those of the one before are gone, FAILED when
the circuit breaker says so. Tasks that end by themselves before that count as failed, where AWS counts those that never
reached RUNNING or a healthy state.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reconciler.local.task import Task

TICK = 0.2  # seconds
STEADY = 1.0  # seconds that all tasks have to run
BACKOFF = 0.4  # seconds more after each task that failed, up to
LONGEST = 5.0
LEAST_FAILED, MOST_FAILED = 3, 200  # tasks after which the circuit breaker opens
BY_SCHEDULER = "ServiceSchedulerInitiated"
NEW_DEPLOYMENT = ("taskDefinition", "networkConfiguration", "capacityProviderStrategy", "enableExecuteCommand")


@dataclass
class Deployment:
    """One revision's way into a service. settings: as CreateService has them."""

    settings: dict[str, Any]
    reason: str = ""
    id: str = field(default_factory=lambda: f"ecs-svc/{uuid.uuid4().int % 10**19:019d}")
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: str = "IN_PROGRESS"
    failures: int = 0
    tasks: list[Task] = field(default_factory=list)
    steady_since: float | None = None
    not_before: float = 0.0

    def count(self, *states: str) -> int:
        """How many of its tasks are in these states."""
        return sum(task.last_status in states for task in self.tasks)


class Service:
    """A service. moto looks at `arn`, `name`, `tags` and `physical_resource_id`, for its tagging operations."""

    def __init__(self, backend: Any, cluster: Any, name: str, settings: dict[str, Any], tags: list[Any]) -> None:
        self.backend, self.cluster, self.name, self.settings, self.tags = backend, cluster, name, settings, tags
        self.arn = f"{cluster.arn.replace(':cluster/', ':service/')}/{name}"
        self.physical_resource_id = self.arn
        self.status = "ACTIVE"
        self.created = datetime.now(UTC)
        self.events: list[dict[str, Any]] = []
        self.good: Deployment | None = None  # the last one that was completed
        self.deployments: list[Deployment] = []
        self.deploy("")

    @property
    def desired(self) -> int:
        """How many tasks are wanted."""
        return int(self.settings.get("desiredCount") or 0) if self.status == "ACTIVE" else 0

    def deploy(self, reason: str) -> None:
        """Begin a deployment of the settings."""
        deployment = Deployment(dict(self.settings))
        deployment.reason = reason or f"ECS deployment {deployment.id} in progress."
        self.deployments.insert(0, deployment)
        if not self.desired and not any(other.tasks for other in self.deployments):
            self.complete(deployment)

    def complete(self, deployment: Deployment) -> None:
        """Note that the deployment is through, and forget those before it."""
        deployment.state, deployment.reason = "COMPLETED", f"ECS deployment {deployment.id} completed."
        self.deployments, self.good = [deployment], deployment
        self.say("has reached a steady state.")

    def update(self, changes: dict[str, Any], *, force: bool) -> None:
        """Take other settings, and begin a deployment where they need one."""
        anew = force or any(name in changes and changes[name] != self.settings.get(name) for name in NEW_DEPLOYMENT)
        self.settings |= changes
        if anew:
            self.deploy("")

    def say(self, message: str) -> None:
        """Add an event, the newest first."""
        event = {"id": str(uuid.uuid4()), "createdAt": datetime.now(UTC), "message": f"(service {self.name}) {message}"}
        self.events = [event, *self.events[:99]]

    def response(self) -> dict[str, Any]:
        """The members of the API's Service structure."""
        settings = {name: value for name, value in self.settings.items() if value is not None}
        return {
            **settings,
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster.arn,
            "status": self.status,
            "desiredCount": self.desired,
            "createdAt": self.created,
            "schedulingStrategy": "REPLICA",
            "runningCount": sum(deployment.count("RUNNING") for deployment in self.deployments),
            "pendingCount": sum(deployment.count("PROVISIONING", "PENDING") for deployment in self.deployments),
            "deployments": [self._deployment(deployment) for deployment in self.deployments],
            "events": list(self.events),
            "tags": list(self.tags),
            "deploymentController": {"type": "ECS"},
            "loadBalancers": [],
        }

    def _deployment(self, deployment: Deployment) -> dict[str, Any]:
        primary = deployment is self.deployments[0]
        return {
            "id": deployment.id,
            "status": "PRIMARY" if primary else "ACTIVE",
            "createdAt": deployment.created,
            "taskDefinition": deployment.settings["taskDefinition"],
            "desiredCount": self.desired if primary else 0,
            "runningCount": deployment.count("RUNNING"),
            "pendingCount": deployment.count("PROVISIONING", "PENDING"),
            "failedTasks": deployment.failures,
            "rolloutState": deployment.state,
            "rolloutStateReason": deployment.reason,
        }


class Services:
    """Sees to all services. launch: starts one task of a deployment, raising what ECS would answer; stop: ends one."""

    def __init__(self, launch: Callable[[Service, Deployment], Task], stop: Callable[[Task, str, str], None]) -> None:
        self._launch, self._stop = launch, stop
        self._services: list[Service] = []
        self.lock = threading.RLock()
        self._some = threading.Event()
        threading.Thread(target=self._run, name="services", daemon=True).start()

    def add(self, service: Service) -> None:
        """Look after one more service."""
        with self.lock:
            self._services.append(service)
            self._some.set()

    def reset(self) -> None:
        """Forget all of them; their tasks are ended by whoever calls."""
        with self.lock:
            self._services.clear()
            self._some.clear()

    def _run(self) -> None:
        while True:
            self._some.wait()
            with self.lock:
                for service in list(self._services):
                    self._tend(service)
                self._services = [service for service in self._services if service.status != "INACTIVE"]
                if not self._services:
                    self._some.clear()
            time.sleep(TICK)

    def _tend(self, service: Service) -> None:
        primary, now = service.deployments[0], time.monotonic()
        for deployment in service.deployments:
            for task in [task for task in deployment.tasks if task.last_status == "STOPPED"]:
                deployment.tasks.remove(task)
                if deployment is primary and task.stop_code != BY_SCHEDULER:
                    self._failed(deployment, now)
        if service.status == "DRAINING":
            self._end(service, service.deployments)
            if not any(deployment.tasks for deployment in service.deployments):
                service.status = "INACTIVE"
            return
        self._fill(service, primary, now)
        self._judge(service, primary, now)

    def _failed(self, deployment: Deployment, now: float) -> None:
        deployment.steady_since = None
        if deployment.state == "IN_PROGRESS":
            deployment.failures += 1
        deployment.not_before = now + min(BACKOFF * max(deployment.failures, 1), LONGEST)

    def _fill(self, service: Service, primary: Deployment, now: float) -> None:
        """As many tasks as are wanted."""
        alive = [task for task in primary.tasks if task.desired_status == "RUNNING"]
        for task in alive[service.desired :]:
            self._scale_down(primary, task)
        if primary.state == "FAILED" or now < primary.not_before:
            return
        for _ in range(service.desired - len(alive)):
            try:
                primary.tasks.append(self._launch(service, primary))
            except Exception as error:  # what RunTask would have answered is an event of the service
                service.say(f"was unable to place a task. Reason: {getattr(error, 'message', error)}")
                self._failed(primary, now)
                return

    def _judge(self, service: Service, primary: Deployment, now: float) -> None:
        """Whether the deployment is through, or has failed."""
        if primary.state != "IN_PROGRESS":
            return
        if primary.count("RUNNING") < service.desired:
            primary.steady_since = None
        elif primary.steady_since is None:
            primary.steady_since = now
        if primary.steady_since is not None and now - primary.steady_since >= (STEADY if service.desired else 0.0):
            older = service.deployments[1:]
            self._end(service, older)
            if not any(deployment.tasks for deployment in older):
                service.complete(primary)
            return
        breaker = (service.settings.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
        most = max(LEAST_FAILED, min(MOST_FAILED, math.ceil(service.desired / 2)))
        if breaker.get("enable") and primary.failures >= most:
            self._give_up(service, primary, back=bool(breaker.get("rollback")))

    def _give_up(self, service: Service, primary: Deployment, *, back: bool) -> None:
        primary.state = "FAILED"
        primary.reason = "ECS deployment circuit breaker: tasks failed to start."
        service.say(f"(deployment {primary.id}) deployment failed: tasks failed to start.")
        self._end(service, [primary])
        if back and service.good is not None and service.good is not primary:
            good = service.good
            service.settings |= {name: good.settings.get(name) for name in NEW_DEPLOYMENT}
            service.say(f"rolling back to deployment {good.id}.")
            service.deploy(f"ECS deployment circuit breaker: rolling back to deploymentId {good.id}.")
            # Its tasks may still be there.
            service.deployments[0].tasks, good.tasks = good.tasks, []

    def _end(self, service: Service, deployments: list[Deployment]) -> None:
        for deployment in deployments:
            for task in deployment.tasks:
                self._scale_down(deployment, task)

    def _scale_down(self, deployment: Deployment, task: Task) -> None:
        if task.desired_status == "RUNNING":
            self._stop(task, BY_SCHEDULER, f"Scaling activity initiated by (deployment {deployment.id})")
