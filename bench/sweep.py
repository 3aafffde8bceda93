"""A sweep of many combinations on the embedded AWS, whose tasks only take time; interrupted in the middle.

    python -m bench.sweep [COUNT] [--parallel N] [--seconds S]

`apply` is started, interrupted with Ctrl-C (`--on-interrupt detach`) once a third is launched, started again, and once
more when nothing is left. Printed: time, memory, requests and launches a second of each, and how many tasks there were.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.lab import ROOT, Lab

SAID = "apply.log"
DEPLOY = """\
name: tiny
data: prices.csv
image: {{uri: "python:3.13-slim"}}
task: {{cpu: 256, memory: 512}}
run:
  sweep:
    grid: {{A: {a}, B: {b}}}
    max_parallel: {parallel}
"""


def started(lab: Lab, folder: Path, *more: str) -> subprocess.Popen[str]:
    """`apply`, under way. What it says is in the folder's `apply.log`."""
    command = [sys.executable, "-m", "reconciler", "apply", "--json", "--on-interrupt", "detach", *more]
    environment = {**lab.environment, "PYTHONPATH": os.fspath(ROOT)}
    with (folder / SAID).open("ab") as said:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=said, text=True)


def ended(running: subprocess.Popen[str]) -> tuple[int, dict[str, Any], float]:
    """(exit code, what it printed, MB at most)."""
    assert running.stdout is not None
    out = running.stdout.read()
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return running.returncode, json.loads(out) if out.strip() else {}, used.ru_maxrss / 1024


def sweep(count: int, parallel: int, folder: Path, lab: Lab) -> dict[str, Any]:
    """Run a sweep, stop it and go on with it. Returns what is measured, by part."""
    folder.mkdir()
    rows = next(divisor for divisor in range(math.isqrt(count), 0, -1) if count % divisor == 0)
    text = DEPLOY.format(a=[*range(rows)], b=[*range(count // rows)], parallel=parallel)
    (folder / "deploy.yaml").write_text(text)
    (folder / "prices.csv").write_text("a\n1\n")
    made = started(lab, folder, "--skip-run")
    assert ended(made)[0] == 0
    measured: dict[str, Any] = {}
    tasks: list[float] = []
    for part in ("interrupted", "gone on", "nothing left"):
        lab.zero()
        began = time.perf_counter()
        running = started(lab, folder)
        if part == "interrupted":
            while lab.operations().get("ecs:RunTask", 0) < count // 3 and running.poll() is None:
                time.sleep(0.2)
            running.send_signal(signal.SIGINT)
        code, answer, memory = ended(running)
        times = lab.launches()
        tasks += times
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        measured[part] = {
            "code": code,
            "seconds": round(time.perf_counter() - began, 1),
            "MB": round(memory),
            "server MB": round(lab.memory),
            "tasks": len(times),
            "launches a second": round(rate, 1),
            "requests": lab.operations(),
            "runs": (answer.get("sweep") or {}).get("counts"),
        }
    measured["tasks"] = len(tasks)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__.partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="that each task lasts (default: %(default)s)")
    options = parser.parse_args()
    os.environ["TASK_SECONDS"] = str(options.seconds)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with Lab(folder / "lab", module="bench.timed_lab") as lab:
            print(json.dumps(sweep(options.count, options.parallel, folder / "sweep", lab), indent=1))


if __name__ == "__main__":
    main()
