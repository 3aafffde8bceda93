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
from reconciler.cli.target import deployment_of, target_of
from reconciler.cli.task import copy_results, report, say_shown
from reconciler.cli.task import watch as watch_task
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import exit_code, verdict
from reconciler.core.errors import Denied, Unreachable, UserError
from reconciler.run.job import launch_of, runs_of
from reconciler.run.launch import overrides_of
from reconciler.run.like import launch_like
from reconciler.run.place import NotOurs
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
    target = target_of(options)
    on_interrupt(target.stop.set)
    deployment = deployment_of(target, target.aws(terminal), terminal, "watch", skip_image=True)
    runs = runs_of(deployment.aws, deployment.names, terminal.note)
    past = Past(target, deployment.aws, runs, deployment.names)
    run = past.find(options.run)
    if run.state.over:
        if run.task_arn:
            _show_log(past, run, terminal, from_start=options.from_start)
        copied = copy_results(terminal, target, deployment, runs, run) if run.state is State.SUCCEEDED else None
        report(terminal, target, deployment, run, copied=copied)
        code = exit_code(run)
    else:
        observation = deployment.observe()
        attributes = {address: live.attributes for address, live in observation.resources.items()}
        try:
            launch = launch_like(launch_of(deployment, attributes, ""), run)
        except KeyError as missing:
            raise UserError(f"{missing.args[0]} doesn't exist any more", hint="run `apply`") from None
        if is_launching(run):
            run = launched_unseen(deployment.aws, past.place, run) or run
        is_launched = run.attempts and (run.attempts[-1].event is not None or run.task_arn)
        if not is_launched and not run.unattended:
            hint = "its function launches it" if run.schedule else "run `apply` as for this run: it launches it"
            hint += f"\nor end it: {command(target, 'stop', run.id)}"
            raise UserError(f"run {run.id} isn't launched", hint=hint)
        overrides = overrides_of(deployment.aws, launch, run)
        run, code = watch_task(
            terminal,
            target,
            deployment,
            runs,
            launch,
            replace(run, overrides=overrides or Overrides()),
            options.on_interrupt,
            from_start=options.from_start,
            again=overrides is not None,
        )
    if options.json:
        terminal.json(Watched(verdict(run, code), run))
    return code


def _show_log(past: Past, run: Run, terminal: Terminal, *, from_start: bool) -> None:
    """Show the log of a run that is over, after what was shown before. That it can't be read, or may not be, is said:
    its end is shown all the same.
    """
    position = Shown(past.target.base, run.id)
    try:
        log = past.log(run)
        if not from_start:
            say_shown(terminal, past.target, run, position.resume(log))
        log.read_all(lambda container, text, timestamp: terminal.say(f"  | {terminal.program(text)}"))
    except (NotOurs, Denied, Unreachable) as error:
        terminal.note(f"the log can't be shown: {error}")
        return
    position.forget()
