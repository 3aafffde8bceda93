"""Managed instances: stopped at any call that makes or deletes them, or with its answer lost, nothing is left running.

tests/faults/test_stop_anywhere.py says how; here only what this adds is a point.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.faults import forked
from tests.faults.stopping import DEPLOY, Command, Worker

MANAGED = f"{DEPLOY}task: {{gpu: 1, gpu_type: t4}}\nrun: {{capacity: [managed-spot, managed]}}\n"

CALLS: Mapping[Command, tuple[str, ...]] = {
    "apply": ("CreateInstanceProfile", "AddRoleToInstanceProfile", "CreateCapacityProvider", "RunTask"),
    "destroy": ("DeleteCapacityProvider", "RemoveRoleFromInstanceProfile", "DeleteInstanceProfile", "DeleteCluster"),
}


def work(folder: Path, report: Path, command: Command, calls: Sequence[str]) -> None:
    """Each point of the command, a JSON object a line."""
    forked.warm()
    worker = Worker(folder, MANAGED, last=command)
    try:
        with report.open("w") as lines:
            worker.prepare(command)
            expected = worker.end(command)
            for op in calls:
                for fault in ("kill", "lose"):
                    point = worker.at(command, fault, op, expected)
                    said = [point.problem, point.output[-1500:]] if point else ["it isn't asked for", ""]
                    lines.write(json.dumps([fault, op, *said]) + "\n")
    finally:
        worker.lab.close()


@pytest.mark.parametrize("command", CALLS)
def test_what_is_stopped_is_finished_by_the_next(
    command: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """With --share at the first of its calls. The worker is a process of its own, whose clocks skip."""
    calls = CALLS[command][: 1 if request.config.getoption("share") else None]
    # Not a fork of this process, whose threads may hold at this moment what the copy would wait for without an end.
    worker = get_context("spawn").Process(
        target=work, args=(tmp_path / "work", tmp_path / "report.jsonl", command, calls)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == 0, "the worker ended too soon: why is above"
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * len(calls)
    assert [line for line in lines if line[2]] == []
