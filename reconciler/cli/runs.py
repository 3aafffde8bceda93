"""`runs`: list them, show one, compare two, find the best by a metric."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from reconciler.aws.calls import Aws
from reconciler.cli.answer import Answer
from reconciler.cli.diagnose import SHOWN
from reconciler.cli.options import InAws
from reconciler.cli.past_runs import Past, past_of, whole_runs
from reconciler.cli.target import target_of
from reconciler.cli.terminal import WIDE, Terminal, seconds
from reconciler.cli.used import attempt_line, enough_for, measured, run_lines
from reconciler.config import Deploy
from reconciler.core.errors import Denied, UserError
from reconciler.core.secret import KNOWN
from reconciler.run.catalog import Catalog
from reconciler.run.crew import how_workers_are
from reconciler.run.diagnosis import cut
from reconciler.run.index import Row
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.usage import Enough

NEWEST, BEST = 20, 10  # runs that are listed where nobody says how many
METRICS = 3  # shown in the list
NARROW = 70  # columns of its line before the metrics, at a terminal


@dataclass(frozen=True)
class Arguments(InAws):
    """What `runs` is asked. names: of runs or of a metric, as the verb has it; limit: how many are listed, None for
    twenty, or for ten of the best; rebuild: whether the index is made anew first.
    """

    verb: str
    names: tuple[str, ...]
    lowest: bool
    limit: int | None
    rebuild: bool


Differences = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Unreadable:
    """The record of a run that can't be read."""

    key: Annotated[str, "of the bucket"]
    why: Annotated[str, "in a few words"]


@dataclass(frozen=True)
class Listed(Answer):
    """`runs`"""

    runs: Annotated[Sequence[Run], "the newest first; `--limit` of them, by default twenty"]
    unreadable: Annotated[Sequence[Unreadable], "the records of runs that can't be read"]


@dataclass(frozen=True)
class Shown(Answer):
    """`runs show`"""

    run: Run
    enough: Annotated[
        Enough | None, "a size that is enough for what it used, by Container Insights; null if unknown"
    ] = None


@dataclass(frozen=True)
class Compared(Answer):
    """`runs compare A B`"""

    a: Annotated[str, "the run's id"]
    b: Annotated[str, "the run's id"]
    inputs: Annotated[Differences, "path: [value of a, value of b], only differences"]
    metrics: Annotated[Differences, "the same for the metrics"]


@dataclass(frozen=True)
class Best(Answer):
    """`runs best METRIC`"""

    metric: str
    runs: Annotated[Sequence[Run], "those with the metric, the best first; `--limit` of them, by default ten"]


ANSWERS = (Listed, Shown, Compared, Best)


def run(options: Arguments, terminal: Terminal) -> int:
    """Do what the words after `runs` say."""
    verb, names = options.verb, options.names
    arity = {"list": 0, "show": (0, 1), "compare": 2, "best": 1}[verb]
    if len(names) not in (arity if isinstance(arity, tuple) else (arity,)):
        raise UserError(
            f"`runs {verb}` takes {arity if isinstance(arity, int) else 'at most one'} name(s), got {len(names)}",
            hint="runs | runs show [RUN] | runs compare A B | runs best METRIC",
        )
    target = target_of(options)
    keeps = verb == "show" and target.deploy.cluster.container_insights  # what it used, in its record
    past = past_of(target, terminal, read_only=not (options.rebuild or keeps))
    if options.rebuild:
        _rebuild(terminal, past)
    if verb == "list":
        _list(terminal, past, options)
    elif verb == "show":
        run = measured(past, past.ended(names[0] if names else ""))
        _show(terminal, target.deploy, run, options.json, paid=target.local is None, now=past.runs.now())
        if not options.json:
            say_workers(terminal, past.aws, past.place.cluster, run)
    elif verb == "compare":
        _compare(terminal, past.find(names[0]), past.find(names[1]), options.json)
    else:
        _best(terminal, past, names[0], options)
    return 0


def _rebuild(terminal: Terminal, past: Past) -> None:
    """Make the index anew, and say how many runs are in it."""
    count = past.runs.rebuild(
        lambda read_count, total: terminal.status(f"  {read_count:,} of {total:,} records are read")
    )
    terminal.status("")
    terminal.say(f"The index has {count:,} runs.")


def say_workers(terminal: Terminal, aws: Aws, cluster: str, run: Run | Row) -> None:
    """How the workers of a run that is under way are, where it has any and ECS may be asked."""
    with contextlib.suppress(Denied):
        if isinstance(run, Run) and (text := how_workers_are(aws, cluster, run)):
            terminal.print(terminal.fold("    workers: ", cut(text, SHOWN)))


def _list(terminal: Terminal, past: Past, options: Arguments) -> None:
    catalog = Catalog(past.runs)
    runs = past.ends(catalog.newest(options.limit or NEWEST, whole=options.json))
    if options.json:
        terminal.json(Listed(whole_runs(runs), unreadable_json(past.runs)))
        return
    if not runs:
        terminal.print("no runs yet")
    for run in runs:
        terminal.print(row(terminal, run, id_width(runs), paid=past.target.local is None))
        say_workers(terminal, past.aws, past.place.cluster, run)
    if (unlisted := catalog.count - len(runs) - len(past.runs.unreadable)) > 0 and len(runs) == (
        options.limit or NEWEST
    ):
        terminal.say(f"  and {unlisted:,} more: --limit N lists N")


def unreadable_json(runs: Runs) -> list[Unreadable]:
    """The records that can't be read, and why."""
    return [Unreadable(key, why) for key, why in sorted(runs.unreadable.items())]


