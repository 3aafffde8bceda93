"""What every task of a deploy is launched with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.core.function_settings import Retry
from reconciler.run.crew import Where
from reconciler.run.deadline import Deadline
from reconciler.run.place import Place
from reconciler.run.retry import Attempt
from reconciler.run.run import Overrides, Run
from reconciler.run.run_task import task_overrides
from reconciler.run.workers import Size


@dataclass(frozen=True)
class LaunchSettings:
    """What every task of a deploy is launched with. task_definition: ARN; environment: beside that of the run."""

    deploy: str
    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_group: str
    public_ip: bool
    log_group: str
    log_prefix: str
    environment: Mapping[str, str]
    deadline: Deadline | None = None
    schedule: str = ""  # the name of the deploy's, which starts runs by itself; empty without one
    checkpoint: bool = False  # whether the attempts of a run hand one on
    exec_enabled: bool = False  # whether a shell may be opened in its tasks
    retry: Retry | None = None  # where a run that is out of memory goes on with more
    workers: tuple[str, ...] = ()  # where its workers run, in this order; empty without any
    worker_size: Size | None = None  # how many and how large, for a run that has no definitions yet

    @property
    def place(self) -> Place:
        """Where its tasks are."""
        family = self.task_definition.rpartition("/")[2].partition(":")[0]
        return Place(self.cluster, family, self.container, self.log_group, self.log_prefix)

    def with_definition_of(self, run: Run) -> LaunchSettings:
        """The same with a run's own definition, which names the container as the file did then."""
        return replace(self, task_definition=run.task_definition, container=run.container or self.container)

    @property
    def of_workers(self) -> Where:
        """Where its workers are."""
        providers = self.workers or FARGATE[:1]
        return Where(self.cluster, self.subnets, self.security_group, self.public_ip, providers)

    def given(self, run: Run) -> Overrides:
        """What is different for a run's tasks: by what was asked for it, and by each launch."""
        return replace(run.overrides, environment={**self.environment, **run.overrides.environment})

    def overrides(self, run: Run) -> dict[str, Any]:
        """What is different for the task of a run's newest attempt, or of its first, as RunTask takes it."""
        attempt = run.attempts[-1] if run.attempts else Attempt(1, "", "", 0.0)
        return task_overrides(run, attempt, self.given(run), self.container, with_checkpoint=self.checkpoint)
