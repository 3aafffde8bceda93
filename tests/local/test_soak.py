"""Many short tasks: no line and no exit code is lost, and nothing is left behind.

RECONCILER_SOAK_TASKS=500 makes it long.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from reconciler import local
from tests.local.test_lifecycle import descendants
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

TASKS = int(os.environ.get("RECONCILER_SOAK_TASKS", "20"))
AT_ONCE = 10
PROGRAM = """
import os, sys
number = int(os.environ["N"])
for line in range(number % 50):
    print("task", number, "line", line)
sys.exit(number % 7)
"""


def used(pid: int) -> dict[str, int]:
    """Threads, open files and memory (MiB) of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {"threads": int(status["Threads"]), "files": files, "mib": int(status["VmRSS"].split()[0]) // 1024}


def run_batch(embedded_aws: EmbeddedAws, family: str, numbers: range) -> None:
    """Run one task for each number at once, and check what each said and how it ended."""
    tasks: dict[int, str] = {}
    for number in numbers:
        environment = [{"name": "N", "value": str(number)}]
        override = {"containerOverrides": [{"name": "main", "environment": environment}]}
        tasks[number] = embedded_aws.launch(family, overrides=override)
    for number, arn in tasks.items():
        task = embedded_aws.finished(arn, seconds=60)
        assert task["containers"][0]["exitCode"] == number % 7
        assert embedded_aws.lines(arn) == [f"task {number} line {i}" for i in range(number % 50)]


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_many_tasks_leave_nothing_behind(tmp_path: Path, record_property: Any) -> None:
    running = local.ensure_running(tmp_path / "home")
    try:
        embedded_aws = EmbeddedAws(running)
        image = embedded_aws.put_image({"main.py": PROGRAM}, cmd=["python", "-I", "-S", "main.py"])
        family = embedded_aws.register(embedded_aws.container(image))
        run_batch(embedded_aws, family, range(AT_ONCE))  # what is loaded once is loaded
        before = used(running.pid)
        for start in range(0, TASKS, AT_ONCE):
            run_batch(embedded_aws, family, range(start, start + AT_ONCE))
        until(lambda: used(running.pid)["threads"] <= before["threads"] + 2, "the end of the tasks' threads")
        after = used(running.pid)
        record_property("soak", f"{TASKS} tasks: {before} -> {after}")
        print(f"{TASKS} tasks: {before} -> {after}")
        assert descendants(running.pid) == []
        assert not list((embedded_aws.home / "tasks").iterdir())
        assert after["files"] <= before["files"] + 2
        assert after["mib"] <= before["mib"] + 10 + TASKS // 20  # the state of stopped tasks and their lines is kept
    finally:
        local.stop(tmp_path / "home")
