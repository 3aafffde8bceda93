"""Stopped anywhere, it converges: after each single call of apply and destroy, and with each call's answer lost.

Every point is done: some 170 of apply and 150 of destroy, each twice. Three workers, each a process with a lab of its
own, share them, so that two processors have always something to do.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path

import pytest

from tests.faults.stopping import Command, Fault, work

WORKERS = 3


@pytest.mark.parametrize("command", ["apply", "destroy"])
@pytest.mark.parametrize("fault", ["kill", "lose"])
def test_stop_anywhere(command: Command, fault: Fault, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    children = {}
    for number in range(WORKERS):
        report = tmp_path / f"{number}.jsonl"
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(tmp_path / str(number), command, fault, 1 + number, WORKERS, report)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children[pid] = report
    ended = [os.wait4(pid, 0) for pid in children]
    lines = [json.loads(line) for report in children.values() for line in report.read_text().splitlines()]
    points = [line for line in lines if "end" not in line]
    wrong = [point for point in points if point["problem"]]
    # Not each run makes as many calls: a look more here or there.
    reached = min((line["end"] - 1 for line in lines if "end" in line), default=0)
    with capsys.disabled():
        took, worked = time.monotonic() - began, sum(usage.ru_utime + usage.ru_stime for _, _, usage in ended)
        covered = f"{len(points)} points, each of {reached} calls, {len({point['op'] for point in points})} operations"
        print(f"\n{command}/{fault}: {covered}, {len(wrong)} wrong, {took:.0f} s ({worked:.0f} s of processors)")
    text = "\n\n".join(f"point {p['n']}, {p['op']}: {p['problem']}\n{p['output'][-1500:]}" for p in wrong[:5])
    assert not wrong, f"{len(wrong)} of {len(points)} points: {[(p['n'], p['op']) for p in wrong]}\n{text}"
    assert [os.waitstatus_to_exitcode(status) for _, status, _ in ended] == [0] * WORKERS
    assert {*range(1, reached + 1)} <= {point["n"] for point in points}
    assert reached > 100, "too few points: did the command do anything?"
