"""`status`: what is there, in one screen. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from reconciler.cli.answer import Answer
from reconciler.cli.options import InAws as Arguments
from reconciler.cli.past_runs import say_unseen, whole_runs
from reconciler.cli.plan_format import PlanObject
from reconciler.cli.render import GLYPHS, plan_json
from reconciler.cli.runs import NEWEST, Unreadable, id_width, row, say_workers, unreadable_json
from reconciler.cli.target import data_lines, deployment_of, target_of, where_line
from reconciler.cli.terminal import Terminal
from reconciler.core.plan import Action, Step
from reconciler.engine.lock import current_holder
from reconciler.run.catalog import Catalog
from reconciler.run.index import Row
from reconciler.run.job import left_to_function, place_of, rules_of, runs_of
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.unwatched_ends import brought_up_to_date

RUNS = 5
WORDS = {
    Action.CREATE: "missing",
    Action.UPDATE: "differs",
    Action.REPLACE: "differs",
    Action.ADOPT: "differs, not ours",
    Action.DELETE: "left the file",
    Action.NONE: "ok",
}


@dataclass(frozen=True)
class There(Answer):
    """What is there."""

    plan: PlanObject
    lock: Annotated[str | None, "who holds it"]
    runs: Annotated[Sequence[Run], "the newest twenty, the newest first"]
    unreadable: Annotated[Sequence[Unreadable], "the records of runs that can't be read"]


ANSWERS = (There,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Print what is there: resources, the lock and the newest runs."""
    target = target_of(options)
    aws = target.aws(terminal, read_only=True)
    deployment = deployment_of(target, aws, terminal, "status")
    runs = runs_of(deployment.aws, deployment.names, terminal.note)
    readers: list[Any] = [
        deployment.observe,
        lambda: _past(runs, as_json=options.json),
        lambda: current_holder(aws, deployment.deploy.name),
    ]
    observation, (count, newest), holder = aws.together(*readers)
    deploy = deployment.deploy
    left = partial(left_to_function, deploy)
    past, unseen = brought_up_to_date(aws, place_of(deploy), rules_of(deploy), newest, left)
    plan = deployment.plan(observation)
    if options.json:
        plan_object = plan_json(plan, deployment.given_data)
        terminal.json(There(plan_object, str(holder) if holder else None, whole_runs(past), unreadable_json(runs)))
        return 0
    for line in (where_line(deployment, target), *data_lines(deployment)):
        terminal.print(terminal.fold("", line))
    for step in plan.steps:
        terminal.print(_resource(terminal, step))
    if holder:
        terminal.print(f"locked by {holder}")
    terminal.print(f"runs: {count:,}" + (f", the newest {RUNS}:" if count > RUNS else ""))
    for run in past:
        terminal.print(row(terminal, run, id_width(past), paid=target.local is None))
        say_workers(terminal, aws, str(deployment.deploy.cluster.name), run)
    say_unseen(runs, unseen)
    return 0


def _past(runs: Runs, *, as_json: bool) -> tuple[int, list[Run | Row]]:
    """How many runs there are, and the newest of them. as_json: whole."""
    catalog = Catalog(runs)
    newest = catalog.newest(NEWEST if as_json else RUNS, whole=as_json)
    return max(catalog.count, len(newest)), newest


def _resource(terminal: Terminal, step: Step) -> str:
    colour = GLYPHS[step.action][1]
    detail = "" if step.action in (Action.NONE, Action.CREATE) else ", ".join(c.path for c in step.changes[:3])
    note = step.note or detail
    state = terminal.style(f"{WORDS[step.action]:<18}", colour)
    return f"  {state} {step.address.kind:<16} {step.address.name}" + (f"  ({note})" if note else "")
