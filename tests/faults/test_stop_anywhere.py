"""Stopped anywhere, it converges: after each single call of apply and destroy, and with each call's answer lost.

Every point is done: some 190 of apply and 170 of destroy, each twice; with --share every 24th. Three workers, each a
process with a lab of its own, share them, so that two processors have always something to do.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from typing import Any

import pytest

from tests.faults.stopping import Command, Fault, work

WORKERS = 3
SHARE = 24  # with --share one point of so many
Line = dict[str, Any]


@pytest.fixture(scope="module")
def every(request: pytest.FixtureRequest) -> int:
    """One point of so many is done."""
    return SHARE if request.config.getoption("share") else 1


@pytest.fixture(scope="module")
def lines(every: int, tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What the workers report: all points of both commands with both faults."""
    folder, began = tmp_path_factory.mktemp("workers"), time.monotonic()
    children = {}
    workers = WORKERS if every == 1 else 2  # to make one ready is most of the work of a share
    for number in range(workers):
        report = folder / f"{number}.jsonl"
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(folder / str(number), 1 + number * every, workers * every, report)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children[pid] = report
    ended = [os.wait4(pid, 0) for pid in children]
    worked = sum(usage.ru_utime + usage.ru_stime for _, _, usage in ended)
    print(f"{time.monotonic() - began:.0f} s ({worked:.0f} s of processors)")
    return [json.loads(line) for report in children.values() for line in report.read_text().splitlines()]


@pytest.mark.parametrize("command", ["apply", "destroy"])
@pytest.mark.parametrize("fault", ["kill", "lose"])
def test_stop_anywhere(
    command: Command, fault: Fault, every: int, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    ours = [line for line in lines if (line["command"], line["fault"]) == (command, fault)]
    points = [line for line in ours if "end" not in line]
    wrong = [point for point in points if point["problem"]]
    # Not each run makes as many calls: a look more here or there.
    ends = [line["end"] for line in ours if "end" in line]
    reached = min(ends, default=1) - 1
    with capsys.disabled():
        covered = f"{len(points)} points of {reached} calls, {len({point['op'] for point in points})} operations"
        print(f"\n{command}/{fault}: {covered}, {len(wrong)} wrong")
    text = "\n\n".join(f"point {p['n']}, {p['op']}: {p['problem']}\n{p['output'][-1500:]}" for p in wrong[:5])
    assert not wrong, f"{len(wrong)} of {len(points)} points: {[(p['n'], p['op']) for p in wrong]}\n{text}"
    assert len(ends) == (WORKERS if every == 1 else 2), "a worker ended too soon: why is above"
    assert {*range(1, reached + 1, every)} <= {point["n"] for point in points}
    assert reached > 100, "too few points: did the command do anything?"
