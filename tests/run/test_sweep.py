"""Sweeps: a task for each combination, some failing by intent; the next apply runs what is missing, nothing else."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from tests import share
from tests.run.conftest import Gate, Lane, golden
from tests.waiting import LONG, until, until_printed

COUNT = int(os.environ.get("SWEEP", max(share.examples(20), 10)))
PROGRAM = """\
import json, os, sys
n = int(os.environ["N"])
print("n is", n, flush=True)
if n % 5 == 4 and not os.environ.get("MEND"):
    sys.exit(40 + n % 7)
import boto3
bucket, _, prefix = os.environ["OUTPUT_URI"].removeprefix("s3://").partition("/")
body = json.dumps({"metrics": {"loss": (n - 7) ** 2}})
boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/metrics.json", Body=body.encode())
"""
SWEEP = (
    f"run:\n  sweep:\n    grid: {{N: {list(range(COUNT))}}}\n    max_parallel: {3 * COUNT // 10}\n    metric: loss\n"
)


def runs_of(lane: Lane) -> dict[int, Any]:
    """The newest run of each combination, by its N."""
    runs: list[Any] = json.loads(lane.run("runs", "--local", "--json", "--limit", "1000").out)["runs"]
    return {int(run["overrides"]["environment"]["N"]): run for run in reversed(runs) if run["sweep"]}


def test_a_sweep_and_its_going_on(lane: Lane) -> None:
    lane.program(PROGRAM, deploy=SWEEP)
    known = len(lane.tasks())
    ours = lane.start("apply", "--local", "--on-interrupt", "stop")
    until_printed(ours, "succeeded", times=3)
    ours.send_signal(signal.SIGINT)
    assert ours.stdout is not None
    rest = ours.stdout.read()
    assert ours.wait(LONG) == 130, rest
    assert ours.stderr is not None
    assert "are being stopped\n" in ours.stderr.read()
    before = len(lane.tasks())
    assert before - known < COUNT
    done = sum(run["state"] == "succeeded" for run in runs_of(lane).values())
    assert 3 <= done < COUNT

    # Whatever didn't succeed is run now, also what was stopped; the rest isn't.
    ended = lane.run("apply", "--local")
    assert ended.code == 124, ended.out + ended.err
    assert f"{COUNT} combinations, {done} done before, 0 under way, {COUNT - done} to launch" in ended.out
    failing = [n for n in range(COUNT) if n % 5 == 4]
    assert len(lane.tasks()) <= before + COUNT - done
    runs = runs_of(lane)
    assert sorted(runs) == list(range(COUNT))
    for n, run in runs.items():
        wanted = ("succeeded", 0, {"loss": float((n - 7) ** 2)}) if n not in failing else ("failed", 40 + n % 7, {})
        assert (run["state"], run["exit_code"], run["metrics"]) == wanted
    if COUNT == 20:
        golden("sweep", type(ended)(ended.code, ended.out[ended.out.index("  combination") :], ""))

    before = len(lane.tasks())
    third = lane.run("apply", "--local", "--json")
    assert third.code == 124
    assert len(lane.tasks()) == before + len(failing)
    told = json.loads(third.out)
    assert told["verdict"] == {"result": "some-failed", "exit_code": 124, "task_exit_code": None}
    assert told["sweep"]["counts"] == {"succeeded": COUNT - len(failing), "failed": len(failing)}
    best = lane.run("runs", "best", "loss", "--lowest", "--local").out.splitlines()
    assert best[0].split()[0] == "0"
    assert [float(line.split()[0]) for line in best] == sorted((n - 7) ** 2 for n in range(COUNT) if n not in failing)[
        :10
    ]


def test_why_runs_of_a_sweep_failed_is_known_though_their_lines_are_late(lane: Lane) -> None:
    """All are waited for at the same time, and their ends were written down before."""
    deploy = "run:\n  sweep:\n    grid: {N: [1, 2, 3, 4, 5, 6]}\n    max_parallel: 6\n"
    lane.program("import sys\nprint('No space left on device')\nsys.exit(3)\n", deploy=deploy)
    lane.behave({"do": "log-delay", "seconds": 4, "times": -1})
    ended = lane.run("apply", "--local", "--json")
    runs = json.loads(ended.out)["sweep"]["runs"]
    assert len(runs) == 6
    assert all("disk is full" in run["why"] for run in runs), [run["why"] for run in runs]
    assert all("disk is full" in run["why"] for run in runs_of(lane).values())
    assert ended.err.count("waiting for the last lines") == 1


def test_ctrl_c_ends_the_wait_for_last_lines_and_nothing_else(lane: Lane) -> None:
    lane.program("import sys\nprint('x')\nsys.exit(3)\n", deploy="run:\n  sweep:\n    grid: {N: [1, 2, 3]}\n")
    lane.behave({"do": "log-delay", "seconds": 600, "times": -1})
    ours = lane.start("apply", "--local", "--on-interrupt", "stop")
    until_printed(ours, "waiting for the last lines, ")
    ours.send_signal(signal.SIGINT)
    told = time.monotonic()
    out, err = ours.communicate()
    assert time.monotonic() - told < 25, "it was waited to the end"
    assert ours.returncode == 124, out + err
    assert "  3 failed\n" in out
    assert "stopped" not in out + err
    assert {(run["state"], run["exit_code"], run["why"]) for run in runs_of(lane).values()} == {("failed", 3, "")}
    assert {task["lastStatus"] for task in lane.tasks()} == {"STOPPED"}


def test_never_more_at_once_than_allowed(lane: Lane, gate: Gate) -> None:
    """The first three wait for one another; then it is in ECS's records who was under way at the same time."""
    lane.program(f"print('begun', flush=True)\n{gate.wait}", deploy=SWEEP.replace(": 6", ": 3"))
    lane.behave({"do": "no-capacity", "times": 2}, {"do": "spot-interruption", "times": 1})
    lane.write(
        "deploy.yaml",
        (lane.folder / "deploy.yaml").read_text() + "  retry: {no_capacity: 3, interruption: 3, backoff: 0}\n",
    )
    before = {task["taskArn"] for task in lane.tasks()}
    ours = lane.start("apply", "--local")
    until(lambda: len(lane.tasks("RUNNING")) == 3, "three at once")
    gate.open()
    out, _ = ours.communicate()
    assert ours.returncode == 0, out
    spans = [(task["createdAt"], task["stoppedAt"]) for task in lane.tasks() if task["taskArn"] not in before]
    assert len(spans) >= COUNT
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 3
    assert f"  {COUNT} succeeded\n" in out
    assert "launching again" in out


