"""What a run and a month cost, line by line with the arithmetic. Pure.

A line whose price isn't in the table has no amount, and neither has a sum with such a line: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from reconciler.config import Deploy
from reconciler.config.checks_capacity import managed_price, margin, why_no_price
from reconciler.core import prices
from reconciler.core.fargate import FARGATE, SPOT
from reconciler.core.function_settings import EVERY
from reconciler.core.managed_instances import IDLE, MANAGED_SPOT, allowed
from reconciler.core.schedule import BadSchedule, parse, per_day
from reconciler.run.cap import allowance
from reconciler.run.sweep import combinations

GB = 2**30  # bytes: what AWS bills as a GB
DAYS = 30  # of a month
FEE = "with AWS's fee, without its disk"  # of a managed instance
OF_WORKERS = "workers: "  # how their lines begin
YEAR = 2026  # over which a cron expression is averaged, or over its first later one
# Of the function that sees runs through, for a run without a retry: assumed, without its looks, and its memory in GB.
CALLS, SECONDS, MEMORY = 2, 10, 0.25


@dataclass(frozen=True)
class Line:
    """One thing that is paid for."""

    what: str
    sum: Annotated[str, "the arithmetic"]
    dollars: Annotated[float | None, "null when a price isn't known"]


@dataclass(frozen=True)
class Amounts:
    """What the file doesn't say. seconds: of one task; runs: a month; image, data: GB; log: GB a task."""

    seconds: float
    runs: float
    image: float
    data: float
    log: float


def _number(amount: float) -> str:
    """With as many digits as tell something, and never as 7.5e-08."""
    if amount >= 1000:
        return f"{amount:,.0f}"
    return f"{amount:.4g}" if amount >= 0.0001 else "under 0.0001" if amount else "0"


def tasks(deploy: Deploy) -> int:
    """How many tasks a run is: one, or one for each combination of a sweep."""
    return len(combinations(deploy.run.sweep)) if deploy.run.sweep else 1


def run_lines(deploy: Deploy, amounts: Amounts) -> list[Line]:
    """What a run costs: its tasks, its workers and its log."""
    hours = max(amounts.seconds, prices.LEAST) / 3600
    lines = _run_lines(deploy, hours)
    logs, log = prices.LOGS.get(deploy.region), amounts.log * tasks(deploy)
    price = f"${logs[0]:g}" if logs else "unknown price"
    return [*lines, Line("log taken in", f"{_number(log)} GB x {price}", log * logs[0] if logs else None)]


def _run_lines(deploy: Deploy, hours: float) -> list[Line]:
    """What the tasks of a run and its workers cost for `hours` hours."""
    lines, workers = _task_lines(deploy, tasks(deploy), hours, deploy.run.capacity[0]), deploy.run.workers
    if workers is None:
        return lines
    size = {"cpu": workers.cpu, "memory": workers.memory}
    worker_deploy = deploy.model_copy(update={"task": deploy.task.model_copy(update=size)})
    worker_lines = _task_lines(worker_deploy, workers.count, hours, workers.capacity[0])
    return [*lines, *(replace(line, what=f"{OF_WORKERS}{line.what}") for line in worker_lines)]


def _task_lines(deploy: Deploy, count: int, hours: float, provider: str) -> list[Line]:
    """What `count` tasks cost for `hours` hours."""
    if provider in deploy.own_providers:
        return [Line("instances", f"{provider}: yours, at EC2's price", None)]
    if provider in deploy.managed_providers:
        return _managed_lines(deploy, count, hours)
    task, region = deploy.task, deploy.region
    cpu, memory = prices.FARGATE.get(region, {}).get(task.platform, (None, None))
    times, span = f"{count} tasks x " if count > 1 else "", f"{_number(hours)} h"

    def line(item: str, amount: float, unit: str, price: float | None) -> Line:
        price_text = "unknown price" if price is None else f"${price:g}"
        text = f"{times}{_number(amount)}{unit} x {span} x {price_text}"
        return Line(item, text, None if price is None else count * amount * hours * price)

    lines = [line("vCPU", task.cpu / 1024, "", cpu), line("memory", task.memory / 1024, " GB", memory)]
    if (extra_storage := (task.ephemeral_storage or 0) - prices.FREE_STORAGE) > 0:
        lines.append(line("disk", extra_storage, " GB", prices.STORAGE.get(region)))
    if deploy.network.public_ip:
        lines.append(line("public IPv4", 1, "", prices.IPV4.get(region)))
    return lines


