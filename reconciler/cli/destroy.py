"""`destroy`: take away what was made, in the reverse order, after showing it and asking."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.signals import on_interrupt
from reconciler.cli.step_output import Steps, outcome_json, show_outcome
from reconciler.cli.target import command_line, confirmed, deployment, target, where_line
from reconciler.cli.terminal import Terminal, attended
from reconciler.core.errors import Interrupted, ReconcilerError, UserError
from reconciler.core.plan import Options, Plan
from reconciler.engine.execute import Outcome, execute
from reconciler.engine.lock import Lock
from reconciler.engine.ownership_record import write_record
from reconciler.permissions import preflight


def run(options: Namespace, terminal: Terminal) -> int:
    """Destroy. Returns 0, or 1 when a step failed."""
    options.skip_image = True
    where = target(options)
    on_interrupt(where.stop.set)
    aws = where.aws(terminal)
    here = deployment(where, aws, terminal, options, removing=True)
    allowed = Options(delete_data=options.delete_data, confirm=confirmed(options))
    seen = here.observe(allowed)
    plan = here.plan_destroy(seen, allowed)
    terminal.say(terminal.fold("", where_line(here, where)))
    if plan.steps:
        show_plan(terminal, plan)
    else:
        terminal.say("Nothing to destroy: nothing of this deploy is there.")
    doing = [step for step in plan.steps if step.does]
    command = command_line()
    lock = Lock(where.aws(terminal), here.deploy.name, command, wait=options.wait_for_lock)
    if not doing:
        # What an earlier one left that was stopped after its last deletion.
        if seen.kept != seen.recorded or lock.left_behind():
            with lock:
                aws.before_write = lock.check
                write_record(aws, here.deploy.name, seen.kept)
                aws.before_write = lambda: None
        if options.json:
            terminal.json(_summary(plan, Outcome()))
        return 0
    if not options.yes:
        if terminal.as_json or not attended():
            raise UserError("destroy asks before it deletes, and there is nobody to ask", hint="pass --yes to delete")
        if not _sure(terminal, f"Delete these {len(doing)} resources of account {here.names.facts.account}? [y/N] "):
            raise ReconcilerError("nothing was deleted")
    if where.stop.is_set():
        raise Interrupted("interrupted before anything was deleted")
    preflight.check(aws, plan)
    with lock:
        aws.before_write = lock.check
        # Only what was shown, and of that what is still there and still ours.
        seen = here.observe(allowed)
        shown = {step.address for step in doing}
        now = here.plan_destroy(seen, allowed)
        plan = Plan(now.deploy, tuple(step for step in now.steps if step.address in shown))
        outcome = execute(plan, aws, here.kinds, Steps(terminal), recorded=seen.recorded, stop=where.stop)
        gone = {step.address for step in outcome.done}
        left = seen.kept - gone
        if left != seen.recorded:
            write_record(aws, here.deploy.name, left)
        aws.before_write = lambda: None
    show_outcome(terminal, outcome, command)
    if where.stop.is_set():
        raise Interrupted("interrupted", hint=f"what was deleted is gone; to go on: {command}")
    if options.json:
        # With what is held back, of which nothing else is said there.
        terminal.json(_summary(Plan(now.deploy, tuple(s for s in now.steps if s.held or s.address in shown)), outcome))
    elif outcome.ok:
        terminal.say(f"Destroyed {len(outcome.done)} resources.")
    return 0 if outcome.ok else 1


def _sure(terminal: Terminal, question: str) -> bool:
    try:
        return terminal.ask(question).lower() in ("y", "yes")
    except EOFError:
        return False


def _summary(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {"version": 1, "plan": plan_json(plan), **outcome_json(outcome)}
