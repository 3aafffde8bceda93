"""The lab with tasks that only take time: each ends well after TASK_SECONDS, and no program runs.

python -m bench.timed_lab 0 --home DIR --until-eof      as `tests.lab`, whose wire and control requests it has
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.local import embedded
from reconciler.local.runner import ContainerSpec, Exit, Inside, Output, TaskSpec, Used
from tests.lab import serve

SECONDS = float(os.environ.get("TASK_SECONDS", "1"))
DIGEST = f"sha256:{'0' * 64}"


class Timed:
    """A container without a process. It ends by itself, or when it is told to."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def wait(self) -> Exit:
        """Wait for its end."""
        return Exit(143) if self._told.wait(SECONDS) else Exit(0)

    def terminate(self) -> None:
        """End it, as SIGTERM does."""
        self._told.set()

    def kill(self) -> None:
        """End it, as SIGKILL does."""
        self._told.set()

    def used(self) -> Used | None:
        """Nothing is known."""
        return None

    def inside(self, words: Sequence[str], *, terminal: bool) -> Inside:
        """A process of this machine, without any of its variables."""
        return Inside(list(words), {"PATH": os.defpath}, None)


class TimedRunner:
    """A `reconciler.local.runner.Runner` whose containers take a fixed time."""

    name = "timed"

    def __init__(self, *_: object) -> None:
        """As LocalRunner is made."""

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """The same digest for every image: all are there."""
        return DIGEST

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Timed:
        """Start the container at once."""
        return Timed()

    def remove(self, task: TaskSpec) -> None:
        """Nothing is left to remove."""


if __name__ == "__main__":
    embedded.LocalRunner = TimedRunner  # type: ignore[assignment, misc]
    with suppress(SystemExit):
        serve(int(sys.argv[1]), Path(sys.argv[3]), 0.0, until_eof=True)
    os._exit(0)  # threads of open connections have nothing left to do
