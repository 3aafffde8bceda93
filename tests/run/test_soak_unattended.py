"""Unattended runs while clients and the function are killed at random, Spot takes tasks back and memory runs out.

UNATTENDED_SOAK=200 python -m pytest tests/run/test_soak_unattended.py -s     prints the figures
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import threading
import time
from collections import Counter
from typing import Any

import psutil
import pytest

from reconciler.local import status
from reconciler.local.functions import BOOT
from tests.run.conftest import Lane
from tests.run.ears import NOTIFY, Ears
from tests.waiting import until

COUNT = int(os.environ.get("UNATTENDED_SOAK", "6"))
AT_ONCE = 4  # clients
RULES = """\
run:
  unattended: true
  results: null
  capacity: [FARGATE_SPOT, FARGATE]
  retry: {interruption: 2, out_of_memory: 2, error: 1, exit_codes: [30], backoff: 0}
"""
# What a run does by its number: a good end, a bad one, a bad one that is retried; with more memory than some tasks get.
PROGRAM = """\
import os, sys, time
n = int(os.environ["N"])
print("begun", n, flush=True)
kept = [b"x" * 2**20 + bytes([i]) for i in range(120)]
time.sleep(0.3)
sys.exit((0, 7, 30)[n % 3])
"""
ENDS = (("succeeded", 0), ("failed", 7), ("failed", 30))


class Killer(threading.Thread):
    """Kills the function's processes at random moments. killed: how many."""

    def __init__(self, server: psutil.Process, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.random, self.killed = server, random.Random(seed), 0
        self.done = threading.Event()

    def run(self) -> None:
        """Until it is done."""
        while not self.done.wait(self.random.uniform(0.2, 2.0)):
            found = [one for one in self.server.children(recursive=True) if is_function(one)]
            if found and self.random.random() < 0.3:
                self.random.choice(found).kill()
                self.killed += 1


def is_function(process: psutil.Process) -> bool:
    try:
        return BOOT in process.cmdline()
    except psutil.Error:
        return False


@pytest.mark.long
def test_soak(lane: Lane, ears: Ears) -> None:
    lane.program(PROGRAM, deploy=NOTIFY + RULES)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    running = status(lane.folder / ".reconciler" / "local")
    assert running is not None
    seed = random.SystemRandom().randrange(2**32)
    print(f"\nseed {seed}")
    chance, killer = random.Random(seed), Killer(psutil.Process(running.pid), seed)
    lane.behave(
        {"do": "spot-interruption", "after_lines": 1, "capacityProvider": "FARGATE_SPOT", "times": COUNT // 3},
        {"do": "memory-limit", "mib": 64, "times": COUNT // 6},
    )
    before, began, clients = len(lane.tasks()), time.monotonic(), 0

    def known() -> dict[int, Any]:
        found = json.loads(lane.run("runs", "--local", "--json", "--limit", str(10 * COUNT)).out)["runs"]
        runs = {int(one["overrides"]["environment"]["N"]): one for one in found}
        assert len(runs) == len(found), "one run for each"
        return runs

    def ended() -> dict[int, Any]:
        runs = known()
        return runs if all(one["state"] in ("succeeded", "failed") for one in runs.values()) else {}

    killer.start()
    waiting = list(range(COUNT))
    active: list[tuple[int, subprocess.Popen[str]]] = []
    while waiting or active:
        while waiting and len(active) < AT_ONCE:
            n = waiting.pop()
            active.append((n, lane.start("apply", "--local", "--env", f"N={n}", "--wait-for-lock", "300")))
        number, process = chance.choice(active)
        if chance.random() < 0.1:
            process.kill()
            clients += 1
        try:
            code = process.wait(chance.uniform(0.1, 1.0))
        except subprocess.TimeoutExpired:
            continue
        active.remove((number, process))
        if code < 0 and number not in known():  # its user comes again where nothing was begun
            waiting.insert(0, number)
    killer.done.set()
    killer.join()
    took = time.monotonic() - began

    runs = until(ended, "the end of all runs")
    assert sorted(runs) == list(range(COUNT))
    tasks = {task["taskArn"] for task in lane.tasks()}
    accounted = [one["task_arn"] for run in runs.values() for one in run["attempts"] if one["task_arn"]]
    assert len(set(accounted)) == len(accounted)
    assert len(tasks) - before == len(accounted), "no task that no record has"
    for n, run in runs.items():
        assert (run["state"], run["exit_code"]) == ENDS[n % 3], run
    told, heard, ids = Counter[str](), set[str](), {run["id"] for run in runs.values()}

    def all_told() -> bool:
        told.update(one["run"] for one in ears.sns())
        heard.update(text["text"].split()[2] for text in ears.webhook())
        return told.keys() == ids == heard

    until(all_told, "that each is told of, which follows its end")
    events = Counter(one["event"] for run in runs.values() for one in run["attempts"])
    print(
        f"{COUNT} runs, {len(accounted)} tasks in {took:.0f} s; killed: {clients} clients, {killer.killed} calls of "
        f"the function; ends of tasks: {dict(events)}; told twice: {sum(many > 1 for many in told.values())}; attempts "
        f"in the mean: {statistics.mean(len(run['attempts']) for run in runs.values()):.2f}"
    )
