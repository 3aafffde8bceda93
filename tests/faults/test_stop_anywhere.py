"""Stopped anywhere, it converges: after each call of apply and destroy that matters, and with each call's answer lost.

Every point is done, some 170 of both commands, and what counts as one is said in tests/faults/stopping.py; with --share
every 24th, by one worker. Three workers, each a process with a lab of its own, share all of them, so that two
processors have always something to do.
"""

from __future__ import annotations

import json
import time
from multiprocessing import get_context
from typing import Any

import pytest

from tests.faults.stopping import GROUPS, Command, Fault, work
from tests.lab_reads import reads
from tests.waiting import children_work

WORKERS = 3
SHARE = 24  # with --share one point of so many
Line = dict[str, Any]


def of_workers(every: int) -> int:
    """How many share the points: to make one ready is most of the work of a share."""
    return WORKERS if every == 1 else 1


@pytest.fixture(scope="module")
def every(request: pytest.FixtureRequest) -> int:
    """One point of so many is done."""
    return SHARE if request.config.getoption("share") else 1


@pytest.fixture(scope="module")
def lines(every: int, tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What the workers report: all points of both commands with both faults."""
    folder, began = tmp_path_factory.mktemp("workers"), time.monotonic()
    workers, processes = of_workers(every), get_context("spawn")
    reports = [folder / f"{number}.jsonl" for number in range(workers)]
    with children_work() as worked:
        children = [
            processes.Process(
                target=work, args=(folder / str(number), 1 + number * every, workers * every, reports[number])
            )
            for number in range(workers)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
    print(f"{time.monotonic() - began:.0f} s ({worked.seconds:.0f} s of processors)")
    return [json.loads(line) for report in reports for line in report.read_text().splitlines()]


@pytest.mark.parametrize("command", ["apply", "destroy"])
@pytest.mark.parametrize("fault", ["kill", "lose", "lose reads"])
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
        operations = {op for point in points for op in point["op"]}
        print(
            f"\n{command}/{fault}: {len(points)} points of {reached}, {len(operations)} operations, {len(wrong)} wrong"
        )
    text = "\n\n".join(f"point {p['n']}, {p['op']}: {p['problem']}\n{p['output'][-1500:]}" for p in wrong[:5])
    assert not wrong, f"{len(wrong)} of {len(points)} points: {[(p['n'], p['op']) for p in wrong]}\n{text}"
    assert len(ends) == of_workers(every), "a worker ended too soon: why is above"
    assert {*range(1, reached + 1, every)} <= {point["n"] for point in points}
    assert reached >= {"kill": 30, "lose": 20, "lose reads": GROUPS}[fault], (
        "too few points: did the command do anything?"
    )


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_each_answer_to_a_read_is_lost(command: Command, every: int, lines: list[Line]) -> None:
    ours = [line for line in lines if line["command"] == command]
    asked = [op for op in next(line["op"] for line in ours if line["fault"] == "none") if reads(op)]
    lost = [op for line in ours if line["fault"] == "lose reads" and "op" in line for op in line["op"]]
    assert len(asked) > 50, "did the command do anything?"
    if every == 1:
        # A look more at what goes on by itself, or a look less.
        assert len(lost) > 0.9 * len(asked)
        # What CloudWatch has is asked only where the last lines weren't there at once.
        missed = {*asked} - {*lost} - {"DescribeLogStreams"}
        assert not missed, sorted(missed)
    else:
        assert lost
