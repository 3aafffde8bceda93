"""The measure: 10,000 numbered lines and exit 37 at once, shown completely, in order, once, whatever is in the way."""

from __future__ import annotations

import os
import pty
import re
import signal
from collections.abc import Iterator

import pytest

from reconciler.run import last_lines
from tests.lab_client import LabHandle
from tests.run.conftest import Gate, Lane, records
from tests.waiting import LONG, until, until_printed

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


@pytest.mark.long
def test_the_measure(throttled: tuple[Lane, LabHandle]) -> None:
    """All of it at once: 10,000 lines and exit 37 in one moment, lines that come late, throttling, and a detach in the
    middle. What was shown before and after it is everything, in order, once; and 37 comes out.
    """
    lane, lab = throttled
    lane.program(f"{BURST}sys.exit(37)  # all at once\n")
    lane.behave({"do": "log-delay", "seconds": 1.5})
    lab.control("POST", "rate?per_second=6")
    lab.zero()
    try:
        ours = lane.start("apply", "--local", "--on-interrupt", "detach")
        begun = until_printed(ours, "  | ", times=100)
        ours.send_signal(signal.SIGINT)
        assert ours.stdout is not None
        before = shown(begun + ours.stdout.read())
        assert ours.wait(LONG) == 130
        back = lane.run("watch", "--local")
    finally:
        lab.control("POST", "rate?per_second=0")
    assert 100 <= len(before) < LINES, "in the middle"
    assert back.code == 37, back.err
    assert before + shown(back.out) == WANTED
    assert f"  ({len(before):,} lines were shown before: python -m reconciler logs " in back.out
    assert any(row["fault"] for row in lab.log()), "it was throttled"
    # Its end was shown: the next look is one back, at all of it.
    assert shown(lane.run("watch", "--local").out) == WANTED


def test_all_of_it_again_when_asked(throttled: tuple[Lane, LabHandle], gate: Gate) -> None:
    lane, _ = throttled
    lane.program(f"print('one', flush=True)\n{gate.wait}print('two')\nraise SystemExit(4)\n")
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    until_printed(ours, "| one")
    ours.send_signal(signal.SIGINT)
    assert ours.wait(LONG) == 130
    gate.open()
    ended = lane.run("watch", "--local", "--from-start")
    assert (ended.code, shown(ended.out)) == (4, ["one", "two"])


def test_lines_late_after_a_quiet_time(throttled: tuple[Lane, LabHandle]) -> None:
    """The last lines come long after the end: as late as those before were."""
    lane, _ = throttled
    lane.program(
        "import time\nprint('first', flush=True)\ntime.sleep(3)\nprint('disk full: ENOSPC')\nraise SystemExit(5)\n"
    )
    lane.behave({"do": "log-delay", "seconds": 2})
    ended = lane.run("apply", "--local")
    assert ended.code == 5
    assert shown(ended.out) == ["first", "disk full: ENOSPC"]


WHY = "import sys, time\nfor n in range(30):\n    print('line', n)\nraise ValueError('no rows')\n"


def test_lines_that_come_3_s_after_the_end_and_say_why(throttled: tuple[Lane, LabHandle]) -> None:
    """Those before were on time. It is recorded that it ended, then they are waited for, and the cause is recorded."""
    lane, _ = throttled
    lane.program(WHY)
    lane.behave({"do": "log-delay", "seconds": 3, "after_lines": 20, "from_stop": True})
    ours = lane.start("apply", "--local")
    out = until_printed(ours, "waiting for the last lines")
    (run, *_) = records(lane)
    assert (run["exit_code"], run["attempts"][-1]["event"], run["why"]) == (1, "error", "")
    assert ours.stdout is not None
    out += ours.stdout.read()
    assert ours.wait(LONG) == 1
    assert shown(out)[:30] == [f"line {n}" for n in range(30)]
    assert "  why      the program failed: ValueError: no rows\n" in out
    (run, *_) = records(lane)
    assert (run["state"], run["why"]) == ("failed", "the program failed: ValueError: no rows")
    assert "  why     the program failed: ValueError: no rows\n" in lane.run("runs", "show", "--local").out


