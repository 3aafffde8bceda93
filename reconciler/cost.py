"""What a run and a month cost, line by line with the arithmetic. Pure.

A line whose price isn't in the table has no amount, and neither has a sum with such a line: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler import prices
from reconciler.config import Deploy
from reconciler.run.sweep import combinations

GB = 2**30  # bytes: what AWS bills as a GB
DAYS = 30  # of a month


@dataclass(frozen=True)
class Line:
    """One thing that is paid for. dollars: None when the price isn't known."""

    what: str
    sum: str
    dollars: float | None


@dataclass(frozen=True)
class Amounts:
    """What the file doesn't say. seconds: of one task; runs: a month; image, data: GB; log: GB a task."""

    seconds: float
    runs: float
    image: float
    data: float
    log: float


def tasks(deploy: Deploy) -> int:
    """How many tasks a run is: one, or one for each combination of a sweep."""
    return len(combinations(deploy.run.sweep)) if deploy.run.sweep else 1


def run_lines(deploy: Deploy, amounts: Amounts) -> list[Line]:
    """A run."""
    task, region = deploy.task, deploy.region
    hours = max(amounts.seconds, prices.LEAST) / 3600
    cpu, memory = prices.FARGATE.get(region, {}).get(task.platform, (None, None))
    times = f"{tasks(deploy)} tasks x " if tasks(deploy) > 1 else ""
    many, span = tasks(deploy), f"{hours:.4g} h"

    def line(what: str, amount: float, unit: str, price: float | None, *, hourly: bool = True) -> Line:
        shown = "unknown price" if price is None else f"${price:g}"
        text = f"{times}{amount:.4g}{unit}{f' x {span}' if hourly else ''} x {shown}"
        return Line(what, text, None if price is None else many * amount * (hours if hourly else 1) * price)

    lines = [line("vCPU", task.cpu / 1024, "", cpu), line("memory", task.memory / 1024, " GB", memory)]
    if (more := (task.ephemeral_storage or 0) - prices.FREE_STORAGE) > 0:
        lines.append(line("disk", more, " GB", prices.STORAGE.get(region)))
    if deploy.network.public_ip:
        lines.append(line("public IPv4", 1, "", prices.IPV4.get(region)))
    logs = prices.LOGS.get(region)
    lines.append(line("log taken in", amounts.log, " GB", logs[0] if logs else None, hourly=False))
    return lines


def month_lines(deploy: Deploy, amounts: Amounts) -> list[Line]:
    """A month: its runs, and what is stored."""
    one = total(run_lines(deploy, amounts))
    shown = "unknown" if one is None else f"${one:.4g}"
    logs = prices.LOGS.get(deploy.region)
    kept = min(deploy.logs.retention_days or DAYS, DAYS) / DAYS  # of a month's log there is so much at a time
    log = amounts.log * amounts.runs * tasks(deploy) * kept
    lines = [Line("runs", f"{amounts.runs:g} x {shown}", None if one is None else amounts.runs * one)]
    for what, size, price in (
        ("image in ECR", amounts.image, prices.ECR.get(deploy.region)),
        ("data in S3", amounts.data, prices.S3.get(deploy.region)),
        ("log kept", log, logs[1] if logs else None),
    ):
        text = f"{size:.4g} GB x {'unknown price' if price is None else f'${price:g}'}"
        lines.append(Line(what, text, None if price is None else size * price))
    return lines


def total(lines: Sequence[Line]) -> float | None:
    """The sum, where all of it is known."""
    known = [line.dollars for line in lines if line.dollars is not None]
    return sum(known) if len(known) == len(lines) else None


def in_a_line(deploy: Deploy) -> str:
    """What a run costs at most, for the plan: by the hour, and until `run.max_duration`."""
    hour = total(run_lines(deploy, Amounts(3600, 0, 0, 0, 0)))
    if hour is None:
        return f"Cost: the table of {prices.DATE} has no prices of {deploy.region} for {deploy.task.platform}."
    spot = "; Spot is less" if "FARGATE_SPOT" in deploy.run.capacity else ""
    limit = deploy.run.max_duration
    most = f", at most ${hour * limit / 3600:.4f} until run.max_duration" if limit else ""
    return f"Cost: a run is ${hour:.4f} an hour{most}{spot}. `cost` shows the sums."
