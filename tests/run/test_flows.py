"""Runs through the agent: retries, deadlines, interruptions, coming back, two at once; real processes throughout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.conftest import Gate, Lane, golden, records
from tests.waiting import LONG, until_printed


def test_a_spot_interruption_falls_back_to_fargate(lane: Lane) -> None:
    lane.program(
        "import os, time\nprint('begun', flush=True)\ntime.sleep(float(os.environ.get('WAIT', '0.3')))\n",
        deploy="run:\n  capacity: [FARGATE_SPOT, FARGATE]\n  retry: {interruption: 0}\n",
    )
    lane.behave({"do": "spot-interruption", "after_lines": 1, "capacityProvider": "FARGATE_SPOT"})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    golden("spot-fallback", ended)
    (newest, *_) = records(lane)
    assert [(a["provider"], a["event"]) for a in newest["attempts"]] == [
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


@pytest.mark.parametrize(
    ("name", "bound"), [("max-cost", "backoff: 0, max_cost: 0.0003"), ("within", "backoff: 60, within: 50")]
)
def test_retries_end_with_their_bounds(lane: Lane, name: str, bound: str) -> None:
    lane.program(f"print('{name}')\nraise SystemExit(75)\n", deploy=f"run:\n  retry: {{error: 9, {bound}}}\n")
    ended = lane.run("apply", "--local")
    assert ended.code == 75
    golden(name, ended)


def test_no_exit_code_is_a_failure(lane: Lane) -> None:
    lane.program("print('done, but who knows')\n")
    lane.behave({"do": "no-exit-code"})
    ended = lane.run("apply", "--local")
    assert ended.code == 122
    golden("no-exit-code", ended)


def test_two_applies_at_once_launch_one_task(lane: Lane, gate: Gate) -> None:
    lane.program(f"print('only one', flush=True)\n{gate.wait}# twice\n")
    before = len(lane.tasks())
    applies = [lane.start("apply", "--local", "--wait-for-lock", str(LONG)) for _ in range(2)]
    for ours in applies:
        until_printed(ours, "  | only one\n")
    gate.open()
    for ours in applies:
        out, err = ours.communicate(timeout=LONG)
        assert ours.returncode == 0, out + err
    assert len(lane.tasks()) == before + 1


def test_overrides_make_another_run(lane: Lane) -> None:
    lane.program(
        "import os, sys\nprint(os.environ.get('EPOCHS'), sys.argv[1:])\n", deploy="  environment: {EPOCHS: '1'}\n"
    )
    assert lane.run("apply", "--local").code == 0
    other = lane.run("apply", "--local", "--env", "EPOCHS=20", "--cpu", "512", "--memory", "1GB", "--command", "python",
                     "train.py", "--fast")  # fmt: skip
    assert other.code == 0, other.out + other.err
    assert "  | 20 ['--fast']\n" in other.out
    newest = records(lane)[0]
    assert (newest["inputs"]["cpu"], newest["inputs"]["memory"]) == (512, 1024)
    task = next(t for t in lane.tasks() if t["taskArn"] == newest["attempts"][0]["task_arn"])
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
