"""`cost`: what a run and a month cost, with the arithmetic, by a dated table of list prices."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer
from reconciler.cli.options import InAws
from reconciler.cli.past_runs import Past, past_of
from reconciler.cli.target import Target, target_of
from reconciler.cli.terminal import Terminal, seconds
from reconciler.config.data_tree import files_of
from reconciler.core import prices
from reconciler.core.errors import ReconcilerError
from reconciler.core.managed_instances import MANAGED_SPOT
from reconciler.run.catalog import Catalog
from reconciler.run.cost import GB, Amounts, Line, a_month, month_lines, run_lines, tasks, total, why_no_sum
from reconciler.run.state import State

MINUTES, IMAGE, LOG = 10.0, 0.5, 1.0  # assumed: minutes, GB, MB
LAST = 10  # runs whose median is taken


@dataclass(frozen=True)
class Known:
    """A number and where it is from."""

    value: float
    source: Annotated[str, "where it is from"]


@dataclass(frozen=True)
class Prices:
    """The table of prices."""

    date: Annotated[str, "when it was made"]
    instances_date: Annotated[str, "when its part with EC2's instances was made"]
    sources: Annotated[Mapping[str, str], "its pages"]


@dataclass(frozen=True)
class OfRun:
    """A run."""

    total: Annotated[float | None, "null when a price isn't known"]
    lines: Annotated[Sequence[Line], "what is paid for"]


@dataclass(frozen=True)
class OfMonth:
    """A month."""

    runs: Annotated[float, "runs in it"]
    total: Annotated[float | None, "null when a price isn't known"]
    lines: Annotated[Sequence[Line], "what is paid for"]


@dataclass(frozen=True)
class Costs(Answer):
    """What a run and a month cost, in US dollars."""

    deploy: Annotated[str, "the deploy's name"]
    region: str
    prices: Prices
    assumed: Annotated[Mapping[str, Known], "`minutes` of a run, `runs_per_month`, `image_gb` in ECR, `log_mb` a task"]
    run: OfRun
    month: OfMonth


ANSWERS = (Costs,)


@dataclass(frozen=True)
class Arguments(InAws):
    """What `cost` is asked. None: not given."""

    minutes: float | None
    runs_per_month: float | None
    image_gb: float | None
    log_mb: float | None
    offline: bool


def run(options: Arguments, terminal: Terminal) -> int:
    """Print the costs. Reads the record of runs and the size of the image, when AWS can be asked; changes nothing."""
    target = target_of(options)
    span, image, note = _look(options, terminal, target)
    deploy = target.deploy
    often = _often(options, target)
    uploads = (files_of(entry, target.base, deploy.run.results) for entry in deploy.data.uploads)
    files = [file.path for files in uploads for file in files]
    amounts = Amounts(
        seconds=span.value * 60,
        runs=often.value,
        image=image.value,
        data=sum(path.stat().st_size for path in files) / GB,
        log=(LOG if options.log_mb is None else options.log_mb) / 1024,
    )
    run_costs, month = run_lines(deploy, amounts), month_lines(deploy, amounts)
    log = Known(amounts.log * 1024, "assumed" if options.log_mb is None else "given")
    if options.json:
        terminal.json(
            _answer(
                target, run_costs, month, {"minutes": span, "runs_per_month": often, "image_gb": image, "log_mb": log}
            )
        )
        return 0
    task = deploy.task
    terminal.print(
        f"{deploy.name}: {deploy.region}, {task.platform}, {task.cpu / 1024:g} vCPU, {task.memory / 1024:g} GB"
    )
    instances = f", EC2's instances of {prices.INSTANCE_DATE}" if deploy.managed_providers else ""
    terminal.print(f"US dollars, list prices of {prices.DATE}{instances}, without free tiers and taxes")
    if note:
        terminal.note(f"note: {note}")
    many = f" of {tasks(deploy)} tasks," if tasks(deploy) > 1 else ","
    terminal.print()
    least = f", billed as {seconds(prices.LEAST)}" if amounts.seconds < prices.LEAST else ""
    terminal.print(f"A run{many} {seconds(amounts.seconds)} ({span.source}){least}")
    _table(terminal, run_costs, "a run")
    terminal.print()
    if often.value or options.runs_per_month is not None or deploy.service is not None:
        terminal.print(f"A month with {often.value:g} runs ({often.source}); image {image.source}, log {log.source}")
        _table(terminal, month, "a month")
    else:
        stored = total(month)
        without = (
            "" if stored is None else f" Without one it costs {_stored(stored)}: what is stored (image {image.source})."
        )
        terminal.print(f"A month: how many runs? {often.source} adds them up.{without}")
    of_workers = deploy.run.workers.capacity if deploy.run.workers else ()
    if "FARGATE_SPOT" in (*deploy.run.capacity, *of_workers) or MANAGED_SPOT in deploy.managed_providers.values():
        terminal.print()
        terminal.print("A task on Spot is counted at the on-demand price; Spot's own changes, and is up to 70 % less.")
    if total(run_costs) is None:
        terminal.print()
        terminal.print(f"No sum: {why_no_sum(deploy, run_costs)}")
    return 0


def _look(options: Arguments, terminal: Terminal, target: Target) -> tuple[Known, Known, str]:
    """How long a run is and how large the images are: as given, as it was, or assumed. And why AWS wasn't asked."""
    span = None if options.minutes is None else Known(options.minutes, "given")
    image = None if options.image_gb is None else Known(options.image_gb, "given")
    note = ""
    if (span is None or image is None) and not options.offline:
        try:
            past = past_of(target, terminal)
            if span is None and (good := _last_good(past)):
                span = Known(statistics.median(good) / 60, _of_good(len(good)))
            repository = target.deploy.image.repository
            if image is None and repository is not None:
                images = past.aws.find_all("ecr", "DescribeImages", "imageDetails", repositoryName=str(repository.name))
                if sizes := [int(details.get("imageSizeInBytes", 0)) for details in images or ()]:
                    image = Known(sum(sizes) / GB, f"as it is ({len(sizes)} kept)")
        except ReconcilerError as error:
            note = f"AWS can't be asked, so what it knows is assumed: {error}"
    # Without max_duration in between: how long a run may take says little about how long it takes.
    return span or Known(MINUTES, "assumed; --minutes N"), image or Known(IMAGE, "assumed"), note


