"""A run with workers, stopped after each of its calls: nothing runs on, and in the end nothing is left.

The points are those of tests/faults/stopping.py, of what follows once the resources are there.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.lock_holder import TTL
from tests.faults import forked
from tests.lab_client import LabHandle
from tests.stand_in_engine import FILES
from tests.waiting import until

# The program gives up on its workers where this file is: so a test says when, and no machine is too slow for it.
DEPLOY = """\
name: demo
data: prices.csv
image: app
task: {cpu: 256, memory: 512, environment: {GIVE_UP: "%s"}}
run: {workers: {count: 2}}
"""
APPLY = ("apply", "--local")
SHARE = 6  # with --share one point of so many


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    program = {f"app/{name}": text for name, text in FILES.items()}
    for name, text in {**program, "deploy.yaml": DEPLOY % (tmp_path / "give-up"), "prices.csv": "a\n1\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def lab(folder: Path) -> Iterator[LabHandle]:
    found = LabHandle(folder / ".reconciler" / "local")
    forked.warm()
    forked.warm_clients(found)
    assert not (made := forked.run(found, folder, (*APPLY, "--skip-run"))).code, made.output
    found.zero()
    found.keep()
    yield found
    found.close()


def running(lab: LabHandle) -> list[Any]:
    """The tasks that have not stopped."""
    ecs, arns = lab.client("ecs"), list[str]()
    for status in ("RUNNING", "STOPPED"):
        arns += ecs.list_tasks(cluster="demo", desiredStatus=status)["taskArns"]
    tasks = ecs.describe_tasks(cluster="demo", tasks=arns)["tasks"] if arns else []
    return [task for task in tasks if task["lastStatus"] != "STOPPED"]


def certificates(lab: LabHandle) -> list[str]:
    """Those that are left."""
    found = lab.client("ssm").get_parameters_by_path(Path="/reconciler/demo/workers")["Parameters"]
    return [one["Name"] for one in found]


def test_stopped_after_any_call(lab: LabHandle, folder: Path, request: pytest.FixtureRequest) -> None:
    step, n, stopped = SHARE if request.config.getoption("share") else 1, 1, 0
    while True:
        lab.back()
        first = forked.run(lab, folder, APPLY, kill_after=n)
        if first.code == 0:
            break
        where = f"point {n}: {[row['op'] for row in lab.log() if row['fault'] == 'kill']}"
        assert first.code == -signal.SIGKILL, where + first.output
        (folder / "give-up").touch()
        until(lambda: not running(lab), f"the end of all tasks, with no client there; {where}")
        (folder / "give-up").unlink()
        lab.rules()
        lab.ahead(TTL + 5)
        ends = [forked.run(lab, folder, APPLY)]
        if ends[0].code:  # the program has ended itself, since its workers didn't come
            assert "the workers didn't come" in ends[0].output, where + ends[0].output
            ends.append(forked.run(lab, folder, APPLY))
        assert not ends[-1].code, where + ends[-1].output
        assert "workers: 2" in "".join(end.output for end in (first, *ends)), where
        assert not running(lab), where
        assert not certificates(lab), where
        n, stopped = n + step, stopped + 1
    assert stopped >= 20 / step, "too few points: did the command do anything?"
