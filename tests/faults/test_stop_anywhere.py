"""Stopped anywhere, it converges: after each single call of apply and destroy, and with each call's answer lost.

Two workers, each a process with a lab of its own, share the points, about one a second. Every third point of apply
is done, and every eighth of destroy; STOP_ANYWHERE=1 does every point of both, which takes ten minutes.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path

import pytest

from tests.faults.stopping import Command, Fault, work

WORKERS = 2
STRIDES = {"apply": 3, "destroy": 8}


@pytest.mark.parametrize("command", ["apply", "destroy"])
@pytest.mark.parametrize("fault", ["kill", "lose"])
def test_stop_anywhere(command: Command, fault: Fault, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    stride = int(os.environ.get("STOP_ANYWHERE", STRIDES[command]))
    children = {}
    for number in range(WORKERS):
        report = tmp_path / f"{number}.jsonl"
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(tmp_path / str(number), command, fault, 1 + number * stride, WORKERS * stride, report)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children[pid] = report
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    lines = [json.loads(line) for report in children.values() for line in report.read_text().splitlines()]
    points = [line for line in lines if "end" not in line]
    wrong = [point for point in points if point["problem"]]
    with capsys.disabled():
        took = time.monotonic() - began
        reached = max((point["n"] for point in points), default=0)
        ops = len({point["op"] for point in points})
        covered = f"{len(points)} points of {reached}, {ops} operations"
        print(f"\n{command}/{fault}: {covered}, {len(wrong)} wrong, {took:.0f} s")
    text = "\n\n".join(f"point {p['n']}, {p['op']}: {p['problem']}\n{p['output'][-1500:]}" for p in wrong[:5])
    assert not wrong, f"{len(wrong)} of {len(points)} points: {[(p['n'], p['op']) for p in wrong]}\n{text}"
    assert codes == [0] * WORKERS
    assert sum("end" in line for line in lines) == WORKERS
    assert len(points) * stride > 60, "too few points: did the command do anything?"