def _of_good(count: int) -> str:
    return f"the median of the last {count} good runs" if count > 1 else "as long as the good run took"


def _stored(dollars: float) -> str:
    return f"${dollars:.4f}" if dollars >= 0.0001 else "less than $0.0001"


def _last_good(past: Past) -> list[float]:
    """How long the last runs took that succeeded."""
    durations: list[float] = []
    for batch in Catalog(past.runs).batches():
        good = (run.seconds for run in past.ends(batch) if run.state is State.SUCCEEDED)
        durations += [duration for duration in good if duration is not None]
        if len(durations) >= LAST:
            break
    return durations[:LAST]


def _often(options: Arguments, target: Target) -> Known:
    """Runs a month: as given, or as the schedule has them."""
    if options.runs_per_month is not None:
        return Known(options.runs_per_month, "given")
    schedule = target.deploy.schedule
    if schedule is None or not schedule.enabled:
        return Known(0.0, "--runs-per-month N")
    runs = a_month(schedule.when)
    return Known(
        runs or 0.0, "schedule" if runs is not None else f"{schedule.when} isn't understood: --runs-per-month N"
    )


def _table(terminal: Terminal, lines: list[Line], name: str) -> None:
    for line in lines:
        amount = "?" if line.dollars is None else f"${line.dollars:.6f}"
        terminal.print(f"  {line.what:<14} {line.sum:<44} {amount:>12}")
    whole = total(lines)
    amount = "unknown" if whole is None else f"${whole:.4f}"
    terminal.print(terminal.style(f"  {name:<14} {'':<44} {amount:>12}", "bold"))


def _answer(target: Target, run_costs: list[Line], month: list[Line], amounts: dict[str, Known]) -> Costs:
    table = Prices(prices.DATE, prices.INSTANCE_DATE, prices.SOURCES)
    of_month = OfMonth(amounts["runs_per_month"].value, total(month), month)
    return Costs(target.deploy.name, target.deploy.region, table, amounts, OfRun(total(run_costs), run_costs), of_month)
