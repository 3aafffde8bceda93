"""Commands of ours in processes of their own, forked from this one, which has everything loaded already.

A command that is started anew loads for half a second; a fork is there at once. Only time is another in it: what it
sleeps it skips. Everything else is the real command line against the lab over HTTP.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.aws.clients import Clients, new_session
from reconciler.core.errors import Interrupted
from tests import clients
from tests.lab_client import CREDENTIALS, REGION, LabHandle, SkippingClock

SERVICES = ("sts", "iam", "s3", "ecr", "ecs", "logs", "ec2", "ssm")
COMMANDS = ("main", "apply", "destroy", "plan", "task")
HANGS = 60.0  # seconds after which a command is taken for stuck


_numbers = itertools.count(1)
_made: dict[tuple[str, str | None], Any] = {}  # clients by service and endpoint


class StoppableSkipping(SkippingClock):
    """The clock of a command, without the waiting."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(step=0.03)
        self.stop = stop

    def sleep(self, seconds: float) -> None:
        """Skip. Raises Interrupted."""
        if self.stop.is_set():
            raise Interrupted("interrupted")
        super().sleep(5 * min(seconds, 5.0))  # so that waiting for the end of a log takes few looks


@dataclass(frozen=True)
class Ended:
    """How a command ended. code: its exit code, or minus the signal."""

    code: int
    output: str
    seconds: float


def warm() -> None:
    """Load what commands load, so that forks have it."""
    from botocore.loaders import Loader

    for name in COMMANDS:
        importlib.import_module(f"reconciler.cli.{name}")
    importlib.import_module("reconciler.local.docker_engine")
    importlib.import_module("reconciler.local.process_engine")
    importlib.import_module("boto3.s3.transfer")
    # What botocore reads from its files is kept by the class, so that every session has it.
    for name in ("load_service_model", "load_data", "load_data_with_path", "determine_latest_version"):
        _keep(Loader, name)
    gc.collect()
    gc.freeze()  # so that a fork shares the memory until it changes something


def _keep(loader: Any, name: str) -> None:
    load, known = getattr(loader, name), dict[str, Any]()

    def kept(self: object, *args: object, **more: object) -> Any:
        key = repr((args, more))
        if key not in known:
            known[key] = load(self, *args, **more)
        return known[key]

    setattr(loader, name, kept)


def warm_clients(lab: LabHandle) -> None:
    """Make the clients that commands use with this lab, which takes longer than their calls. Not that for transfers."""
    session = new_session(*CREDENTIALS.values())
    session.get_component("data_loader").whole.update(SERVICES)
    made = Clients(REGION, session, lab.url, lambda name: False, lambda: None)
    _made.update({(service, lab.url): made.get(service) for service in SERVICES})
    gc.freeze()


class Command:
    """A command that runs."""

    def __init__(
        self, lab: LabHandle, folder: Path, arguments: Sequence[str], *, kill_after: int = 0, kill_at: str = "",
        skip: int = 0,
    ) -> None:  # fmt: skip
        self._output = folder / f"output-{next(_numbers)}.txt"
        self._began = time.monotonic()
        waiting, go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _child(lab, folder, arguments, self._output, waiting)
        os.close(waiting)
        if kill_at:
            lab.rules({"do": "kill", "pid": self.pid, "op": kill_at, "skip": skip})
        if kill_after:
            lab.rules({"do": "kill", "pid": self.pid, "changes": True, "skip": kill_after - 1})
        os.write(go, b".")
        os.close(go)

    def ended(self) -> Ended | None:
        """How it ended, if it did."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        if not done:
            return None
        text = self._output.read_text(errors="replace")
        return Ended(os.waitstatus_to_exitcode(status), text, time.monotonic() - self._began)

    def wait(self) -> Ended:
        """Wait for the end of the process. One that hangs is killed."""
        while (ended := self.ended()) is None:
            if time.monotonic() - self._began > HANGS:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.002)
        return ended

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def run(
    lab: LabHandle, folder: Path, arguments: Sequence[str], *, kill_after: int = 0, kill_at: str = "", skip: int = 0
) -> Ended:  # fmt: skip
    """Run a command in `folder`. kill_after: end it when so many of its requests were done, before it hears of it;
    kill_at: when the first of this operation was done, after those to skip.

    Of reads that follow one another only the first counts: killed at the next one, it leaves the same.
    """
    return Command(lab, folder, arguments, kill_after=kill_after, kill_at=kill_at, skip=skip).wait()


def _child(lab: LabHandle, folder: Path, arguments: Sequence[str], output: Path, waiting: int) -> None:
    code = 99
    try:
        descriptor = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w")
        os.chdir(folder)
        environment = lab.environment
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["__main__.py", *arguments]  # as `python -m reconciler` has it
        from reconciler.cli import target as common
        from reconciler.cli.main import main

        clients.instead.update(_made)  # in a fork alone: other tests of this process make their own
        common.StoppableClock = StoppableSkipping  # type: ignore[misc, assignment]
        os.read(waiting, 1)
        code = main(arguments)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
