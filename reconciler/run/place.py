"""Where the tasks of one deploy are and where they log, as the deploy says; and whether a task is one of them. Pure.

A record may say anything. So where a task is looked for, read from and stopped comes from the deploy, and that a task
is a run's is what ECS says of it: its cluster, its task definition, and the mark that it was launched with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.core.errors import ReconcilerError
from reconciler.core.run_paths import again_family, cluster_in
from reconciler.run.retry import Attempt


class NotOurs(ReconcilerError):
    """A record names a task, or a log, that isn't this deploy's."""


def family_of(task: Mapping[str, Any]) -> str:
    """The name of a task's definition, as ECS describes the task."""
    return str(task.get("taskDefinitionArn", "")).rpartition("/")[2].partition(":")[0]


def cluster_of(task: Mapping[str, Any]) -> str:
    """The name of the cluster that a task is in."""
    return str(task.get("clusterArn", "")).rpartition("/")[2]


@dataclass(frozen=True)
class Place:
    """cluster, family: names, the second of the task definition. log_prefix: the first part of its streams' names."""

    cluster: str
    family: str
    container: str
    log_group: str
    log_prefix: str

    def may_hold(self, task_arn: str) -> bool:
        """Whether a task with this ARN may be in this cluster."""
        return cluster_in(task_arn) in ("", self.cluster)

    def has(self, task: Mapping[str, Any], token: str) -> bool:
        """Whether a task as ECS describes it is one of this deploy's, launched with this mark."""
        families = self.family, again_family(self.family)
        return family_of(task) in families and (cluster_of(task), task.get("startedBy")) == (self.cluster, token)

    def check(self, task: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        """The task, if it is this attempt's. Raises NotOurs."""
        if not self.has(task, attempt.token):
            raise self.refusal(attempt, task)
        return task

    def refusal(self, attempt: Attempt, task: Mapping[str, Any] = MappingProxyType({})) -> NotOurs:
        """The error for an attempt whose task isn't here. task: as ECS describes it, if it does."""
        back = ""
        if task.get("startedBy") == attempt.token:  # so that it is the file that was changed
            family, cluster = family_of(task), cluster_of(task)
            back = f"; with `task.family: {family}` and the cluster {cluster} in it again, `apply` continues the run"
        return NotOurs(
            f"the record of {attempt.token} names the task {attempt.task_arn}, but that task isn't {attempt.token}: it "
            f"has another task definition than {self.family}, another cluster than {self.cluster}, or another mark "
            "(startedBy)",
            hint="the record was changed, or cluster or task.family in deploy.yaml were: nothing was done to that task"
            + back,
        )