def id_width(runs: Sequence[Run | Row]) -> int:
    """Columns for the ids of these: those of scheduled runs are longer than others."""
    return max([26, *(len(run.id) for run in runs)])


def row(terminal: Terminal, run: Run | Row, width: int = 0, *, paid: bool = True) -> str:
    """One run on one line; at a narrow terminal without what its id says too, and what was varied below it.

    width: of the id's column. paid: whether it was in AWS, where it costs something.
    """
    run = Row.of(run) if isinstance(run, Run) else run
    when = datetime.fromtimestamp(run.created, UTC).strftime("%Y-%m-%d %H:%M")
    took = seconds(run.seconds) if run.seconds is not None else "-"
    colour = "green" if run.state is State.SUCCEEDED else "yellow"
    code = "-" if run.exit_code is None else str(run.exit_code)
    cost = f"${run.cost:.4f}" if run.cost is not None and paid else "-"
    metric_texts = [f"{k}={v:.4g}" for k, v in sorted(run.metrics.items())]
    variable_texts = [f"{k}={KNOWN.shown(k, v)}" for k, v in sorted(run.environment.items())]
    metrics = " ".join([*variable_texts, *metric_texts[:METRICS]])
    state = terminal.style(f"{run.state.value:<10}", colour)
    if terminal.width < NARROW:
        details = cut(" ".join([f"exit {code}", took, cost, *variable_texts]), SHOWN)
        return terminal.below(
            f"  {run.id:<24}  {terminal.style(run.state.value, colour)}", terminal.fold("    ", details)
        )
    if terminal.width < WIDE:
        line = f"  {run.id:<24}  {state} exit {code:<4} {took:<10} {cost:<8} "
        remark = " ".join(variable_texts or metric_texts[:1])
        if len(remark) <= terminal.width - NARROW:
            return f"{line}{remark}".rstrip()
        return terminal.below(line.rstrip(), *([terminal.fold("    ", cut(metrics, SHOWN))] if variable_texts else []))
    return f"  {run.id:<{width}} {when} UTC  {state} exit {code:<4} {took:<12} {cost:<9} {metrics}".rstrip()


def _show(terminal: Terminal, deploy: Deploy, run: Run, as_json: bool, *, paid: bool, now: float) -> None:
    if as_json:
        terminal.json(Shown(run, enough_for(deploy, run)))
        return
    terminal.print(row(terminal, run, paid=paid).strip())
    for attempt in run.attempts:
        end = attempt.event.value if attempt.event else "under way"
        text = f"{end}  {cut(attempt.reason, SHOWN)}  {attempt.task_arn}"
        terminal.print(f"  attempt {attempt.number} on {attempt.provider}: {text}")
        if attempt.memory is not None:
            terminal.print(f"    with {attempt.cpu:,} CPU units and {attempt.memory:,} MiB")
        if attempt.checkpoint:
            terminal.print(f"    {attempt.checkpoint.text}")
        if usage_line := attempt_line(deploy, run, attempt, now):
            terminal.print(f"    {usage_line}")
    if run.why:
        terminal.print(terminal.fold("  why     ", cut(run.why, SHOWN)))
    for line in run_lines(deploy, run):
        terminal.print(terminal.fold("  size    ", line))
    if run.like:
        terminal.print(f"  like    run {run.like}, which it repeats")
    terminal.print(f"  output  {run.output}")
    terminal.print("  inputs")
    for path, value in flat(run.inputs):
        terminal.print(f"    {path:<50} {value}")
    terminal.print("  metrics")
    for name, number in sorted(run.metrics.items()):
        terminal.print(f"    {name:<50} {number:.6g}")


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings with its path."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from flat(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _compare(terminal: Terminal, first_run: Run, second_run: Run, as_json: bool) -> None:
    inputs = _differences(dict(flat(first_run.inputs)), dict(flat(second_run.inputs)))
    metrics = _differences(first_run.metrics, second_run.metrics)
    if as_json:
        terminal.json(Compared(first_run.id, second_run.id, inputs, metrics))
        return
    first, second = (24, 24) if terminal.width < WIDE else (48, 28)
    terminal.print(f"    {'':<{first}} {first_run.id:<{second}} {second_run.id}")
    terminal.print("  inputs" if inputs else "  inputs: the same")
    for path, (before, after) in inputs.items():
        terminal.print(f"    {path:<{first}} {before!s:<{second}} {after}")
    terminal.print("  metrics" if metrics else "  metrics: the same")
    for name, (before, after) in metrics.items():
        change = f"  ({after - before:+.4g})" if isinstance(before, float) and isinstance(after, float) else ""
        terminal.print(f"    {name:<{first}} {_number(before):<{second}} {_number(after)}{change}")


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a.get(key, "-"), b.get(key, "-")) for key in sorted({*a, *b}) if a.get(key) != b.get(key)}


def _best(terminal: Terminal, past: Past, metric: str, options: Arguments) -> None:
    catalog = Catalog(past.runs)
    best = catalog.with_metric(metric, options.limit or BEST, lowest=options.lowest)
    if not best:
        raise UserError(f"no run has the metric {metric!r}", hint="`runs show` lists the metrics of a run")
    if options.json:
        terminal.json(Best(metric, whole_runs(catalog.whole_runs(best))))
        return
    for run in best:
        terminal.print(f"  {run.metrics[metric]:<14.6g} {run.id}  exit {run.exit_code}  {run.state.value}")
