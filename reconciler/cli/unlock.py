"""`unlock`: take the lock away from an apply that is gone for good."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.cli.options import InAws
from reconciler.cli.target import target
from reconciler.cli.terminal import Terminal
from reconciler.engine.lock import unlock
from reconciler.lower.account import check_account


@dataclass(frozen=True)
class Arguments(InAws):
    """What `unlock` is asked."""


def run(options: Arguments, terminal: Terminal) -> int:
    """Unlock and say who held it."""
    where = target(options)
    aws = where.aws(terminal)
    check_account(aws, where.deploy)
    holder = unlock(aws, where.deploy.name)
    if options.json:
        terminal.json({"version": 1, "unlocked": holder is not None, "holder": str(holder) if holder else None})
    else:
        terminal.print(f"unlocked; it was held by {holder}" if holder else "it wasn't locked")
    return 0