def test_lines_that_are_known_to_come(throttled: tuple[Lane, LabHandle], monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them late; it is waited for these and no longer: where nothing were known, it would be for ever."""
    lane, _ = throttled
    monkeypatch.setattr(last_lines, "LATEST", 100 * LONG)
    lane.program("for n in range(10):\n    print('line', n)\n# known\n")
    lane.behave({"do": "log-delay", "seconds": 4, "stored": True})
    ended = lane.run("apply", "--local")
    assert (ended.code, shown(ended.out)) == (0, [f"line {n}" for n in range(10)])


def test_ctrl_c_shows_the_end_at_once(throttled: tuple[Lane, LabHandle]) -> None:
    lane, _ = throttled
    lane.program("print('never')\nraise SystemExit(7)\n# at once\n")
    lane.behave({"do": "log-delay", "seconds": 100 * LONG})
    for_ever = f"from reconciler.run import last_lines\nlast_lines.LATEST = {100 * LONG}"
    ours = lane.start("apply", "--local", "--on-interrupt", "stop", first=for_ever)
    out = until_printed(ours, "waiting for the last lines")
    assert re.search(r"  waiting for the last lines, 1[78]\d{3} s at most; Ctrl-C shows the end at once\n", out)
    ours.send_signal(signal.SIGINT)
    rest, err = ours.communicate(timeout=LONG)
    assert (ours.returncode, err) == (7, "")
    assert "failed after" in rest


def test_an_end_that_was_seen_is_not_lost(throttled: tuple[Lane, LabHandle]) -> None:
    """Whoever saw it is killed, and ECS forgets the task."""
    lane, _ = throttled
    lane.program("print('begun')\nraise SystemExit(37)\n# seen\n")
    lane.behave({"do": "log-delay", "seconds": 2}, {"do": "expire", "seconds": 1})
    ours = lane.start("apply", "--local")
    until_printed(ours, "STOPPED")
    ours.kill()
    ours.wait()
    (run, *_) = records(lane)
    until(
        lambda: run["attempts"][-1]["task_arn"] not in {task["taskArn"] for task in lane.tasks()}, "its being forgotten"
    )
    for command in ("runs", "runs show"):
        assert "failed     exit 37" in lane.run(*command.split(), "--local").out, command
    count = len(lane.tasks())
    ended = lane.run("apply", "--local")
    assert (ended.code, shown(ended.out)) == (37, ["begun"])
    assert len(lane.tasks()) == count


def test_a_followed_log_has_late_lines_too(throttled: tuple[Lane, LabHandle], gate: Gate) -> None:
    lane, _ = throttled
    lane.program(f"print('first', flush=True)\n{gate.wait}print('last')\n# followed\n")
    lane.behave({"do": "log-delay", "seconds": 1})
    ours = lane.start("apply", "--local")
    until(lambda: lane.run("logs", "--local").out == "first\n", "its first line")
    gate.open()
    assert lane.run("logs", "-f", "--local").out == "first\nlast\n"
    assert ours.wait(LONG) == 0


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


def interrupted_while_it_is_stopped(
    lane: Lane, lab: LabHandle, second: signal.Signals, stdin: int | None = None
) -> tuple[int, str]:
    """SIGINT, and another signal while ECS hasn't answered to StopTask. Returns the code and standard error."""
    lane.program(f"import time\nprint('begun', flush=True)\ntime.sleep(600)\n# {second}, {stdin}\n")
    lab.zero()
    lab.rules({"service": "ecs", "op": "StopTask", "do": "hold"})
    ours = lane.start("apply", "--local", stdin=stdin)
    until_printed(ours, "| begun")
    ours.send_signal(signal.SIGINT)
    lab.seen("StopTask")
    ours.send_signal(second)
    if second is signal.SIGINT:
        ours.wait(LONG)
    lab.release()
    lab.rules()
    return ours.wait(LONG), ours.communicate()[1]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cancelled_ci_job_has_its_task_stopped(
    throttled: tuple[Lane, LabHandle], terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGINT, then SIGTERM within its ten seconds: what was begun with the first goes on. CI may give a terminal."""
    lane, lab = throttled
    monkeypatch.setenv("CI", "true")
    ours, theirs = pty.openpty()
    code, err = interrupted_while_it_is_stopped(lane, lab, signal.SIGTERM, theirs if terminal else None)
    os.close(ours)
    os.close(theirs)
    assert code == 130
    assert re.fullmatch(
        r"run (\S+) is being stopped\n  see how it ended: python -m reconciler watch \1 --local\n", err
    ), err
    assert lane.run("watch", "--local").code == 123


def test_ctrl_c_twice_leaves_at_once(throttled: tuple[Lane, LabHandle]) -> None:
    lane, lab = throttled
    code, err = interrupted_while_it_is_stopped(lane, lab, signal.SIGINT)
    assert code == 130
    assert (
        err
        == "\ninterrupted again: leaving at once; running tasks in AWS continue; run the command again to continue\n"
    )
    assert lane.run("watch", "--local").code == 123


def test_losing_sight_is_no_code_of_the_task(throttled: tuple[Lane, LabHandle], gate: Gate) -> None:
    lane, lab = throttled
    lane.program(f"print('begun', flush=True)\n{gate.wait}# sight\n")
    refused = {"code": "AccessDeniedException", "message": "not authorized to perform: ecs:DescribeTasks"}
    lab.rules({"service": "ecs", "op": "DescribeTasks", "do": "error", "times": -1, "skip": 2, **refused})
    ended = lane.run("apply", "--local")
    lab.rules()
    gate.open()
    assert ended.code == 121
    assert "lost sight of run" in ended.err
    assert "follow it again: python -m reconciler watch" in ended.err
    assert lane.run("watch", "--local").code == 0


def test_a_new_role_that_the_scheduler_does_not_know_yet(throttled: tuple[Lane, LabHandle]) -> None:
    lane, lab = throttled
    lane.program("print('in time')\n", deploy="run:\n  max_duration: 1h\n")
    message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    lab.rules(
        {"service": "scheduler", "do": "error", "times": 2, "code": "ValidationException",
         "message": message},
        {"service": "scheduler", "do": "lose"},
        {"service": "scheduler", "do": "lose", "skip": 1},
    )  # fmt: skip
    lab.zero()
    ended = lane.run("apply", "--local")
    lab.rules()
    assert ended.code == 0, ended.err
    ops = [row["op"].partition(" ")[0] for row in lab.log() if row["service"] == "scheduler" or row["op"] == "RunTask"]
    assert ops.index("RunTask") == 4, "made before the launch"
    asked = [(row["op"].partition(" ")[0], row["fault"]) for row in lab.log("scheduler")]
    create, update = "CreateSchedule", "UpdateSchedule"
    assert asked[:5] == [(create, "error"), (create, "error"), (create, "lose"), (create, ""), (update, "lose")]
    assert lane.client("scheduler").list_schedules()["Schedules"] == []
