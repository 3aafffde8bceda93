"""Stop a command after each of its calls, or lose the answer to each, and see that the end is the same. One worker.

A point is the n-th request of a command. The worker has a lab and a folder of its own and takes every `step`-th point.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from reconciler.engine.lock_holder import TTL
from tests.faults import forked
from tests.faults.account import account
from tests.lab_client import LabHandle

DEPLOY = """\
name: demo
data: prices.csv
image: app
ci: {user: {name: demo-ci, access_keys: 1}}
"""
APPLY = ("apply", "--local")
PREPARE = ("apply", "--local", "--skip-run")
DESTROY = ("destroy", "--local", "--yes", "--delete-data")
Command = Literal["apply", "destroy"]
Fault = Literal["kill", "lose"]
COMMANDS: tuple[Command, ...] = get_args(Command)
FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True)
class Point:
    """How it ended. problem: empty when as it should be."""

    n: int
    op: str
    problem: str
    output: str = ""


class Worker:
    """A lab, a folder with a deploy, and what the account is to be in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "Dockerfile").write_text('FROM scratch\nCMD ["echo", "trained"]\n')
        (folder / "prices.csv").write_text("time,close\n1,2\n")
        (folder / "deploy.yaml").write_text(DEPLOY)
        os.environ["RECONCILER_LOCAL_ENGINE"] = "process"
        self.lab = LabHandle(folder / ".reconciler" / "local")
        forked.warm_clients(self.lab)
        for one in COMMANDS:  # so that the server, too, has loaded all that it needs
            assert not (ended := self._run(one)).code, ended.output
            account(self.lab)
        self.lab.reset()

    def points(self, first: int, step: int) -> Iterator[tuple[Command, Fault, Point | int]]:
        """Every `step`-th point from `first` on, of each command with each fault; last the first that isn't reached."""
        for command in COMMANDS:
            self._prepare(command)
            assert not (ended := self._run(command)).code, ended.output
            expected = account(self.lab)
            for fault in FAULTS:
                hit, n = self._kill if fault == "kill" else self._lose, first
                while True:
                    self.lab.back()
                    if (point := hit(command, n, expected)) is None:
                        break
                    yield command, fault, point
                    n += step
                yield command, fault, n

    def _prepare(self, command: Command) -> None:
        """Keep what the command starts from: nothing, or all that an apply and its run leave."""
        self.lab.reset()
        if command == "destroy":
            self._run("apply")
        account(self.lab)
        self.lab.zero()
        self.lab.keep()

    def _run(self, command: Command, kill_after: int = 0) -> forked.Ended:
        return forked.run(self.lab, self.folder, APPLY if command == "apply" else DESTROY, kill_after=kill_after)

    def _kill(self, command: Command, n: int, expected: dict[str, Any]) -> Point | None:
        first = self._run(command, kill_after=n)
        if first.code == 0:
            return None
        op = self._op(n)
        if first.code != -signal.SIGKILL:
            return Point(n, op, f"ended with {first.code} before it was stopped", first.output)
        self.lab.rules()
        self.lab.ahead(TTL + 5)  # the dead one's lock has ended
        second = self._run(command)
        if second.code != 0:
            return Point(n, op, f"the next one ended with {second.code}", second.output)
        return Point(n, op, difference(expected, account(self.lab)), second.output)

    def _lose(self, command: Command, n: int, expected: dict[str, Any]) -> Point | None:
        self.lab.rules({"do": "lose", "skip": n - 1})
        ended = self._run(command)
        lost = [row for row in self.lab.log() if row["fault"] == "lose"]
        if not lost:
            return None
        self.lab.rules()
        problem = f"ended with {ended.code}" if ended.code else difference(expected, account(self.lab))
        return Point(n, lost[0]["op"], problem, ended.output)

    def _op(self, n: int) -> str:
        return next((str(row["op"]) for row in self.lab.log() if row["fault"] == "kill"), f"request {n}")


def difference(expected: Any, found: Any, path: str = "") -> str:
    """Where two accounts differ first; empty for nowhere."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            if where := difference(expected.get(key), found.get(key), f"{path}.{key}"):
                return where
        return ""
    return "" if expected == found else f"{path.lstrip('.')}: {found!r} instead of {expected!r}"


def work(folder: Path, first: int, step: int, report: Path) -> None:
    """Do a worker's points and write what came of them to `report`, a JSON object a line."""
    forked.warm()
    worker = Worker(folder)
    try:
        with report.open("w") as lines:
            for command, fault, found in worker.points(first, step):
                what = asdict(found) if isinstance(found, Point) else {"end": found}
                lines.write(json.dumps({"command": command, "fault": fault, **what}) + "\n")
                lines.flush()
    finally:
        worker.lab.close()
