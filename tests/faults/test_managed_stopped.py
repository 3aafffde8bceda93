"""Managed instances: stopped at any call that makes or deletes them, or with its answer lost, nothing is left running.

tests/faults/test_stop_anywhere.py says how; here only what this adds is a point.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults import forked
from tests.faults.stopping import DEPLOY, Worker

MANAGED = f"{DEPLOY}task: {{gpu: 1, gpu_type: t4}}\nrun: {{capacity: [managed-spot, managed]}}\n"
Calls = Mapping[str, tuple[str, ...]]
CALLS: Calls = {
    "apply": ("CreateInstanceProfile", "AddRoleToInstanceProfile", "CreateCapacityProvider", "RunTask"),
    "destroy": ("DeleteCapacityProvider", "RemoveRoleFromInstanceProfile", "DeleteInstanceProfile", "DeleteCluster"),
}


def work(folder: Path, report: Path, calls: Calls) -> None:
    """Each point of both commands, a JSON object a line."""
    forked.warm()
    worker = Worker(folder, MANAGED)
    try:
        with report.open("w") as lines:
            for command, ours in calls.items():
                worker.prepare(command)  # type: ignore[arg-type]
                expected = worker.end(command)  # type: ignore[arg-type]
                for op in ours:
                    for fault in ("kill", "lose"):
                        point = worker.at(command, fault, op, expected)  # type: ignore[arg-type]
                        said = [point.problem, point.output[-1500:]] if point else ["it isn't asked for", ""]
                        lines.write(json.dumps([command, fault, op, *said]) + "\n")
    finally:
        worker.lab.close()


@pytest.fixture(scope="module")
def calls(request: pytest.FixtureRequest) -> Calls:
    """With --share the first of each command."""
    return {command: ours[:1] for command, ours in CALLS.items()} if request.config.getoption("share") else CALLS


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, calls: Calls) -> list[Any]:
    """What the worker reports, a process of its own, whose clocks skip."""
    folder = tmp_path_factory.mktemp("worker")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work(folder / "work", folder / "report.jsonl", calls)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the worker ended too soon: why is above"
    return [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("command", CALLS)
def test_what_is_stopped_is_finished_by_the_next(command: str, lines: list[Any], calls: Calls) -> None:
    ours = [line for line in lines if line[0] == command]
    assert len(ours) == 2 * len(calls[command])
    assert [line[1:] for line in ours if line[3]] == []
