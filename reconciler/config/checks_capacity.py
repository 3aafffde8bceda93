"""Where the task runs: sizes, GPUs, disks, and what that costs at most."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reconciler.config.problems import Path, Problem, show_path
from reconciler.config.schema import Deploy
from reconciler.config.task_size import check_cpu, check_size
from reconciler.core.fargate import EXACT, STOP
from reconciler.core.managed_instances import GPU_TYPES, IDLE, LEAST_MEMORY, MOST_CPU, TYPES, allowed, for_tasks
from reconciler.core.prices import DATE, INSTANCE_DATE, LEAST, hourly, instance_hourly, managed_hourly
from reconciler.core.workers import WAIT

INSTEAD = "write run.max_duration instead, such as run: {max_duration: 2h}"


def check_capacity(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with a filled deploy in this."""
    yield from _size(deploy)
    yield from _gpus(deploy)
    yield from _disk(deploy)
    yield from _max_cost(deploy)


def managed_price(deploy: Deploy) -> float | None:
    """US dollars an hour of the dearest managed instance that the task may get; None where that isn't known: where the
    file doesn't name its GPUs there are types that no table has.
    """
    types = allowed(deploy.requirements) if deploy.task.gpu_type else ()
    prices = [managed_hourly(deploy.region, instance.name) for instance in types]
    known_prices = [price for price in prices if price is not None]
    return max(known_prices) if known_prices and len(known_prices) == len(prices) else None


def margin(deploy: Deploy) -> int:
    """Seconds from when a task is told to stop until nothing is paid for it: Scheduler is exact to a minute, the task
    may take all of its stop timeout to end, a worker that has just begun looks for its scheduler, and a managed
    instance is kept for a while.
    """
    managed = not deploy.managed_providers.keys().isdisjoint(deploy.run.capacity)
    timeout = deploy.task.stop_timeout or STOP
    return timeout + EXACT + (WAIT if deploy.run.workers else 0) + (IDLE if managed else 0)


def places(deploy: Deploy) -> list[tuple[Path, str]]:
    """Where the file says where something runs, and on which capacity provider."""
    run, service = deploy.run, deploy.service
    providers: list[tuple[Path, str]] = [(("run", "capacity", i), name) for i, name in enumerate(run.capacity)]
    if service is not None and service.capacity is not None:
        providers.append((("service", "capacity"), service.capacity))
    return providers


def _size(deploy: Deploy) -> Iterator[Problem]:
    """Managed instances have any size; what may run elsewhere has one of Fargate's."""
    task = deploy.task
    if not deploy.managed_providers.keys() >= {name for _, name in places(deploy)}:
        if wrong := check_cpu(task.cpu):
            yield Problem(("task", "cpu"), *wrong)
        elif wrong := check_size(task.cpu, task.memory):
            yield Problem(("task", "memory"), *wrong, (("task", "cpu"),))
    elif task.cpu > MOST_CPU:
        yield Problem(("task", "cpu"), "{value} is more CPU units than ECS takes", f"write {MOST_CPU} at most")
    elif task.memory < LEAST_MEMORY:
        yield Problem(("task", "memory"), "{value} MiB is less than a container needs", f"write {LEAST_MEMORY} or more")


def _gpus(deploy: Deploy) -> Iterator[Problem]:
    task, managed, own = deploy.task, deploy.managed_providers, {*deploy.own_providers}
    on_fargate = [(at, name) for at, name in places(deploy) if name not in managed and name not in own]
    if task.gpu_type and task.gpu is None:
        yield Problem(("task", "gpu_type"), "gpu_type needs task.gpu, which is the number of GPUs", "add gpu: 1")
    elif task.gpu_type and (own_providers := [(at, name) for at, name in places(deploy) if name in own]):
        at, name = own_providers[0]
        message = f"gpu_type is only for managed instances, and {name} is a capacity provider of yours"
        yield Problem(("task", "gpu_type"), message, "leave it out, or write run: {capacity: managed}", (at,))
    if task.gpu is None:
        return
    if on_fargate:
        at, name = on_fargate[0]
        message = f"Fargate has no GPUs, and {show_path(at)} is {name}"
        fix = "write run: {capacity: managed}, or name an ECS capacity provider of yours with GPU instances"
        yield Problem(("task", "gpu"), message, fix, (at,))
    elif managed and not allowed(deploy.requirements):
        yield _too_large(deploy)


