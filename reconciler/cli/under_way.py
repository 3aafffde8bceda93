"""Which earlier runs of a deploy go on while another is launched: each costs money, and nobody may watch it."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.cli.interrupt import command
from reconciler.cli.past_runs import say_unseen
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import ReconcilerError
from reconciler.core.secret import KNOWN
from reconciler.engine.deployment import Deployment
from reconciler.run.catalog import Catalog
from reconciler.run.index import ended
from reconciler.run.job import place_of, rules_of
from reconciler.run.retry import LONGEST
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.run_task import OLD
from reconciler.run.sweep import label
from reconciler.run.unwatched_ends import with_ends

MOST = 20  # of the newest that are looked at
SHOWN = 3


def say_others(
    terminal: Terminal, target: Target, deployment: Deployment, runs: Runs, own_ids: Collection[str]
) -> None:
    """Say which runs that clients have launched aren't over, and how to end them. own_ids: the ids of those that this
    command sees through.
    """
    try:
        unfinished = Catalog(runs, scheduled=False).unfinished(MOST, own_ids)
        client_runs = [run for run in unfinished if not run.unattended]
        current_runs, unseen = with_ends(
            deployment.aws, place_of(deployment.deploy), rules_of(deployment.deploy), client_runs
        )
    except ReconcilerError as error:
        terminal.note(f"note: whether earlier runs are under way can't be seen: {error}")
        return
    say_unseen(runs, unseen)
    going = [run for run in current_runs if not run.state.over]
    for run in going[:SHOWN]:
        terminal.note(
            terminal.fold("note: ", f"{_goes_on(run, runs.now())}; end it: {command(target, 'stop', run.id)}")
        )
    if len(going) > SHOWN:
        terminal.note(f"note: and {len(going) - SHOWN} more runs aren't over: {command(target, 'runs', '')}")


def _goes_on(run: Run, now: float) -> str:
    """How a run that isn't over does. now: seconds since the epoch."""
    parameters = label({name: KNOWN.shown(name, value) for name, value in run.overrides.environment.items()})
    subject = f"run {run.id}{f' ({parameters})' if parameters else ''}"
    if run.task_arn and run.attempts[-1].event is None:
        return f"{subject} is under way too"
    if ended(run) + LONGEST + OLD < now:
        return f"{subject} is still to be launched, by an `apply` with its options"
    return f"{subject} isn't launched, or not again yet"
