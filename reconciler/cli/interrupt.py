"""What Ctrl-C, or a cancelled CI job, does to tasks under way: stop them, or leave them and say how to come back."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

from reconciler.cli.program_name import program
from reconciler.cli.signals import received
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal, attended
from reconciler.core.errors import EmbeddedAwsEnded, ReconcilerError
from reconciler.engine.deployment import Deployment
from reconciler.run.run import Run


def choose(target: Target, deployment: Deployment, terminal: Terminal, option: str) -> str:
    """`stop` or `detach`: as asked for, as the person at the terminal says, or as the file does."""
    target.stop.clear()  # the calls that follow may wait again; a second Ctrl-C still ends the process
    # Whoever sends SIGTERM needn't be the one at the terminal.
    asks = attended() and terminal.live and signal.SIGTERM not in received
    return option or (_ask(terminal) if asks else deployment.deploy.run.on_interrupt)


def _ask(terminal: Terminal) -> str:
    try:
        terminal.print()
        answer = terminal.ask("Stop what runs, or leave it running? [S/l] ")
    except EOFError:
        return "stop"
    return "detach" if answer.lower() in ("l", "leave", "d", "detach") else "stop"


def come_back(target: Target, run: Run | None = None) -> str:
    """How to come back to a run, or to all of them."""
    if run is None:
        return f"see them: {command(target, 'runs', '')}"
    return f"follow it again: {command(target, 'watch', run.id)}\nend it: {command(target, 'stop', run.id)}"


def way_on(error: ReconcilerError, target: Target, run: Run) -> str:
    """How to go on with a run of which sight was lost: there is none to come back to where all has ended."""
    if isinstance(error, EmbeddedAwsEnded):
        return f"launch it again: {command(target, 'apply', '')}"
    return come_back(target, run)


def command(target: Target, verb: str, run_id: str) -> str:
    """A command line about a run, an `apply` or an `unlock`, as a shell takes it."""
    words = [verb, run_id] if run_id else [verb]
    if target.file != Path("deploy.yaml"):
        words += [*([] if verb in ("apply", "unlock") else ["--file"]), str(target.file)]
    words += ["--env", target.environment] if target.environment else []
    words += ["--local"] if target.local else []
    return f"{program()} {shlex.join(words)}"
