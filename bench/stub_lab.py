"""The lab with an ECS agent whose tasks are stubs: they end well after STUB_SECONDS, and nothing runs.

python -m bench.stub_lab 0 --home DIR --until-eof      as `tests.lab`, whose wire and control requests it has
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

SECONDS = float(os.environ.get("STUB_SECONDS", "1"))
DIGEST = f"sha256:{'0' * 64}"


class Stub:
    """A container that is nothing. It ends by itself, or when it is told to."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def wait(self) -> Exit:
        """Its end."""
        return Exit(143) if self._told.wait(SECONDS) else Exit(0)

    def terminate(self) -> None:
        """SIGTERM."""
        self._told.set()

    def kill(self) -> None:
        """SIGKILL."""
        self._told.set()

    def used(self) -> Used | None:
        """Nothing is known."""
        return None

    def inside(self, words: Sequence[str], *, terminal: bool) -> Inside:
        """Nothing can be run in it."""
        raise NotImplementedError


class Stubs:
    """See `reconciler.local.runner.Runner`."""

    name = "stub"

    def __init__(self, *_: object) -> None:
        """As LocalRunner is made."""

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """Every image is there."""
        return DIGEST

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Stub:
        """At once."""
        return Stub()

    def remove(self, task: TaskSpec) -> None:
        """Nothing is left."""


if __name__ == "__main__":
    embedded.LocalRunner = Stubs  # type: ignore[assignment, misc]
    with suppress(SystemExit):
        serve(int(sys.argv[1]), Path(sys.argv[3]), 0.0, until_eof=True)
    os._exit(0)  # threads of open connections have nothing left to do