def test_copies(lane: Lane) -> None:
    lane.program("import os\nprint(os.environ['RUN_INDEX'], 'of', os.environ['RUN_COUNT'])\n")
    ended = lane.run("apply", "--local", "--count", "3")
    assert ended.code == 0, ended.out + ended.err
    assert "  3 succeeded\n" in ended.out
    again = lane.run("apply", "--local", "--count", "3")
    assert "Nothing to run: every combination has a run that succeeded." in again.out
    assert lane.run("apply", "--local", "--count", "0").code == 2


def test_what_is_the_same_run_is_run_and_shown_once(lane: Lane) -> None:
    """Also where the file's own variables make two combinations the same; each row of the table is one line."""
    sweep = 'run: {sweep: {list: [{A: "1"}, {B: "2"}, {A: "1", B: "2"}, {B: "x\\ny"}]}}\n'
    lane.program("import os\nprint(os.environ.get('B'))\n", deploy=sweep)
    before, file = len(lane.tasks()), (lane.folder / "deploy.yaml").read_text()
    lane.write("deploy.yaml", file.replace("task:\n", 'task:\n  environment: {A: "1"}\n'))
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "3 combinations, 0 done before, 0 under way, 3 to launch" in ended.out
    assert len(lane.tasks()) == before + 3
    table = ended.out[ended.out.index("  combination") :].splitlines()
    assert [row.split()[0] for row in table] == ["combination", "A=1", "B=2", r"B=x\ny", "3"]
    assert len({row.index("succeeded") for row in table[1:4]} | {table[0].index("state")}) == 1


def test_variables_that_are_too_long_are_said_before_anything_is_changed(lane: Lane) -> None:
    lane.program("print('x')\n", deploy=f"run: {{sweep: {{grid: {{LONG: [short, {'x' * 9000}]}}}}}}\n")
    before = lane.run("runs", "--local").out
    ended = lane.run("apply", "--local")
    assert ended.code == 2, ended.out + ended.err
    assert "and AWS takes 8,192" in ended.err
    assert "image" not in ended.out
    assert lane.run("runs", "--local").out == before