def _managed_lines(deploy: Deploy, count: int, hours: float) -> list[Line]:
    """`count` tasks on managed instances of their own, each at what the dearest costs that it may get."""
    price, times = managed_price(deploy), f"{count} tasks x " if count > 1 else ""
    price_text = "unknown price" if price is None else f"${price:.4g} at most"
    types = allowed(deploy.requirements) if deploy.task.gpu_type else ()
    without = [prices.instance_hourly(deploy.region, instance_type.name) for instance_type in types]
    if price is None and without and None not in without:
        price_text = f"${max(hourly or 0.0 for hourly in without):.4g} at most and an unknown fee"
    hours += IDLE / 3600  # for which it is kept after its task
    dollars = None if price is None else count * hours * price
    note = FEE if price is not None else "without its disk"
    return [Line("managed instance", f"{times}{_number(hours)} h x {price_text}, {note}", dollars)]


def _managed_in_a_line(deploy: Deploy) -> str:
    """What an hour of a managed instance costs: the cheapest and the dearest that the requirements allow."""
    task, region = deploy.task, deploy.region
    if task.gpu is None:
        return "Cost: a run is on a managed instance, at EC2's price for one of its size and its disk, and AWS's fee."
    costs = {
        instance_type.name: prices.managed_hourly(region, instance_type.name)
        for instance_type in allowed(deploy.requirements)
    }
    known_prices = sorted((price, name) for name, price in costs.items() if price is not None)
    unknown = {name: prices.instance_hourly(region, name) for name, price in costs.items() if price is None}
    if not known_prices and not any(unknown.values()):
        return f"Cost: the table of {prices.INSTANCE_DATE} has no price of {region} for {', '.join(costs)}."
    text = ", ".join(
        f"{name}: price unknown" if price is None else f"{name}: ${price:.4f} an hour and a fee that isn't known"
        for name, price in unknown.items()
    )
    if known_prices:
        (least, cheap), (most, dear), unknown_text = known_prices[0], known_prices[-1], text
        text = f"${least:.4f} ({cheap})" + (f" to ${most:.4f} ({dear})" if len(known_prices) > 1 else "")
        text += f" an hour {FEE}"
        if task.gpu_type and unknown_text:
            text += f" ({unknown_text})"
    if not task.gpu_type:
        text += ", or more, since task.gpu_type doesn't say which GPUs"
    spot = MANAGED_SPOT in deploy.managed_providers.values()
    return _in_a_line(deploy, f"on a managed instance, {text}", managed_price(deploy), spot=spot)


