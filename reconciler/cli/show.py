"""`show`: print the file with every default filled in."""

from __future__ import annotations

import os

from reconciler.cli.options import OfFile as Arguments
from reconciler.cli.terminal import Terminal
from reconciler.config import load, show
from reconciler.core.secret import KNOWN


def run(options: Arguments, terminal: Terminal) -> int:
    """Print the file as it is understood."""
    deploy = load(options.file, environ=os.environ, environment=options.environment)
    if options.json:
        terminal.json(deploy.filled().model_dump(mode="json"))
    else:
        terminal.lines(show(deploy, KNOWN.hide_all).rstrip("\n"))
    return 0
