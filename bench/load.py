"""Load: many plans in a row, many at once, and what they leave behind.

    python -m bench.load ROW ONCE [PROCESSES]      in the folder of a deploy.yaml, with AWS_ENDPOINT_URL set

ROW plans one after another, each with a way to AWS of its own, then ONCE at the same time over one, in this process;
then PROCESSES commands at the same time. Prints threads, open files and memory before and after as one JSON object.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.config import Deploy, load
from reconciler.engine.prepare import prepare
from reconciler.image.kind import ImageKind

WARM = 20  # plans until everything is loaded and every cache is full


@dataclass(frozen=True)
class Held:
    """What this process holds. memory: MB resident. files: open ones, sockets too."""

    threads: int
    files: int
    memory: float

    @staticmethod
    def now() -> Held:
        """After everything that is garbage is gone."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(list(Path("/proc/self/fd").iterdir()))
        return Held(threading.active_count(), files, round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1))


FILE = Path("deploy.yaml")


def way(deploy: Deploy) -> Aws:
    """A way to AWS."""
    return Aws(deploy.region, endpoint_url=os.environ["AWS_ENDPOINT_URL"], read_only=True)


def plan(aws: Aws | None = None) -> int:
    """One plan, as the command makes it. Returns how many steps would change something."""
    deploy = load(FILE, environ=os.environ)
    with nullcontext(aws) if aws else way(deploy) as reached:
        image = ImageKind(None, lambda line: None)
        here = prepare(deploy, reached, FILE.resolve().parent, [image], skip_image=True)
        return len(here.plan(here.observe()).changes)


def row(count: int) -> list[Held]:
    """Plans one after another; what is held after the first ones, and then after each tenth of them."""
    for _ in range(min(WARM, count)):
        plan()
    held = [Held.now()]
    for number in range(1, count + 1):
        plan()
        if number % max(1, count // 10) == 0:
            held.append(Held.now())
    return held


def at_once(count: int) -> list[Held]:
    """Plans at the same time; what is held before and after."""
    before = Held.now()
    with way(load(FILE, environ=os.environ)) as aws, ThreadPoolExecutor(count) as pool:
        for changes in pool.map(lambda _: plan(aws), range(count)):
            assert changes == 0, "a plan under load saw something else than one without"
    return [before, Held.now()]


def processes(count: int) -> list[int]:
    """Commands at the same time; their exit codes."""
    command = [sys.executable, "-m", "reconciler", "plan", "--skip-image", "--detailed-exitcode", "--quiet"]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    return [process.wait() for process in running]


def main(in_row: int, once: int, commands: int) -> dict[str, object]:
    """Plans in a row, plans at once, and commands at once; what each of them held and took."""
    began = time.perf_counter()
    report: dict[str, object] = {"row": [asdict(held) for held in row(in_row)]}
    report["seconds of a plan in a row"] = round((time.perf_counter() - began) / (in_row + min(WARM, in_row)), 3)
    began = time.perf_counter()
    report["at once"] = [asdict(held) for held in at_once(once)]
    report["seconds of all at once"] = round(time.perf_counter() - began, 1)
    report["exit codes"] = processes(commands)
    return report


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)))
