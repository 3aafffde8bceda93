"""A run with workers, stopped after each of its calls: nothing runs on, and in the end nothing is left.

The points are those of tests/faults/stopping.py, of what follows once the resources are there. After each comes the
command that a user would give next. With --share it is one point of so many.
"""

from __future__ import annotations

import json
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
STOP, WATCH = ("stop", "--local"), ("watch", "--local")
BUCKET = "demo-data-123456789012"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("workers")
    program = {f"app/{name}": text for name, text in FILES.items()}
    for name, text in {**program, "deploy.yaml": DEPLOY % (made / "give-up"), "prices.csv": "a\n1\n"}.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[LabHandle]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RECONCILER_LOCAL_ENGINE", "process")
        made_lab = LabHandle(folder / ".reconciler" / "local")
        try:
            forked.warm()
            forked.warm_clients(made_lab)
            assert not (made := forked.run(made_lab, folder, (*APPLY, "--skip-run"))).code, made.output
            made_lab.zero()
            made_lab.keep()
            yield made_lab
        finally:
            made_lab.close()


@pytest.fixture
def lab(kept: LabHandle, folder: Path) -> LabHandle:
    """A lab in whose account all resources are, and no run."""
    (folder / "give-up").unlink(missing_ok=True)
    kept.back()
    return kept


def running(lab: LabHandle) -> list[Any]:
    """The tasks that have not stopped."""
    ecs, arns = lab.client("ecs"), list[str]()
    for status in ("RUNNING", "STOPPED"):
        arns += ecs.list_tasks(cluster="demo", desiredStatus=status)["taskArns"]
    tasks = ecs.describe_tasks(cluster="demo", tasks=arns)["tasks"] if arns else []
    return [task for task in tasks if task["lastStatus"] != "STOPPED"]


def certificates(lab: LabHandle) -> list[str]:
    """The names of the certificates that are left."""
    parameters = lab.client("ssm").get_parameters_by_path(Path="/reconciler/demo/workers")["Parameters"]
    return [parameter["Name"] for parameter in parameters]


def runs(lab: LabHandle) -> list[Any]:
    """The records of all runs."""
    s3 = lab.client("s3")
    keys = [s3_object["Key"] for s3_object in s3.list_objects_v2(Bucket=BUCKET, Prefix="runs/").get("Contents", ())]
    return [json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys if "/run.json" in key]


def nothing_left(lab: LabHandle, where: str) -> None:
    """No task runs, no certificate is there, and each run is over by its record."""
    assert not running(lab), where
    assert not certificates(lab), where
    assert {run["state"] for run in runs(lab)} <= {"succeeded", "failed", "stopped"}, where


def killed(lab: LabHandle, folder: Path, command: tuple[str, ...], n: int) -> tuple[str, str]:
    """Kill a command after its n-th call. Returns (at which that was, empty where it has made fewer; its output)."""
    first = forked.run(lab, folder, command, kill_after=n)
    where = f"point {n}: {[row['op'] for row in lab.log() if row['fault'] == 'kill']}"
    assert first.code in (0, -signal.SIGKILL), where + first.output
    lab.rules()
    lab.ahead(TTL + 5)  # the dead one's lock has ended
    return where if first.code else "", first.output


def every(request: pytest.FixtureRequest, points: int) -> int:
    """One point of so many is done."""
    return points if request.config.getoption("share") else 1


def stops(lab: LabHandle, folder: Path, first: int, step: int) -> Iterator[tuple[str, str]]:
    """`apply`, killed after its first such call and each so many further ones: what `killed` says. Nothing may be left
    of the run when the next is asked for.
    """
    n = first
    while (end := killed(lab, folder, APPLY, n))[0]:
        yield end
        nothing_left(lab, end[0])
        lab.back()
        n += step
    assert n >= first + 20, "too few points: did the command do anything?"


def test_stopped_after_any_call(lab: LabHandle, folder: Path, request: pytest.FixtureRequest) -> None:
    for where, output in stops(lab, folder, every(request, 19), every(request, 45)):
        (folder / "give-up").touch()
        until(lambda: not running(lab), f"the end of all tasks, with no client there; {where}")
        (folder / "give-up").unlink()
        ends = [forked.run(lab, folder, APPLY)]
        if ends[0].code:  # the program has ended itself, since its workers didn't come
            assert "the workers didn't come" in ends[0].output, where + ends[0].output
            ends.append(forked.run(lab, folder, APPLY))
        assert not ends[-1].code, where + ends[-1].output
        assert "workers: 2" in output + "".join(end.output for end in ends), where


def test_then_somebody_stops_the_run(lab: LabHandle, folder: Path, request: pytest.FixtureRequest) -> None:
    """While its program waits for its workers, of which some may run."""
    for where, _ in stops(lab, folder, 2, every(request, 12)):
        end = forked.run(lab, folder, STOP)
        assert bool(end.code) is not bool(runs(lab)), where + end.output
        until(lambda: not running(lab), f"the end of all tasks; {where}")
        assert not certificates(lab), where
        if "is being stopped" in end.output or "shows and records" in end.output:
            forked.run(lab, folder, WATCH)  # its program may have ended well meanwhile


def test_then_somebody_watches_the_run(lab: LabHandle, folder: Path, request: pytest.FixtureRequest) -> None:
    """They launch what is missing of its workers; what isn't launched yet is stopped."""
    step, watched = every(request, 12), 0
    for where, _ in stops(lab, folder, 3, step):
        end = forked.run(lab, folder, WATCH)
        where += end.output
        if end.code and "isn't launched" in end.output:
            assert not forked.run(lab, folder, STOP).code, where
        elif end.code:
            assert not runs(lab), where
        else:
            watched += 1
    assert watched >= 8 / step, "too few points: did the command do anything?"


def test_what_stops_the_run_is_stopped_after_any_call(
    lab: LabHandle, folder: Path, request: pytest.FixtureRequest
) -> None:
    """Its program waits for the second worker. Then comes another `stop`, or whoever watches."""
    step, n = every(request, 4), 1
    while True:
        first = forked.run(lab, folder, APPLY, kill_at="RunTask", skip=1)
        assert first.code == -signal.SIGKILL, first.output
        lab.rules()
        assert len(running(lab)) == 2
        if not (where := killed(lab, folder, STOP, n)[0]):
            break
        if n % 2:
            assert not (end := forked.run(lab, folder, STOP)).code, where + end.output
            until(lambda: not running(lab), f"the end of all tasks; {where}")
            assert not certificates(lab), where
        where += forked.run(lab, folder, WATCH).output
        nothing_left(lab, where)
        n += step
        lab.back()
    assert n > 6, "too few points: did the command do anything?"
