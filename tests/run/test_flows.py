"""Runs through the agent: retries, deadlines, interruptions, coming back, two at once; real processes throughout."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import Lane, golden, until

SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(60)\n"


def records(lane: Lane) -> list[Any]:
    """The runs, newest first."""
    found: list[Any] = json.loads(lane.run("runs", "--local", "--json").out)["runs"]
    return found


def test_a_spot_interruption_falls_back_to_fargate(lane: Lane) -> None:
    lane.program(
        "import os, time\nprint('begun', flush=True)\ntime.sleep(float(os.environ.get('WAIT', '0.3')))\n",
        deploy="run:\n  capacity: [FARGATE_SPOT, FARGATE]\n  retry: {interruption: 0}\n",
    )
    lane.behave({"do": "spot-interruption", "after_lines": 1, "capacityProvider": "FARGATE_SPOT"})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    golden("spot-fallback", ended)
    (one, *_) = records(lane)
    assert [(a["provider"], a["event"]) for a in one["attempts"]] == [
        ("FARGATE_SPOT", "interruption"), ("FARGATE", "success"),
    ]  # fmt: skip


def test_no_room_on_spot_goes_to_fargate_at_once(lane: Lane) -> None:
    lane.program(
        "print('there is room')\n", deploy="run:\n  capacity: [FARGATE_SPOT, FARGATE]\n  retry: {no_capacity: 0}\n"
    )
    lane.behave({"do": "no-capacity", "times": -1, "capacityProvider": "FARGATE_SPOT"})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    golden("no-room-fallback", ended)


def test_an_exit_code_is_retried_as_a_new_task(lane: Lane) -> None:
    lane.program(
        "import boto3, os, sys\nbucket, _, prefix = os.environ['OUTPUT_URI'].removeprefix('s3://').partition('/')\n"
        "s3 = boto3.client('s3')\n"
        "seen = s3.list_objects_v2(Bucket=bucket, Prefix=prefix + '/seen').get('KeyCount')\n"
        "s3.put_object(Bucket=bucket, Key=prefix + '/seen', Body=b'')\n"
        "print('attempt', 2 if seen else 1)\nsys.exit(0 if seen else 75)\n",
        deploy="run:\n  retry: {error: 2, exit_codes: [75], backoff: 0}\n",
    )
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    golden("retried", ended)
    assert [(a["event"], a["exit_code"]) for a in records(lane)[0]["attempts"]] == [("error", 75), ("success", 0)]


def test_a_task_that_ecs_does_not_know_yet_is_waited_for(lane: Lane) -> None:
    lane.program("print('not missing')\n")
    lane.behave({"do": "missing", "looks": 4})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "  | not missing\n" in ended.out


def test_no_exit_code_is_a_failure(lane: Lane) -> None:
    lane.program("print('done, but who knows')\n")
    lane.behave({"do": "no-exit-code"})
    ended = lane.run("apply", "--local")
    assert ended.code == 122
    golden("no-exit-code", ended)


def schedules(lane: Lane) -> list[str]:
    found = lane.client("scheduler").list_schedules()["Schedules"]
    return [one["Name"] for one in found]


def test_max_duration_holds_when_nobody_watches(lane: Lane) -> None:
    lane.program(f"{SLEEPS}# deadline\n", deploy="run:\n  max_duration: 60\n")
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    (name,) = until(lambda: schedules(lane), "a schedule")
    schedule = lane.client("scheduler").get_schedule(Name=name)
    (task,) = until(lambda: lane.tasks("RUNNING"), "a running task")
    wanted = {"Cluster": "tiny", "Task": task["taskArn"], "Reason": "run.max_duration is over"}
    until(lambda: json.loads(lane.client("scheduler").get_schedule(Name=name)["Target"]["Input"]) == wanted, "its task")
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["Target"]["RoleArn"].endswith(":role/tiny-stop-role")
    assert re.fullmatch(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)", schedule["ScheduleExpression"])
    ours.send_signal(signal.SIGINT)
    assert ours.wait(10) == 130
    # Its time has come: the embedded scheduler calls StopTask, as the role that may do nothing else.
    lane.control("POST", f"schedules/default/{name}")
    ended = lane.run("watch", "--local")
    assert ended.code == 123, ended.out + ended.err
    assert "  why      it ran longer than its run.max_duration of 60 s\n" in ended.out
    golden("max-duration", ended)
    assert schedules(lane) == [], "taken away with the end of the run"


def test_a_run_that_ends_in_time_leaves_no_schedule(lane: Lane) -> None:
    lane.program("print('quick')\n", deploy="run:\n  max_duration: 1h\n")
    assert lane.run("apply", "--local").code == 0
    assert schedules(lane) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("choice", ["stop", "detach"])
def test_interrupted(lane: Lane, number: signal.Signals, choice: str) -> None:
    lane.program(f"{SLEEPS}# {number} {choice}\n")
    ours = lane.start("apply", "--local", "--on-interrupt", choice)
    (task,) = until(lambda: lane.tasks("RUNNING"), "a running task")
    assert ours.stdout is not None
    while "begun" not in ours.stdout.readline():
        pass
    began = time.monotonic()
    ours.send_signal(number)
    _, err = ours.communicate(timeout=10)
    assert ours.returncode == 130
    assert time.monotonic() - began < 8
    run_id = records(lane)[0]["id"]
    if choice == "detach":
        assert f"detached; run {run_id} goes on" in err
        assert f"python -m reconciler watch {run_id} --local" in err
        assert [one["taskArn"] for one in lane.tasks("RUNNING")] == [task["taskArn"]]
        assert lane.run("stop", "--local").code == 0
    else:
        assert f"run {run_id} is being stopped" in err
    ended = lane.run("watch", "--local")
    assert ended.code == 123
    assert "  why      somebody stopped it\n" in ended.out
    if number is signal.SIGINT:
        golden(f"interrupted-{choice}", ended)


def test_a_task_that_ended_while_nobody_looked(lane: Lane) -> None:
    lane.program(
        "import time\nprint('begun', flush=True)\ntime.sleep(1.5)\nprint('ended')\n# nobody\nraise SystemExit(37)\n"
    )
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    assert ours.stdout is not None
    while "begun" not in ours.stdout.readline():
        pass
    ours.send_signal(signal.SIGTERM)
    assert ours.wait(10) == 130
    until(lambda: not lane.tasks("RUNNING"), "its end")
    count = len(lane.tasks())
    back = lane.run("apply", "--local")
    assert back.code == 37, back.out + back.err
    golden("came-back", back)
    assert len(lane.tasks()) == count, "looked at, not launched again"
    watched = lane.run("watch", "--local")
    assert watched.code == 37
    assert [line for line in watched.out.splitlines() if line.startswith("  | ")] == ["  | begun", "  | ended"]
    told = json.loads(lane.run("watch", "--local", "--json").out)
    assert told["verdict"] == {"result": "task-failed", "exit_code": 37, "task_exit_code": 37}


def test_two_applies_at_once_launch_one_task(lane: Lane) -> None:
    lane.program("import time\nprint('only one', flush=True)\ntime.sleep(2)\n# twice\n")
    before = len(lane.tasks())
    both = [lane.start("apply", "--local", "--wait-for-lock", "30") for _ in range(2)]
    for ours in both:
        out, err = ours.communicate(timeout=40)
        assert ours.returncode == 0, out + err
        assert "  | only one\n" in out
    assert len(lane.tasks()) == before + 1


def test_the_end_is_reported_within_a_second(lane: Lane) -> None:
    lane.program("import time\ntime.sleep(2.5)\nprint('at', repr(time.time()), flush=True)\n# prompt\n")
    ours = lane.start("apply", "--local")
    assert ours.stdout is not None
    last = told = 0.0
    for line in ours.stdout:
        if line.startswith("  | at "):
            last = float(line.split()[-1])
        elif line.startswith("Run ") and "succeeded" in line:
            told = time.time()
    assert ours.wait(10) == 0
    assert 0 < told - last < 1.0, f"{told - last:.2f} s"


def test_overrides_make_another_run(lane: Lane) -> None:
    lane.program(
        "import os, sys\nprint(os.environ.get('EPOCHS'), sys.argv[1:])\n", deploy="  environment: {EPOCHS: '1'}\n"
    )
    assert lane.run("apply", "--local").code == 0
    other = lane.run("apply", "--local", "--env", "EPOCHS=20", "--cpu", "512", "--memory", "1GB", "--command", "python",
                     "train.py", "--fast")  # fmt: skip
    assert other.code == 0, other.out + other.err
    assert "  | 20 ['--fast']\n" in other.out
    one = records(lane)[0]
    assert (one["inputs"]["cpu"], one["inputs"]["memory"]) == (512, 1024)
    task = next(t for t in lane.tasks() if t["taskArn"] == one["attempts"][0]["task_arn"])
    assert (task["cpu"], task["memory"]) == ("512", "1024")
    again = lane.run("apply", "--local", "--env", "EPOCHS=20", "--cpu", "512", "--memory", "1GB", "--command", "python",
                     "train.py", "--fast")  # fmt: skip
    assert "Nothing to run: run " in again.out
    wrong = lane.run("apply", "--local", "--cpu", "512", "--memory", "512")
    assert wrong.code == 2
    assert "Fargate has no such size" in wrong.err


def test_json_has_a_verdict(lane: Lane, tmp_path: Path) -> None:
    lane.program("print('json')\nraise SystemExit(121)\n")
    ended = lane.run("apply", "--local", "--json")
    assert ended.code == 119
    told = json.loads(ended.out)
    assert told["verdict"] == {"result": "task-failed", "exit_code": 119, "task_exit_code": 121}
    assert told["run"]["state"] == "failed"
    lane.write("deploy.yaml", "name: tiny\nnothing: here\n")
    refused = lane.run("apply", "--local", "--json")
    assert refused.code == 2
    assert json.loads(refused.out)["verdict"] == {"result": "wrong-input", "exit_code": 2, "task_exit_code": None}


def test_looking_back(lane: Lane) -> None:
    lane.program("print('first line')\nprint('second line')\n# back\n")
    assert lane.run("apply", "--local").code == 0
    run_id = records(lane)[0]["id"]
    assert lane.run("logs", run_id, "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", "-f", run_id, "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", run_id, "--since", "1h", "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", run_id, "--since", "soon", "--local").code == 2
    shown = lane.run("runs", "show", run_id, "--local").out
    assert "attempt 1 on FARGATE: success" in shown
    assert lane.run("stop", run_id, "--local").out == f"run {run_id} is over: succeeded\n"


def test_a_run_that_waits_for_its_retry_can_be_stopped(lane: Lane) -> None:
    lane.program("print('once')\nraise SystemExit(75)\n", deploy="run:\n  retry: {error: 1, backoff: 4s}\n")
    ours = lane.start("apply", "--local")
    assert ours.stdout is not None
    while "launching again" not in ours.stdout.readline():
        pass
    count = len(lane.tasks())
    assert "had no task under way" in lane.run("stop", "--local").out
    assert ours.wait(20) == 123, ours.stdout.read()
    assert len(lane.tasks()) == count
