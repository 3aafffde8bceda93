"""See to the workers of unattended runs, as `apply` does while it watches: when a task of a run has begun or ended."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from reconciler.core.fargate import FARGATE
from reconciler.core.function_settings import GROUP, Watched
from reconciler.core.text import line
from reconciler.run.crew import Crew, Where, end_of_run
from reconciler.run.run import Overrides, Run
from reconciler.run.verdict import TaskEnd
from reconciler.run.workers import address_of, size_of
from reconciler.scheduled import aws
from reconciler.scheduled.aws import find

PAUSE, ENOUGH = 10.0, 480.0  # seconds between launches that are refused, and for which they are tried


def tend(watched: Watched, run: Run, overrides: Overrides | None) -> bool:
    """Launch the workers that a run's newest attempt lacks, while its task runs. overrides: what is different for it.

    Returns whether some are lacking still, after as long as a call may try.
    """
    crew, until = _crew(watched, run, overrides), time.time() + ENOUGH
    while True:
        answer = find("ecs", "DescribeTasks", cluster=watched.cluster, tasks=[run.task_arn])
        task: Mapping[str, Any] = next(iter((answer or {}).get("tasks") or ()), {})
        if not address_of(task) or crew.tend(task):
            return False
        if time.time() > until:
            return True
        time.sleep(PAUSE)


def ended(watched: Watched, run: Run, end: TaskEnd, overrides: Overrides | None) -> TaskEnd:
    """Stop them, since the task of a run's newest attempt has ended so. Returns that with how the lost ones ended."""
    return _crew(watched, run, overrides).ended(end) if size_of(run) else end


def over(watched: Watched, run: Run) -> None:
    """Have nothing left of the workers of a run that is over. What hinders it is said."""
    end_of_run(aws, watched.deploy, watched.cluster, lambda text: print(line(text)), run)


def _crew(watched: Watched, run: Run, overrides: Overrides | None) -> Crew:
    where = Where(
        watched.cluster, watched.subnets, os.environ[GROUP], watched.public_ip, watched.workers or FARGATE[:1]
    )
    return Crew(aws, where, run, overrides or Overrides(), time.time, lambda text: print(line(f"{run.id}: {text}")))
