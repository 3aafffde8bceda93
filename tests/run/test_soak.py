"""Many short tasks, one after the other and at once: no line and no exit code lost, no process and no memory left.

SOAK=500 python -m pytest tests/run/test_soak.py -s     prints the figures
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left

import psutil

from reconciler.local import status
from reconciler.run.fleet import RATE
from tests.run.conftest import Lane

COUNT = int(os.environ.get("SOAK", "100"))
LINES = 20
PROGRAM = f"""\
import os, sys
n = int(os.environ["N"])
for i in range({LINES}):
    print(n, i)
sys.exit(n % 3 and 30 + n % 3)
"""


def test_soak(lane: Lane) -> None:
    deploy = "run:\n  sweep:\n    grid: {N: [%s]}\n    max_parallel: 20\n"
    lane.program(PROGRAM, deploy=deploy % ", ".join(map(str, range(COUNT))))
    running = status(lane.folder / ".reconciler" / "local")
    assert running is not None
    server = psutil.Process(running.pid)
    before, began = server.memory_info().rss, time.monotonic()
    ended = lane.run("apply", "--local", "--json")
    took = time.monotonic() - began
    runs = {int(one["overrides"]["environment"]["N"]): one for one in json.loads(ended.out)["sweep"]["runs"]}
    assert sorted(runs) == list(range(COUNT))
    table = [line.split() for line in ended.err.splitlines() if line.startswith("  N=")]
    wanted = [["succeeded", "0"] if n % 3 == 0 else ["failed", str(30 + n % 3)] for n in range(COUNT)]
    assert [(row[0], row[1:3]) for row in table] == [(f"N={n}", wanted[n]) for n in range(COUNT)]
    launched = sorted(one["attempts"][0]["launched"] for one in runs.values())
    # Two batches a second; the third of a moment later may have begun.
    assert max(bisect_left(launched, at + 1) - n for n, at in enumerate(launched)) <= 1.5 * RATE
    logs = lane.client("logs")
    for n, one in runs.items():
        assert one["exit_code"] == (30 + n % 3 if n % 3 else 0)
        stream = f"ecs/main/{one['attempts'][-1]['task_arn'].rpartition('/')[2]}"
        page = logs.get_log_events(logGroupName="/ecs/tiny", logStreamName=stream, startFromHead=True)
        assert [event["message"] for event in page["events"]] == [f"{n} {i}" for i in range(LINES)]
    left = [child.cmdline() for child in server.children(recursive=True)]
    grown = server.memory_info().rss - before
    print(f"\n{COUNT} tasks in {took:.1f} s, {COUNT / took:.1f} a second; the server grew by {grown / 2**20:.1f} MiB")
    assert not any("train.py" in word for command in left for word in command), left
    assert not list((lane.folder / ".reconciler" / "local" / "tasks").iterdir())
    # What ECS, Logs and S3 keep of each task, and no more.
    assert grown < 2**20 * (20 + 0.2 * COUNT)
