"""What ECS does for a container before it starts: roles, secrets, log stream, image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.local.behaviour import Quirks
from reconciler.local.execution_role import check_execution_role
from reconciler.local.identities import Identities
from reconciler.local.runner import ContainerSpec, Runner, StartError, TaskSpec
from reconciler.local.secret_values import SecretReader
from reconciler.local.task import ContainerState, Task
from reconciler.local.task_log import LogWriter, log_group_exists, open_stream
from reconciler.local.task_spec import aws_environment, container_spec


@dataclass(frozen=True)
class Prepared:
    """A container that can be started."""

    spec: ContainerSpec
    log: LogWriter
    image_digest: str


class Preparer:
    """Prepares the containers of all tasks. Safe for many threads."""

    def __init__(self, runner: Runner, secrets: SecretReader, identities: Identities) -> None:
        self.runner = runner
        self._secrets = secrets
        self._identities = identities

    def environment(self, task: Task, endpoint_url: str) -> dict[str, str]:
        """What ECS itself puts into the environment of all containers: the way to AWS and the task role."""
        return aws_environment(task, endpoint_url) | self._identities.issue(task)

    def prepare(
        self, task: Task, spec: TaskSpec, container: ContainerState, environment: Mapping[str, str], quirks: Quirks
    ) -> Prepared:
        """Raises StartError for what would keep ECS from starting the container."""
        broken = quirks.first("start-error")
        if broken is not None:
            raise StartError(broken["code"], broken["message"])
        definition, launch = container.definition, task.launch
        exists = log_group_exists(definition, launch.region, launch.account_id)
        check_execution_role(task, definition, exists)
        values = self._secrets.read(definition.get("secrets") or [], launch.region)
        full_spec = container_spec(task, container, environment, values, quirks)
        log = open_stream(definition, task, quirks)
        try:
            return Prepared(full_spec, log, self.runner.pull(spec, full_spec))
        except StartError:
            log.close()
            raise

    def clean_up(self, task: Task, spec: TaskSpec) -> None:
        """Remove what is left of a task that has ended, its credentials included."""
        self.runner.remove(spec)
        self._identities.release(task.id)