def month_lines(deploy: Deploy, amounts: Amounts) -> list[Line]:
    """What a month costs: its runs, its service, its function and what is stored."""
    run_cost = total(run_lines(deploy, amounts))
    cost_text = "unknown" if run_cost is None else f"${_number(run_cost)}"
    logs = prices.LOGS.get(deploy.region)
    fraction = min(deploy.logs.retention_days or DAYS, DAYS) / DAYS  # of a month's log there is so much at a time
    log = amounts.log * amounts.runs * tasks(deploy) * fraction
    lines = [
        Line("runs", f"{_number(amounts.runs)} x {cost_text}", None if run_cost is None else amounts.runs * run_cost)
    ]
    if (service := deploy.service) is not None and service.desired_count:
        kept_running = _task_lines(deploy, service.desired_count, DAYS * 24, str(service.capacity))
        whole = total(kept_running)
        text = f"{service.desired_count} x {DAYS * 24} h"
        lines.append(Line("service", text if whole is not None else f"{text}, unknown price", whole))
    if deploy.has_function:
        call = prices.FUNCTION.get(deploy.region)
        calls = CALLS + int(amounts.seconds // EVERY)
        text = f"{_number(amounts.runs)} x {calls} calls of {SECONDS} s with {MEMORY:g} GB"
        function_cost = None if call is None else amounts.runs * calls * (call[0] + SECONDS * MEMORY * call[1])
        lines.append(Line("function", text if call else f"{text}, unknown price", function_cost))
    for item, size, price in (
        ("image in ECR", amounts.image, prices.ECR.get(deploy.region)),
        ("data in S3", amounts.data, prices.S3.get(deploy.region)),
        ("log kept", log, logs[1] if logs else None),
    ):
        text = f"{_number(size)} GB x {'unknown price' if price is None else f'${price:g}'}"
        lines.append(Line(item, text, None if price is None else size * price))
    return lines


def a_month(expression: str) -> float | None:
    """How often a schedule is due in 30 days; None for what isn't understood."""
    try:
        return per_day(parse(expression), YEAR) * DAYS
    except BadSchedule:
        return None


def total(lines: Sequence[Line]) -> float | None:
    """The sum, where all of it is known."""
    amounts = [line.dollars for line in lines if line.dollars is not None]
    return sum(amounts) if len(amounts) == len(lines) else None


def why_no_sum(deploy: Deploy, lines: Sequence[Line]) -> str:
    """Why what a run costs can't be added up, and which page of AWS has the price."""
    first = deploy.run.capacity[0]
    names = ", ".join(line.what for line in lines if line.dollars is None)
    if first in deploy.own_providers:
        return f"what instances of yours ({first}) cost isn't known here; see {prices.SOURCES['instances']}"
    if "managed instance" in names.split(", "):
        why, _, source = why_no_price(deploy)
        return f"{why}; see {prices.SOURCES[source]}"
    return f"the table of {prices.DATE} has no price of {deploy.region} for {names}; see {prices.SOURCES['fargate']}"


def in_a_line(deploy: Deploy) -> str:
    """What a run costs at most, for the plan: by the hour, and until `run.max_duration`."""
    first, *other_providers = deploy.run.capacity
    if first in deploy.managed_providers:
        return _managed_in_a_line(deploy)
    if first in deploy.own_providers:
        price_text = f"on instances of yours ({first}), at EC2's price"
        if (workers := deploy.run.workers) is None:
            return f"Cost: a run is {price_text}."
        worker_cost = total([line for line in _run_lines(deploy, 1.0) if line.what.startswith(OF_WORKERS)])
        price = "at an unknown price" if worker_cost is None else f"at ${worker_cost:.4f} an hour"
        return _in_a_line(
            deploy, f"{price_text}, and its workers on Fargate {price}", None, spot=SPOT in workers.capacity
        )
    hour = total(_run_lines(deploy, 1.0))
    if hour is None:
        return f"Cost: the table of {prices.DATE} has no prices of {deploy.region} for {deploy.task.platform}."
    workers = deploy.run.workers
    spot = SPOT in (*deploy.run.capacity, *(workers.capacity if workers else ()))
    price_text = f"${hour:.4f} an hour"
    if on_ec2 := [deploy.managed_providers.get(name, name) for name in other_providers if name not in FARGATE]:
        return _in_a_line(
            deploy, f"{price_text} on {first}, and at EC2's price on {' and '.join(on_ec2)}", None, spot=spot
        )
    return _in_a_line(deploy, price_text, hour, spot=spot)


def _in_a_line(deploy: Deploy, price_text: str, hour: float | None, *, spot: bool) -> str:
    """The line with what a run costs at most.

    price_text: what it costs by the hour, for people; hour: that in US dollars, None where it isn't known.
    """
    limit, most = deploy.run.max_duration, ""
    if limit and hour is not None:  # from its launch until nothing is paid for it, though nobody watches
        longest = max(map(allowance, deploy.run.capacity)) + limit + margin(deploy)
        most = f", at most ${hour * longest / 3600:.4f} an attempt by run.max_duration"
    if deploy.run.capped:
        sweep = deploy.run.sweep
        caps = {"run.max_cost": deploy.run.max_cost, "run.sweep.max_cost": sweep.max_cost if sweep else None}
        most += "".join(f", at most ${cap:.4f} by {name}" for name, cap in caps.items() if cap)
    return f"Cost: a run is {price_text}{most}{'; Spot is less' if spot else ''}. `cost` shows the sums."
