"""`local`: the embedded AWS behind --local."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from reconciler.cli.target import local_home
from reconciler.cli.terminal import Terminal, seconds
from reconciler.core.errors import ReconcilerError
from reconciler.local import LocalError, reset, status, stop


def run(options: Namespace, terminal: Terminal) -> int:
    """Say whether it runs, stop it, or make it forget everything."""
    home = local_home(Path(options.file))
    try:
        return _run(options.action, home, terminal, options.json)
    except LocalError as error:
        raise ReconcilerError(str(error)) from None


def _run(action: str, home: Path, terminal: Terminal, as_json: bool) -> int:
    if action == "stop":
        stopped = stop(home)
        if as_json:
            terminal.json({"version": 1, "action": action, "was_running": stopped})
            return 0
        terminal.print("stopped; what was in it is gone" if stopped else "it wasn't running")
    elif action == "reset":
        running = status(home) is not None
        reset(home)
        if as_json:
            terminal.json({"version": 1, "action": action, "was_running": running})
            return 0
        terminal.print("reset: it is empty now" if running else "it wasn't running; it is empty now")
    else:
        found = status(home)
        if as_json:
            where = {"endpoint_url": found and found.endpoint_url, "pid": found and found.pid}
            terminal.json({"version": 1, "action": action, "running": found is not None, **where})
        elif found is None:
            terminal.print("not running; `apply --local` starts it")
        else:
            age = seconds(time.time() - found.started_at)
            text = f"running at {found.endpoint_url} (process {found.pid}, for {age}); tasks run as {found.runner}"
            terminal.print(terminal.fold("", text))
    return 0