def _too_large(deploy: Deploy) -> Problem:
    """No instance has all that a task asks for: how much there is with its kind of GPUs."""
    task = deploy.task
    kind = f" {' or '.join(task.gpu_type)}" if task.gpu_type else ""
    alike = [
        instance
        for instance in TYPES
        if instance.platform == task.platform and instance.gpu in (task.gpu_type or GPU_TYPES)
    ]
    gpus_wanted = f"{task.gpu}{kind} GPU{'' if task.gpu == 1 else 's'}"
    message = f"no managed instance for {task.platform} has {gpus_wanted}, {task.cpu} CPU units and {task.memory} MiB"
    if not alike:
        return Problem(("task", "gpu"), message, "write another gpu_type or another platform")
    gpus, vcpus, memory = (max(getattr(instance, part) for instance in alike) for part in ("gpus", "vcpus", "memory"))
    fix = f"there are up to {gpus} GPUs, {vcpus * 1024} CPU units and, beside what the system keeps, "
    fix += f"{for_tasks(memory)} MiB"
    return Problem(("task", "gpu"), message, fix, (("task", "cpu"), ("task", "memory")))


def _disk(deploy: Deploy) -> Iterator[Problem]:
    if deploy.own_providers and deploy.task.ephemeral_storage is not None:
        message = (
            f"only Fargate and managed instances have it, and {deploy.own_providers[0]} is a capacity provider of yours"
        )
        yield Problem(("task", "ephemeral_storage"), message, "leave it out", (("run", "capacity"),))


def _max_cost(deploy: Deploy) -> Iterator[Problem]:
    """A limit in dollars is kept by a price: without one it would be none."""
    task, run, region = deploy.task, deploy.run, deploy.region
    limits: dict[Path, float | None] = {("run", "max_cost"): run.max_cost}
    if run.sweep:
        limits["run", "sweep", "max_cost"] = run.sweep.max_cost
    if deploy.managed_providers and run.retry.max_cost is not None:
        message = "the cost of a managed instance isn't known before its bill"
        yield Problem(("run", "retry", "max_cost"), message, "write run.max_cost, which assumes the dearest instance")
    own, made = {*deploy.own_providers}, deploy.managed_providers
    own_providers = [name for name in run.capacity if name in own]
    managed = [name for name in run.capacity if name in made]
    for at, limit in limits.items():
        if limit is None:
            continue
        disk, address = task.ephemeral_storage, deploy.network.public_ip
        dear = managed_price(deploy) if managed else 0.0
        fargate = (
            None
            if len(managed) == len(run.capacity)
            else hourly(region, task.platform, task.cpu, task.memory, disk, public_ip=address)
        )
        workers_price = _workers_price(deploy)
        if own_providers:
            message = f"the price of a task on {own_providers[0]} isn't known, since it is a capacity provider of yours"
            yield Problem(at, message, INSTEAD, (("run", "capacity"),))
        elif dear is None:
            yield Problem(at, *why_no_price(deploy)[:2])
        elif workers_price is None or (len(managed) < len(run.capacity) and fargate is None):
            unpriced = (
                f"a disk of {disk} GiB" if hourly(region, task.platform, task.cpu, task.memory) else task.platform
            )
            yield Problem(at, f"the price table of {DATE} has no price in {region} for {unpriced}", INSTEAD)
        else:
            shortest = (LEAST + margin(deploy)) / 3600
            price = max(dear, fargate or 0.0) + workers_price
            if limit < price * shortest:
                least = math.ceil(price * shortest * 10_000) / 10_000
                yield Problem(at, "{value} doesn't pay for the shortest task", f"write {least} or more", tells=True)


def _workers_price(deploy: Deploy) -> float | None:
    """US dollars an hour of all workers of a run; None where that isn't known."""
    task, workers = deploy.task, deploy.run.workers
    if workers is None:
        return 0.0
    cpu, memory, address = workers.cpu or task.cpu, workers.memory or task.memory, deploy.network.public_ip
    price = hourly(deploy.region, task.platform, cpu, memory, task.ephemeral_storage, public_ip=address)
    return None if price is None else workers.count * price


def why_no_price(deploy: Deploy) -> tuple[str, str, str]:
    """Why the price of the managed instance that a task may get isn't known, what to write instead of a limit, and
    which of the sources of `core/prices.py` has the price.
    """
    if deploy.task.gpu is None:
        return "ECS chooses the managed instance of a task without GPUs, so its price isn't known", INSTEAD, "instances"
    if not deploy.task.gpu_type:
        message = "any NVIDIA GPU is allowed, and the price of the most expensive one isn't known"
        return message, "write task.gpu_type, such as [t4, l4], or run.max_duration instead", "instances"
    unknown = [
        instance.name
        for instance in allowed(deploy.requirements)
        if managed_hourly(deploy.region, instance.name) is None
    ]
    if missing := [name for name in unknown if instance_hourly(deploy.region, name) is None]:
        message = f"the price table of {INSTANCE_DATE} has no price in {deploy.region} for {', '.join(missing)}"
        return message, INSTEAD, "instances"
    return f"what ECS adds to the price of {', '.join(unknown)} isn't known", INSTEAD, "managed"
