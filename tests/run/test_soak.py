"""Many short tasks, one after the other and at once, whose lines come 0 to 15 s late: no line, no exit code and no
explanation lost, no process and no memory left.

SOAK=500 python -m pytest tests/run/test_soak.py -s     prints the figures
"""

from __future__ import annotations

import json
import os
import statistics
import time
from bisect import bisect_left
from collections.abc import Container
from typing import Any

import psutil
import pytest

from reconciler.local import status
from reconciler.run.fleet import RATE
from tests.run.conftest import BUCKET, Lane
from tests.waiting import until

COUNT = int(os.environ.get("SOAK", "100"))
LINES = 20
PROGRAM = f"""\
import os, sys
n = int(os.environ["N"])
for i in range({LINES}):
    print(n, i)
if n % 3:
    print(n, "No space left on device")
sys.exit(n % 3 and 30 + n % 3)
"""


def shown(lane: Lane, run: dict[str, Any]) -> list[str]:
    """The lines of a run's log that CloudWatch shows now."""
    stream = f"ecs/main/{run['attempts'][-1]['task_arn'].rpartition('/')[2]}"
    page = lane.client("logs").get_log_events(logGroupName="/ecs/tiny", logStreamName=stream, startFromHead=True)
    return [event["message"] for event in page["events"]]


def recorded(s3: Any, runs: Container[str]) -> dict[str, float]:
    """When the end of each of these runs was written down, by its id: the first version of its record that has it; why
    it failed comes later. Tests before this one may have left versions of others, also of forged records.
    """
    ends: dict[str, float] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="runs/"):
        for version in page.get("Versions", ()):
            run, _, name = version["Key"].removeprefix("runs/").partition("/")
            if name == "run.json" and run in runs:
                kept = s3.get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
                if json.loads(kept)["state"] in ("succeeded", "failed"):
                    at = version["LastModified"].timestamp()
                    ends[run] = min(at, ends.get(run, at))
    return ends


@pytest.mark.long
def test_soak(lane: Lane) -> None:
    deploy = "run:\n  sweep:\n    grid: {N: [%s]}\n    max_parallel: 20\n"
    lane.program(PROGRAM, deploy=deploy % ", ".join(map(str, range(COUNT))))
    running = status(lane.folder / ".reconciler" / "local")
    assert running is not None
    server = psutil.Process(running.pid)
    lane.behave({"do": "log-delay", "seconds": 15, "random": True, "stored": True, "times": -1})
    before, began = server.memory_info().rss, time.monotonic()
    ended = lane.run("apply", "--local", "--json")
    # Before anything is asked here: moto lists versions by copying them all.
    took, grown = time.monotonic() - began, server.memory_info().rss - before
    runs = {int(run["overrides"]["environment"]["N"]): run for run in json.loads(ended.out)["sweep"]["runs"]}
    assert sorted(runs) == list(range(COUNT))
    table = [line.split() for line in ended.err.splitlines() if line.startswith("  N=")]
    wanted = [["succeeded", "0"] if n % 3 == 0 else ["failed", str(30 + n % 3)] for n in range(COUNT)]
    assert table
    assert all(row[1:3] == wanted[int(row[0].removeprefix("N="))] for row in table), "the table, which has some of all"
    launched = sorted(run["attempts"][0]["launched"] for run in runs.values())
    # What a slow look left unused is made up for: of a second at most.
    assert max(bisect_left(launched, at + 1) - n for n, at in enumerate(launched)) <= 2 * RATE
    waits, kept = [], recorded(lane.client("s3"), {run["id"] for run in runs.values()})
    for n, run in runs.items():
        assert run["exit_code"] == (30 + n % 3 if n % 3 else 0)
        full = f"{n} No space left on device"
        lines = [f"{n} {i}" for i in range(LINES)] + [full] * bool(n % 3)
        until(lambda: shown(lane, run) == lines, f"the lines of {n}")  # noqa: B023  called at once
        assert ("disk is full" in run["why"]) is bool(n % 3), run
        waits.append(kept[run["id"]] - run["attempts"][-1]["stopped"])
    median = statistics.median(waits)
    assert median < 1.0
    left = [child.cmdline() for child in server.children(recursive=True)]
    print(f"\n{COUNT} tasks in {took:.1f} s, {COUNT / took:.1f} a second; the server grew by {grown / 2**20:.1f} MiB")
    print(f"recorded {median:.2f} s after the end in the median, {max(waits):.2f} s at most (S3 tells whole seconds)")
    assert not any("train.py" in word for command in left for word in command), left
    assert not list((lane.folder / ".reconciler" / "local" / "tasks").iterdir())
    # What ECS, Logs and S3 keep of each task, and no more.
    assert grown < 2**20 * (20 + 0.2 * COUNT)
