"""Stop a command wherever it leaves something else, or lose the answer to each call, and see that the end is the same.

A point is the n-th request of a command after which it may leave something else than before. A command that is killed
leaves what its last write left: of the reads between two writes only the first is a point. The answer of each write is
lost in a run of its own, those of reads, which are just asked for again, in GROUPS runs, each answer once. The worker
has a lab and a folder of its own and takes every `step`-th point.
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
Fault = Literal["kill", "lose", "lose reads"]
COMMANDS: tuple[Command, ...] = get_args(Command)
FAULTS: tuple[Fault, ...] = get_args(Fault)
GROUPS = 8


@dataclass(frozen=True)
class Point:
    """How it ended. op: the operations whose answer didn't come. problem: empty when as it should be."""

    n: int
    op: list[str]
    problem: str
    output: str = ""


class Worker:
    """A lab, a folder with a deploy, and what the account is to be in the end.

    last: the commands up to this one run once beforehand.
    """

    def __init__(self, folder: Path, deploy: str = DEPLOY, *, last: Command = "destroy") -> None:
        self.folder = folder
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "Dockerfile").write_text('FROM scratch\nCMD ["echo", "trained"]\n')
        (folder / "prices.csv").write_text("time,close\n1,2\n")
        (folder / "deploy.yaml").write_text(deploy)
        os.environ["RECONCILER_LOCAL_ENGINE"] = "process"
        self.lab = LabHandle(folder / ".reconciler" / "local")
        forked.warm_clients(self.lab)
        for command in COMMANDS[: COMMANDS.index(last) + 1]:  # so that the server, too, has loaded all that it needs
            assert not (ended := self._run(command)).code, ended.output
            account(self.lab)
        self.lab.reset()

    def points(self, first: int, step: int) -> Iterator[tuple[Command, Fault | Literal["none"], Point | int]]:
        """Every `step`-th point from `first` on, of each command with each fault; last the first that isn't reached.

        Before that, of each command, what it asks for when nothing is in its way.
        """
        for command in COMMANDS:
            self.prepare(command)
            assert not (ended := self._run(command)).code, ended.output
            yield command, "none", Point(0, [str(row["op"]) for row in self.lab.log()], "")
            expected = account(self.lab)
            hits = {"kill": self._kill, "lose": self._lose, "lose reads": self._lose_reads}
            for fault in FAULTS:
                n = first
                while True:
                    self.lab.back()
                    if (point := hits[fault](command, n, expected)) is None:
                        break
                    yield command, fault, point
                    n += step
                yield command, fault, n

    def prepare(self, command: Command) -> None:
        """Keep what the command starts from: nothing, or all that an apply and its run leave."""
        self.lab.reset()
        if command == "destroy":
            self._run("apply")
        account(self.lab)
        self.lab.zero()
        self.lab.keep()

    def _run(self, command: Command, kill_after: int = 0, kill_at: str = "") -> forked.Ended:
        words = APPLY if command == "apply" else DESTROY
        return forked.run(self.lab, self.folder, words, kill_after=kill_after, kill_at=kill_at)

    def at(self, command: Command, fault: Fault, op: str, expected: dict[str, Any]) -> Point | None:
        """Stop a command at the first of an operation, or lose its answer. None: it isn't asked for."""
        self.lab.back()
        if fault == "kill":
            return self._kill(command, 0, expected, kill_at=op)
        return self._without(command, 0, expected, {"op": op})

    def end(self, command: Command) -> dict[str, Any]:
        """What the account is after the command, when nothing is in its way."""
        assert not (ended := self._run(command)).code, ended.output
        return account(self.lab)

    def _kill(self, command: Command, n: int, expected: dict[str, Any], kill_at: str = "") -> Point | None:
        first = self._run(command, kill_after=n, kill_at=kill_at)
        if first.code == 0:
            return None
        op = self._hit("kill")
        if first.code != -signal.SIGKILL:
            return Point(n, op, f"ended with {first.code} before it was stopped", first.output)
        self.lab.rules()
        self.lab.ahead(TTL + 5)  # the dead one's lock has ended
        second = self._run(command)
        if second.code != 0:
            return Point(n, op, f"the next one ended with {second.code}", second.output)
        return Point(n, op, difference(expected, account(self.lab)), second.output)

    def _lose(self, command: Command, n: int, expected: dict[str, Any]) -> Point | None:
        return self._without(command, n, expected, {"writes": True, "skip": n - 1})

    def _lose_reads(self, command: Command, n: int, expected: dict[str, Any]) -> Point | None:
        return None if n > GROUPS else self._without(command, n, expected, {"reads": [n - 1, GROUPS], "times": -1})

    def _without(self, command: Command, n: int, expected: dict[str, Any], rule: dict[str, Any]) -> Point | None:
        """Run a command whose answers are lost as the rule says. None: none was."""
        self.lab.rules({"do": "lose", **rule})
        ended = self._run(command)
        if not (lost := self._hit("lose")):
            return None
        self.lab.rules()
        return Point(
            n, lost, f"ended with {ended.code}" if ended.code else difference(expected, account(self.lab)), ended.output
        )

    def _hit(self, fault: str) -> list[str]:
        return [str(row["op"]) for row in self.lab.log() if row["fault"] == fault]


def difference(expected: Any, actual: Any, path: str = "") -> str:
    """Where two accounts differ first; empty for nowhere."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if where := difference(expected.get(key), actual.get(key), f"{path}.{key}"):
                return where
        return ""
    return "" if expected == actual else f"{path.lstrip('.')}: {actual!r} instead of {expected!r}"


def work(folder: Path, first: int, step: int, report: Path) -> None:
    """Do a worker's points and write what came of them to `report`, a JSON object a line."""
    forked.warm()
    worker = Worker(folder)
    try:
        with report.open("w") as lines:
            for command, fault, outcome in worker.points(first, step):
                facts = asdict(outcome) if isinstance(outcome, Point) else {"end": outcome}
                lines.write(json.dumps({"command": command, "fault": fault, **facts}) + "\n")
                lines.flush()
    finally:
        worker.lab.close()
