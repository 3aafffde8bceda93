"""An unattended run whose client is killed after any of its calls: with the next apply there is one task of it.

Of one with workers nothing is left in the end, whether that next command is `apply` or `stop`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.lock_holder import TTL
from reconciler.run import follow
from tests.faults import forked
from tests.faults.stopping import APPLY, PREPARE
from tests.lab_client import LabHandle
from tests.stand_in_engine import FILES
from tests.waiting import until

DEPLOY = """\
name: demo
data: prices.csv
image: app
run: {unattended: true}
"""
CREW = """\
name: crew
data: prices.csv
image: crew
task: {cpu: 256, memory: 512}
run: {unattended: true, workers: {count: 1}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHandle]:
    """A lab in whose account all resources are, and a deploy in the folder of its home's."""
    folder = tmp_path_factory.mktemp("unattended")
    (folder / "app").mkdir()
    (folder / "app" / "Dockerfile").write_text('FROM scratch\nCMD ["echo", "trained"]\n')
    (folder / "prices.csv").write_text("time,close\n1,2\n")
    (folder / "deploy.yaml").write_text(DEPLOY)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RECONCILER_LOCAL_ENGINE", "process")
        patched.setattr(follow, "LATE", 1e9)  # a command's clock is ahead, and the function's isn't
        forked.warm()
        made_lab = LabHandle(folder / ".reconciler" / "local")
        try:
            forked.warm_clients(made_lab)
            ended = forked.run(made_lab, folder, PREPARE)
            assert ended.code == 0, ended.output
            yield made_lab
        finally:
            made_lab.close()


def test_its_client_is_killed_after_any_call(lab: LabHandle, request: pytest.FixtureRequest) -> None:
    """Each time it is another run, since events reach no lab that has gone back; with --share at the fifth."""
    done, points = 0, (5, 99) if request.config.getoption("share") else range(1, 100)
    folder = Path(lab.home).parents[1]
    for n in points:
        done += 1
        apply = (*APPLY, "--detach", "--env", f"N={n}")
        first = forked.run(lab, folder, apply, kill_after=n)
        lab.rules()
        lab.ahead(TTL + 5)  # the dead one's lock has ended
        if first.code != 0:
            assert first.code == -signal.SIGKILL, first.output
            second = forked.run(lab, folder, apply)
            assert second.code == 0, f"{n}: {second.output}"
        lab.ahead(0)
        (run,) = until(partial(ended, lab, n), f"the end of run {n}")
        assert (run["state"], run["unattended"], len(run["attempts"])) == ("succeeded", True, 1), n
        started = [task["taskArn"] for task in tasks(lab) if task["startedBy"].startswith(run["id"])]
        assert started == [run["attempts"][0]["task_arn"]], n
        if first.code == 0:
            break
    assert len(tasks(lab)) == done
    assert n > 5, "did it do anything?"


def test_with_workers(lab: LabHandle, request: pytest.FixtureRequest) -> None:
    """The function launches them, and ends them; killed before it has the run, it is the client's to go on or stop."""
    every, folder, stops = 7 if request.config.getoption("share") else 1, Path(lab.home).parents[1], list[bool]()
    for name, text in {"crew.yaml": CREW, **{f"crew/{name}": text for name, text in FILES.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = forked.run(lab, folder, ("apply", "crew.yaml", "--local", "--skip-run"))
    assert made.code == 0, made.output
    for n in range(2, 200, every):
        apply = ("apply", "crew.yaml", "--local", "--detach", "--env", f"N={n}")
        first = forked.run(lab, folder, apply, kill_after=n)
        lab.rules()
        lab.ahead(TTL + 5)
        ours, said = runs(lab, "crew", n), first.output
        if first.code != 0:
            assert first.code == -signal.SIGKILL, said
            second_command: tuple[str, ...] = apply
            if ours:
                stops.append(not stops or not stops[-1])  # how many points there are differs by one or two
                if stops[-1]:
                    second_command = ("stop", ours[0]["id"], "--file", "crew.yaml", "--local")
            second = forked.run(lab, folder, second_command)
            assert second.code == 0, f"{n}: {second.output}"
            said += second.output
        lab.ahead(0)
        ssm = lab.client("ssm")
        for lock in ssm.get_parameters_by_path(Path="/reconciler/crew/lock")["Parameters"]:
            ssm.delete_parameter(Name=lock["Name"])  # the dead one's, which `stop` doesn't wait for
        until(partial(ended, lab, n, "crew"), f"the end of run {n}: {said}")
        until(partial(nothing_left, lab), f"the end of all that run {n} has: {said}")
        if first.code == 0:
            break
    assert sum(stops) >= 5 / every, "did it do anything?"


def runs(lab: LabHandle, deploy: str, n: int) -> list[Any]:
    """The run with this number, if there is one."""
    s3, bucket = lab.client("s3"), f"{deploy}-data-123456789012"
    keys = [s3_object["Key"] for s3_object in s3.list_objects_v2(Bucket=bucket, Prefix="runs/").get("Contents", ())]
    records = [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys if "/run.json" in key]
    ours = [run for run in records if run["overrides"]["environment"] == {"N": str(n)}]
    assert len(ours) < 2, ours
    return ours


def ended(lab: LabHandle, n: int, deploy: str = "demo") -> list[Any]:
    """The run with this number, once it is over; nothing before."""
    return [run for run in runs(lab, deploy, n) if run["state"] in ("succeeded", "failed", "stopped")]


def nothing_left(lab: LabHandle) -> bool:
    """Whether no task and no certificate of workers is left."""
    left = lab.client("ssm").get_parameters_by_path(Path="/reconciler/crew/workers")["Parameters"]
    return not left and all(task["lastStatus"] == "STOPPED" for task in tasks(lab, "crew"))


def tasks(lab: LabHandle, cluster: str = "demo") -> list[Any]:
    ecs = lab.client("ecs")
    described: list[Any] = []
    for status in ("RUNNING", "STOPPED"):
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status):
            if page["taskArns"]:
                described += ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]
    return described
