"""What concerns `run.workers` and other fields."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.config.problems import Path, Problem
from reconciler.config.schema import Deploy
from reconciler.config.task_size import check_cpu, check_size
from reconciler.core.workers import SCHEDULER, VARIABLES

AT: Path = ("run", "workers")
KEEP = "keep one of them"


def check_workers(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with `run.workers`, and with other fields because of it."""
    workers, run = deploy.run.workers, deploy.run
    if workers is None:
        return
    assert workers.cpu is not None
    assert workers.memory is not None
    if wrong := check_cpu(workers.cpu):
        yield Problem((*AT, "cpu"), *wrong, (("task", "cpu"),))
    elif wrong := check_size(workers.cpu, workers.memory):
        yield Problem((*AT, "memory"), *wrong, ((*AT, "cpu"), ("task", "memory"), ("task", "cpu")))
    for i, name in enumerate(workers.capacity):
        if name in workers.capacity[:i]:
            yield Problem((*AT, "capacity", i), f"{name} is listed twice", KEEP)
    if deploy.managed_providers:
        message = "workers run on Fargate with the program's task definition, and that is for managed instances"
        yield Problem(AT, message, "write run: {capacity: FARGATE}, or leave one of them out", (("run", "capacity"),))
    if run.sweep is not None:
        yield Problem(AT, "a sweep can't have workers yet", KEEP, (("run", "sweep"),))
    if deploy.schedule is not None:
        message = "scheduled runs can't have workers yet"
        yield Problem(AT, message, KEEP, (("schedule",),))
    if deploy.task.container == SCHEDULER:
        message = "the container of the workers' scheduler has this name"
        yield Problem(("task", "container"), message, "give it another name", (AT,))
    for variable in VARIABLES:
        for section in ("environment", "secrets"):
            if variable in getattr(deploy.task, section):
                message = f"run.workers sets {variable}"
                yield Problem(("task", section, variable), message, KEEP, (AT,))
        if variable in deploy.parameters:
            yield Problem(("parameters", variable), f"run.workers sets {variable}", KEEP, (AT,))
