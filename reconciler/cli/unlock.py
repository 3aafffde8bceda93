"""`unlock`: take the lock away from an apply that is gone for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer
from reconciler.cli.options import InAws as Arguments
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.engine.lock import unlock
from reconciler.lower.account import check_account


@dataclass(frozen=True)
class Unlocked(Answer):
    """Who held it."""

    unlocked: Annotated[bool, "whether it was locked"]
    holder: Annotated[str | None, "who"]


ANSWERS = (Unlocked,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Unlock and say who held it."""
    target = target_of(options)
    aws = target.aws(terminal)
    check_account(aws, target.deploy)
    holder = unlock(aws, target.deploy.name)
    if options.json:
        terminal.json(Unlocked(holder is not None, str(holder) if holder else None))
    else:
        terminal.print(f"unlocked; it was held by {holder}" if holder else "it wasn't locked")
    return 0
