"""`status`: what is there, in one screen. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from reconciler.cli.answer import Answer, PlanObject
from reconciler.cli.options import InAws as Arguments
from reconciler.cli.past_runs import say_unseen
from reconciler.cli.render import GLYPHS, plan_json
from reconciler.cli.runs import Unreadable, id_width, row, unreadable_json
from reconciler.cli.target import deployment, target, where_line
from reconciler.cli.terminal import Terminal
from reconciler.core.plan import Action, Step
from reconciler.engine.lock import current_holder
from reconciler.run.job import place_of, rules_of
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.unwatched_ends import with_ends

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
    runs: Annotated[Sequence[Run], "the newest first"]
    unreadable: Annotated[Sequence[Unreadable], "the records of runs that can't be read"]


ANSWERS = (There,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Print it."""
    where = target(options)
    aws = where.aws(terminal, read_only=True)
    here = deployment(where, aws, terminal, "status")
    runs = Runs(aws, here.names.bucket, terminal.note)
    place, rules = place_of(here.deploy), rules_of(here.deploy)
    read: list[Any] = [
        here.observe, lambda: with_ends(aws, place, rules, runs.all()), lambda: current_holder(aws, here.deploy.name)
    ]  # fmt: skip
    seen, (past, unseen), holder = aws.together(*read)
    plan = here.plan(seen)
    if options.json:
        terminal.json(There(plan_json(plan), str(holder) if holder else None, past, unreadable_json(runs)))
        return 0
    terminal.print(terminal.fold("", where_line(here, where)))
    for step in plan.steps:
        terminal.print(_resource(terminal, step))
    if holder:
        terminal.print(f"locked by {holder}")
    terminal.print(f"runs: {len(past)}" + (f", the newest {RUNS}:" if len(past) > RUNS else ""))
    for one in past[:RUNS]:
        terminal.print(row(terminal, one, id_width(past), paid=where.local is None))
    say_unseen(runs, unseen)
    return 0


def _resource(terminal: Terminal, step: Step) -> str:
    colour = GLYPHS[step.action][1]
    detail = "" if step.action in (Action.NONE, Action.CREATE) else ", ".join(c.path for c in step.changes[:3])
    note = step.note or detail
    state = terminal.style(f"{WORDS[step.action]:<18}", colour)
    return f"  {state} {step.address.kind:<16} {step.address.name}" + (f"  ({note})" if note else "")
