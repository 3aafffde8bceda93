"""Unattended runs while clients and the function are killed at random, events are lost, Spot takes tasks back and
memory runs out.

UNATTENDED_SOAK=200 python -m pytest tests/run/test_soak_unattended.py -s     prints the figures

With UNATTENDED_SOAK_SECONDS no further run is begun after so long.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from reconciler.local import status
from reconciler.local.functions import BOOT
from tests.run.conftest import Lane
from tests.run.ears import NOTIFY, Ears
from tests.waiting import until

COUNT = int(os.environ.get("UNATTENDED_SOAK", "6"))
SECONDS = float(os.environ.get("UNATTENDED_SOAK_SECONDS", "inf"))
AT_ONCE = 4  # clients
KILLED = 0.35  # of them
CALLED = 15.0  # seconds after which the function has launched what a client that was killed had called it for
RULE = "tiny-schedule-tasks"  # by which the function hears of the ends of tasks
RULES = """\
run:
  unattended: true
  results: null
  capacity: [FARGATE_SPOT, FARGATE]
  retry: {interruption: 2, out_of_memory: 6, error: 1, exit_codes: [30], backoff: 0}
"""
# What a run does by its number: a good end, a bad one, a bad one that is retried; with more memory than some tasks get.
PROGRAM = """\
import os, sys, time
n = int(os.environ["N"])
print("begun", n, flush=True)
kept = [b"x" * 2**20 + bytes([i]) for i in range(120)]
time.sleep(0.5)
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
        """Kill processes of the function now and then, until it is done."""
        while not self.done.wait(self.random.uniform(0.2, 2.0)):
            functions = [process for process in self.server.children(recursive=True) if is_function(process)]
            if functions and self.random.random() < 0.3:
                self.random.choice(functions).kill()
                self.killed += 1


class Mishaps(threading.Thread):
    """Loses the events of all tasks for a while, again and again, and has Scheduler look at runs. lost: how many tasks
    ended unheard; looks: how many were made.
    """

    def __init__(self, lane: Lane, seed: int) -> None:
        super().__init__(daemon=True)
        self.lane, self.random, self.lost, self.looks = lane, random.Random(seed + 1), 0, 0
        self.done = threading.Event()
        self.events, self.scheduler = lane.client("events"), lane.client("scheduler")

    def run(self) -> None:
        """Take the rule of events away now and then, until it is done."""
        while not self.done.wait(self.random.uniform(1.0, 4.0)):
            before = len(self.lane.tasks("STOPPED"))
            self.events.disable_rule(Name=RULE)
            self.done.wait(self.random.uniform(0.5, 2.0))
            self.events.enable_rule(Name=RULE)
            self.lost += len(self.lane.tasks("STOPPED")) - before
            self.look(0.3)

    def look(self, share: float = 1.0) -> None:
        """At some of the runs that are under way, or all: their 20 minutes have gone by."""
        pages = self.scheduler.get_paginator("list_schedules").paginate()
        names = [
            schedule["Name"] for page in pages for schedule in page["Schedules"] if schedule["Name"].endswith("-look")
        ]
        for name in names:
            if self.random.random() < share:
                code, _ = self.lane.embedded.control("POST", f"schedules/default/{name}")
                self.looks += code == 200  # its run may be over by now


def is_function(process: psutil.Process) -> bool:
    try:
        return BOOT in process.cmdline()
    except psutil.Error:
        return False


@dataclass(frozen=True)
class Client:
    """A process that asks for the run with this number. Times are this machine's, dies: None for never."""

    number: int
    process: subprocess.Popen[str]
    began: float
    dies: float | None


