"""`watch`: come back to a run. Of a run that has ended it shows the log and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.cli.answer import Answer
from reconciler.cli.failure import Verdict
from reconciler.cli.interrupt import command
from reconciler.cli.log_position import Shown
from reconciler.cli.options import OfRun
from reconciler.cli.past_runs import Past
from reconciler.cli.signals import on_interrupt
from reconciler.cli.target import deployment, target
from reconciler.cli.task import copy_results, report, say_shown
from reconciler.cli.task import watch as watch_task
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import exit_code, verdict
from reconciler.core.errors import UserError
from reconciler.run.job import launch_of, runs_of
from reconciler.run.launch import overrides_of
from reconciler.run.like import launch_like
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.unwatched_ends import is_launching, launched_unseen


@dataclass(frozen=True)
class Arguments(OfRun):
    """What `watch` is asked. on_interrupt: `stop`, `detach` or empty; from_start: show what was shown before too."""

    on_interrupt: str
    from_start: bool


@dataclass(frozen=True)
class Watched(Answer):
    """How the run ended."""

    verdict: Verdict
    run: Run


ANSWERS = (Watched,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Watch it to its end. Returns its exit code."""
    where = target(options)
    on_interrupt(where.stop.set)
    here = deployment(where, where.aws(terminal), terminal, "watch", skip_image=True)
    runs = runs_of(here.aws, here.names, terminal.note)
    past = Past(where, here.aws, runs, here.names)
    found = past.find(options.run)
    if found.state.over:
        if found.task_arn:
            log, shown = past.log(found), Shown(where.base, found.id)
            if not options.from_start:
                say_shown(terminal, where, found, shown.resume(log))
            log.read_all(lambda container, text, timestamp: terminal.say(f"  | {terminal.program(text)}"))
            shown.forget()
        copied = copy_results(terminal, where, here, runs, found) if found.state is State.SUCCEEDED else None
        report(terminal, where, here, found, copied=copied)
        code = exit_code(found)
    else:
        seen = here.observe()
        attributes = {address: one.attributes for address, one in seen.resources.items()}
        try:
            launch = launch_like(launch_of(here, attributes, ""), found)
        except KeyError as missing:
            raise UserError(f"{missing.args[0]} doesn't exist any more", hint="run `apply`") from None
        if is_launching(found):
            found = launched_unseen(here.aws, past.place, found) or found
        launched = found.attempts and (found.attempts[-1].event is not None or found.task_arn)
        if not launched and not found.unattended:
            hint = "its function launches it" if found.schedule else "run `apply` as for this run: it launches it"
            hint += f"\nor end it: {command(where, 'stop', found.id)}"
            raise UserError(f"run {found.id} isn't launched", hint=hint)
        given = overrides_of(here.aws, launch, found)
        found, code = watch_task(
            terminal, where, here, runs, launch, replace(found, overrides=given or Overrides()),
            options.on_interrupt, from_start=options.from_start, again=given is not None,
        )  # fmt: skip
    if options.json:
        terminal.json(Watched(verdict(found, code), found))
    return code
