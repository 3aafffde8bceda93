"""The lock of a deploy, as a command takes it."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.aws.calls import Aws
from reconciler.cli.interrupt import command
from reconciler.cli.target import Target
from reconciler.engine.lock import Lock
from reconciler.engine.lock_holder import Holder


def lock_of(
    target: Target, aws: Aws, verb: str, wait: float, on_wait: Callable[[Holder], None] = lambda holder: None
) -> Lock:
    """The lock, for the command with this verb. It says of that, for whoever waits, the verb and the file, without its
    values. aws: whose writes it will guard; wait: seconds.
    """
    shown, unlock = f"{verb} {target.file.name}", command(target, "unlock", "")
    return Lock(aws.unguarded(), target.deploy.name, shown, wait=wait, on_wait=on_wait, unlock=unlock)