class Soak:
    """The runs, their clients, and those who are told."""

    def __init__(self, lane: Lane, ears: Ears, seed: int) -> None:
        self.lane, self.ears, self.chance, self.killed = lane, ears, random.Random(seed), 0
        self.told, self.heard = Counter[str](), set[str]()
        self.begun = set[int]()  # the numbers of runs
        self.died: dict[int, float] = {}  # when a client of this number was killed
        self.usual = 10.0  # seconds that a client takes

    def known(self) -> dict[int, Any]:
        """The runs that are recorded."""
        recorded = json.loads(self.lane.run("runs", "--local", "--json", "--limit", str(10 * COUNT)).out)["runs"]
        runs = {int(run["overrides"]["environment"]["N"]): run for run in recorded}
        assert len(runs) == len(recorded), "one run for each"
        return runs

    def ended(self) -> dict[int, Any]:
        """All runs, once they are over; else none."""
        runs = self.known()
        return runs if all(run["state"] in ("succeeded", "failed") for run in runs.values()) else {}

    def clients_come_and_go(self) -> None:
        """An `apply` for each run, some at a time; one that is killed comes again where the function wasn't called."""
        waiting, active, end = list(range(COUNT)), list[Client](), time.monotonic() + SECONDS
        while waiting or active:
            if time.monotonic() > end:
                waiting = [number for number in waiting if number in self.begun]
            if not active and waiting:
                until(
                    lambda: any(self._known_by_now(number) for number in waiting),  # noqa: B023  called at once
                    "what killed clients had called for",
                )
            while len(active) < AT_ONCE and (number := self._next(waiting)) is not None:
                active.append(self._client(number))
            if not active:
                continue
            client = self.chance.choice(active)
            if client.dies is not None and time.monotonic() > client.dies and client.process.poll() is None:
                client.process.kill()
                self.killed += 1
            try:
                code = client.process.wait(self.chance.uniform(0.1, 0.5))
            except subprocess.TimeoutExpired:
                continue
            active.remove(client)
            if code >= 0:
                self.usual = (self.usual + time.monotonic() - client.began) / 2
            else:
                self.died[client.number] = time.monotonic()
                waiting.insert(0, client.number)

    def _known_by_now(self, number: int) -> bool:
        return time.monotonic() > self.died.get(number, -CALLED) + CALLED

    def _next(self, waiting: list[int]) -> int | None:
        """Takes out the number of the run to ask for next; None where there is none yet. That of a killed client comes
        again only where the function wasn't called: an `apply` after a run that failed is another run.
        """
        for number in reversed(waiting.copy()):
            if self._known_by_now(number):
                waiting.remove(number)
                if number not in self.died or not self.known().get(number, {}).get("attempts"):
                    self.begun.add(number)
                    return number
        return None

    def _client(self, number: int) -> Client:
        """One that dies at some moment of the time that a client takes here, or doesn't."""
        process = self.lane.start("apply", "--local", "--env", f"N={number}", "--wait-for-lock", "300")
        began = time.monotonic()
        dies = began + self.chance.uniform(0.0, self.usual) if self.chance.random() < KILLED else None
        return Client(number, process, began, dies)

    def all_told(self, ids: set[str]) -> bool:
        """Whether everyone has heard of all of these, and of no other."""
        self.told.update(message["run"] for message in self.ears.sns())
        self.heard.update(text["text"].split()[2] for text in self.ears.webhook())
        return self.told.keys() == ids == self.heard


@pytest.mark.long
def test_soak(lane: Lane, ears: Ears) -> None:
    lane.program(PROGRAM, deploy=NOTIFY + RULES)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    running = status(lane.folder / ".reconciler" / "local")
    assert running is not None
    seed = random.SystemRandom().randrange(2**32)
    print(f"\nseed {seed}")
    # Of the first launches on Spot, one of each run, some are interrupted and others lack memory.
    chosen = random.Random(seed).sample(range(COUNT), COUNT // 3 + COUNT // 6)
    rules = [{"capacityProvider": "FARGATE_SPOT", "skip": number} for number in chosen]
    interrupted, limited = rules[: COUNT // 3], rules[COUNT // 3 :]
    lane.behave(
        *({"do": "spot-interruption", "after_lines": 1, **rule} for rule in interrupted),
        *({"do": "memory-limit", "mib": 64, **rule} for rule in limited),
    )
    soak, killer, mishaps = Soak(lane, ears, seed), Killer(psutil.Process(running.pid), seed), Mishaps(lane, seed)
    before, began = len(lane.tasks()), time.monotonic()
    for thread in (killer, mishaps):
        thread.start()
    soak.clients_come_and_go()
    for thread in (killer, mishaps):
        thread.done.set()
        thread.join()
    mishaps.look()
    took, runs = time.monotonic() - began, until(soak.ended, "the end of all runs")
    assert {n: (run["state"], run["exit_code"]) for n, run in runs.items()} == {n: ENDS[n % 3] for n in soak.begun}
    attempts = [attempt for run in runs.values() for attempt in run["attempts"]]
    accounted = {attempt["task_arn"] for attempt in attempts if attempt["task_arn"]}
    assert len(lane.tasks()) - before == len(accounted) == sum(bool(attempt["task_arn"]) for attempt in attempts)
    until(lambda: soak.all_told({run["id"] for run in runs.values()}), "that each is told of, which follows its end")
    events = Counter(
        "out of memory" if "OutOfMemory" in attempt["reason"] else attempt["event"] for attempt in attempts
    )
    on_spot = sum(attempt["provider"] == "FARGATE_SPOT" for attempt in attempts)
    wanted = tuple(sum(rule["skip"] < on_spot for rule in rules_of_kind) for rules_of_kind in (interrupted, limited))
    assert (events["interruption"], events["out of memory"]) == wanted
    twice = sum(many > 1 for many in soak.told.values())
    print(
        f"{len(runs)} runs, {len(accounted)} tasks in {took:.0f} s; killed: {soak.killed} clients, "
        f"{killer.killed} calls of the function; ends of tasks: {dict(events)}, unheard: {mishaps.lost}; "
        f"looks: {mishaps.looks}; told twice: {twice}"
    )
