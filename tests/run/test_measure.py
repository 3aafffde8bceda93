"""The measure: 10,000 numbered lines and exit 37 at once, shown completely, in order, once, whatever is in the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab_client import LabHandle
from tests.run.conftest import Lane, until

LINES = 10_000
WANTED = [f"line {n}" for n in range(LINES)]
BURST = f"import os, sys\nsys.stdout.write(''.join(f'line {{n}}\\n' for n in range({LINES})))\nsys.stdout.flush()\n"


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lane, LabHandle]]:
    """A project whose embedded AWS is behind a wire that throttles when told."""
    lane = Lane(tmp_path_factory.mktemp("measure"))
    lane.program(BURST)
    lane.write("prices.csv", "a,b\n1,2\n")
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ["RECONCILER_LOCAL_ENGINE"] = "process"
    lab = LabHandle(lane.folder / ".reconciler" / "local")
    try:
        made = lane.run("apply", "--local", "--skip-run")
        assert made.code == 0, made.err
        yield lane, lab
    finally:
        lab.close()
        os.environ.pop("RECONCILER_LOCAL_ENGINE")
        os.environ.update(kept)


def shown(out: str) -> list[str]:
    return [line.removeprefix("  | ") for line in out.splitlines() if line.startswith("  | ")]


@pytest.mark.parametrize("seconds", [0, 1.5])
def test_ten_thousand_lines_and_exit_37(throttled: tuple[Lane, LabHandle], seconds: float) -> None:
    lane, lab = throttled
    lane.program(f"{BURST}sys.exit(37)  # late {seconds}\n")
    if seconds:
        lane.behave({"do": "log-delay", "seconds": seconds})
    lab.control("POST", "rate?per_second=6")
    try:
        ended = lane.run("apply", "--local")
    finally:
        lab.control("POST", "rate?per_second=0")
    assert ended.code == 37, ended.err
    assert shown(ended.out) == WANTED
    assert any(row["fault"] for row in lab.log()), "it was throttled"


def test_a_detach_in_the_middle(throttled: tuple[Lane, LabHandle]) -> None:
    """`watch` shows all of it, and what was shown before is its beginning."""
    lane, lab = throttled
    half = LINES // 2
    lane.program(
        "import sys, time\n"
        f"for n in range({LINES}):\n"
        "    sys.stdout.write(f'line {n}\\n')\n"
        f"    if n == {half}:\n"
        "        sys.stdout.flush()\n"
        "        time.sleep(4)\n"
        "sys.exit(37)\n"
    )
    lane.behave({"do": "log-delay", "seconds": 0.5})
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    assert ours.stdout is not None
    lines: list[str] = []
    while len(shown("".join(lines))) < 100:
        lines.append(ours.stdout.readline())
    ours.send_signal(signal.SIGINT)
    before = shown("".join(lines) + ours.stdout.read())
    assert ours.wait(10) == 130
    assert before == WANTED[: len(before)]
    assert len(before) <= half + 1
    lab.control("POST", "rate?per_second=8")
    ended = lane.run("watch", "--local")
    lab.control("POST", "rate?per_second=0")
    assert ended.code == 37
    assert shown(ended.out) == WANTED


def test_lines_late_after_a_quiet_time(throttled: tuple[Lane, LabHandle]) -> None:
    """The last lines come long after the end: as late as those before were."""
    lane, _ = throttled
    lane.program("import time\nprint('first', flush=True)\ntime.sleep(3)\nprint('last')\nraise SystemExit(5)\n")
    lane.behave({"do": "log-delay", "seconds": 2})
    ended = lane.run("apply", "--local")
    assert ended.code == 5
    assert shown(ended.out) == ["first", "last"]


def test_a_wire_that_breaks_loses_no_line(throttled: tuple[Lane, LabHandle]) -> None:
    lane, lab = throttled
    lane.program(
        "import time\nfor n in range(100):\n    print('line', n, flush=True)\n    time.sleep(0.02)\n"
        "raise SystemExit(37)\n"
    )
    lab.rules(
        {"service": "logs", "op": "GetLogEvents", "do": "lose", "skip": 1, "times": 2},
        {"service": "ecs", "op": "DescribeTasks", "do": "reset", "skip": 2, "times": 2},
        {"service": "ecs", "op": "RunTask", "do": "lose", "times": 1},
    )
    before = len(lane.tasks())
    ended = lane.run("apply", "--local")
    lab.rules()
    assert ended.code == 37, ended.err
    assert shown(ended.out) == [f"line {n}" for n in range(100)]
    assert len(lane.tasks()) == before + 1, "the launch whose answer was lost wasn't made twice"


def test_the_watch_goes_on_without_the_right_to_read_the_log(throttled: tuple[Lane, LabHandle]) -> None:
    lane, lab = throttled
    lane.program("print('unseen')\nraise SystemExit(7)\n")
    refused = {"code": "AccessDeniedException", "message": "not authorized to perform: logs:GetLogEvents"}
    lab.rules({"service": "logs", "op": "GetLogEvents", "do": "error", "times": -1, **refused})
    ended = lane.run("apply", "--local")
    lab.rules()
    assert ended.code == 7
    assert "the log can't be shown: " in ended.err
    assert until(lambda: lane.run("logs", "--local").out == "unseen\n", "its log")


def test_losing_sight_is_no_code_of_the_task(throttled: tuple[Lane, LabHandle], tmp_path: Path) -> None:
    lane, lab = throttled
    lane.program("import time\nprint('begun', flush=True)\ntime.sleep(1)\n# sight\n")
    refused = {"code": "AccessDeniedException", "message": "not authorized to perform: ecs:DescribeTasks"}
    lab.rules({"service": "ecs", "op": "DescribeTasks", "do": "error", "times": -1, "skip": 2, **refused})
    ended = lane.run("apply", "--local")
    lab.rules()
    assert ended.code == 121
    assert "lost sight of run" in ended.err
    assert "come back to it: python -m reconciler watch" in ended.err
    assert lane.run("watch", "--local").code == 0


def test_a_new_role_that_the_scheduler_does_not_know_yet(throttled: tuple[Lane, LabHandle]) -> None:
    lane, lab = throttled
    lane.program("print('in time')\n", deploy="run:\n  max_duration: 1h\n")
    message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    lab.rules(
        {"service": "scheduler", "do": "error", "times": 2, "code": "ValidationException",
         "message": message},
        {"service": "scheduler", "do": "lose", "skip": 1},
    )  # fmt: skip
    lab.zero()
    ended = lane.run("apply", "--local")
    lab.rules()
    assert ended.code == 0, ended.err
    asked = [(row["op"].partition(" ")[0], row["fault"]) for row in lab.log("scheduler")]
    assert asked[:4] == [("POST", "error"), ("POST", "error"), ("POST", ""), ("PUT", "lose")]
    assert lane.client("scheduler").list_schedules()["Schedules"] == []
