"""A run's workers: which are missing, what they are launched with, how they ended, their cost; and with real Dask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.container import Container
from reconciler.core.function_settings import Cap
from reconciler.core.prices import hourly
from reconciler.core.workers import CERTIFICATES, PORTS, mark_of, number_of, port_of
from reconciler.kinds import TaskDefinitionSpec
from reconciler.run.cap import Limits, price_of
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.retry import LOST_SCHEDULER, Attempt, Event, again
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.step import spent
from reconciler.run.verdict import judge
from reconciler.run.worker_definitions import definitions
from reconciler.run.workers import (
    GRACE,
    LAUNCHES,
    UNSEEN,
    KnownWorker,
    Size,
    address_of,
    how_ended,
    how_they_are,
    is_lost,
    launches_of,
    missing,
    run_worker,
    size_of,
)
from tests.run.conftest import Lane, records
from tests.run.test_max_cost import fire, schedule
from tests.run.test_step import RETRIES
from tests.stand_in_engine import FILES as STAND_IN
from tests.stand_in_engine import PROGRAM as PROGRAM_OF_STAND_IN
from tests.waiting import until

ID, NOW = "20260101-000000-aaaaaaaa", 10_000.0
WORKERS = {"engine": "dask", "count": 2, "cpu": 1024, "memory": 4096}


def run(workers: Any = None, *attempts: Attempt) -> Run:
    inputs = {"cpu": 256, "memory": 512} | ({} if workers is None else {"workers": workers})
    return Run(
        id=ID, fingerprint="a" * 64, state=State.RUNNING, created=0.0, inputs=inputs, output="s3://b/o", cluster="c",
        attempts=attempts or (Attempt(1, "FARGATE", f"{ID}-1", 9_000.0, "arn/1"),),
    )  # fmt: skip


def task(status: str = "RUNNING", code: int | None = None, **more: Any) -> dict[str, Any]:
    container = {"name": "worker", "exitCode": code, "reason": more.pop("why", None)}
    known = {"lastStatus": status, "desiredStatus": status, "group": "worker-3", "memory": "512"}
    return {**known, "containers": [container], **more}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, [1, 2]),
        ({1: KnownWorker(1, task(), NOW - 5)}, [2]),
        ({1: KnownWorker(1, task("PENDING"), NOW), 2: KnownWorker(1, task("STOPPED"), NOW)}, [2]),
        ({1: KnownWorker(1, task("DELETED"), NOW), 2: KnownWorker(1, task(), NOW)}, [1]),
        ({1: KnownWorker(1, None, NOW - UNSEEN / 2), 2: KnownWorker(1, None, NOW - UNSEEN - 1)}, [2]),
        ({1: KnownWorker(LAUNCHES, task("STOPPED"), NOW), 2: KnownWorker(LAUNCHES - 1, task("STOPPED"), NOW)}, [2]),
        ({1: KnownWorker(1, task("STOPPED", stoppedAt=datetime.fromtimestamp(NOW - GRACE + 1, UTC)), NOW - 90)}, [2]),
        ({1: KnownWorker(1, task("STOPPED", stoppedAt=datetime.fromtimestamp(NOW - GRACE, UTC)), NOW - 90)}, [1, 2]),
        ({1: KnownWorker(LAUNCHES, None, 0.0), 2: KnownWorker(1, task(), NOW), 3: KnownWorker(1, task(), NOW)}, []),
    ],
)
def test_what_is_missing(known: dict[int, KnownWorker], expected: list[int]) -> None:
    assert missing(2, known, NOW) == expected


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        (None, None),
        (WORKERS, Size(2, 1024, 4096)),
        (WORKERS | {"count": 0}, None),
        (WORKERS | {"count": 101}, None),
        (WORKERS | {"count": True}, None),
        (WORKERS | {"count": "2"}, None),
        (WORKERS | {"memory": 4097}, None),
        (WORKERS | {"memory": [4096]}, None),
        (WORKERS | {"cpu": 3}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_record_may_say_anything(workers: Any, expected: Size | None) -> None:
    assert size_of(run(workers)) == expected


@pytest.mark.parametrize(
    ("worker", "words", "lost", "lost_at_the_end"),
    [
        (task(), "", False, False),
        (task("STOPPED", 0, stoppedReason="Essential container in task exited"), "ended", True, False),
        (task("STOPPED", 143, stoppedReason="its run is over"), "ended: its run is over, exit code 143", True, False),
        (task("STOPPED", 1, stoppedReason="x"), "worker 3 ended: x, exit code 1", True, True),
        (task("DELETED", 1, stoppedReason="x"), "worker 3 ended: x, exit code 1", True, True),
        (task("STOPPED", 137, why="OutOfMemoryError: killed"), "worker 3 was out of memory (512 MiB)", True, True),
        (task("STOPPED", 143, stopCode="SpotInterruption"), "worker 3 was interrupted by Spot", True, False),
        (task("STOPPED", None, stoppedReason="no image"), "worker 3 ended: no image", True, False),
    ],
)  # fmt: skip
def test_how_a_worker_ended(worker: dict[str, Any], words: str, lost: bool, lost_at_the_end: bool) -> None:
    assert (is_lost(worker, over=False), is_lost(worker, over=True)) == (lost, lost_at_the_end)
    assert not words or words in how_ended(worker)


def test_how_they_are_while_their_run_is_under_way() -> None:
    ended = [task("STOPPED", why="OutOfMemoryError: killed") | {"group": f"worker-{number}"} for number in range(1, 6)]
    assert how_they_are([], 4) == "0 of 4 run"
    assert how_they_are([task(), task("PENDING") | {"group": "worker-4"}], 4) == "1 of 4 run"
    told = [f"worker {number} was out of memory (512 MiB)" for number in (3, 4, 5)]
    assert how_they_are([*ended, ended[-1], task()], 5) == "; ".join(("1 of 5 run", *told[1:]))
    assert how_they_are([*ended, task()], 5) == "; ".join(("1 of 5 run", *told))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"lastStatus": "PENDING", "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]}]}, ""),
        ({"lastStatus": "RUNNING", "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]}]},
         "10.0.0.1"),
        ({"lastStatus": "RUNNING", "containers": [{}, {"networkInterfaces": [{}]}]}, ""),
        ({"lastStatus": "RUNNING", "desiredStatus": "STOPPED",
          "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]}]}, ""),
        ({"lastStatus": "RUNNING"}, ""),
        ({"lastStatus": "RUNNING", "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]},
                                                  {"name": "scheduler", "lastStatus": "RUNNING"}]}, "10.0.0.1"),
        ({"lastStatus": "RUNNING", "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]},
                                                  {"name": "scheduler", "lastStatus": "STOPPED"}]}, ""),
    ],
)  # fmt: skip
def test_where_a_task_is_reached(shown: dict[str, Any], expected: str) -> None:
    assert address_of(shown) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("worker-3", 1), ("worker-3-2", 2), ("worker-12-4", 4), ("worker", 1), ("x-3-2", 1), ("worker-3-x", 1), (None, 1)],
)
def test_which_launch_a_task_is(name: str | None, expected: int) -> None:
    command = ["worker", "tls://10.0.0.1:1", *([] if name is None else ["--name", name]), "--no-nanny"]
    assert launches_of({"overrides": {"containerOverrides": [{"command": command}]}}) == expected
    assert launches_of({"overrides": {"containerOverrides": [{}]}}) == launches_of({}) == 1


def test_names() -> None:
    assert port_of(ID) in PORTS
    assert port_of(ID) != port_of(f"{ID}-2")
    assert [number_of(name) for name in ("worker-12", "family:tiny", "worker-x", "")] == [12, 0, 0, 0]
    assert mark_of(f"{ID}-1").startswith(f"{ID}-1")


def test_what_a_worker_is_launched_with() -> None:
    def asked(launches: int, provider: str = "FARGATE") -> dict[str, Any]:
        return run_worker(
            run(WORKERS), 3, launches, "10.0.0.1", provider, Size(4, 2048, 4096), Overrides({"A": "b"}), cluster="c",
            task_definition="d", subnets=("s",), security_group="g", public_ip=True,
        )  # fmt: skip

    first = asked(0)
    (container,) = first["overrides"]["containerOverrides"]
    words = " ".join(container["command"])
    assert words.startswith(f"worker tls://10.0.0.1:{port_of(ID)} --name worker-3 --no-nanny")
    assert "--nthreads 2 --memory-limit 4096MiB --death-timeout 120" in words
    assert {variable["name"] for variable in container["environment"]} == {"A", "OUTPUT_URI", "RUN_ID"}
    assert (first["startedBy"], first["group"]) == (f"{ID}-1/workers", "worker-3")
    tokens = [request["clientToken"] for request in (first, asked(1), asked(0, "FARGATE_SPOT"))]
    assert len(set(tokens)) == 3  # with other parameters ECS would refuse a token
    assert all(len(token) <= 64 for token in tokens)
    assert "worker-3-2" in asked(1)["overrides"]["containerOverrides"][0]["command"]


@pytest.mark.parametrize(
    ("seconds", "event"), [(-9.0, Event.INTERRUPTION), (0.5, Event.INTERRUPTION), (2.0, Event.ERROR)]
)
def test_a_scheduler_that_was_killed_before_anything_was_stopped_is_lost(seconds: float, event: Event) -> None:
    """ECS may not say that it lacked memory, or somebody has killed it: ECS itself waits before it kills."""
    ended = {
        "stopCode": "EssentialContainerExited", "stoppingAt": datetime.fromtimestamp(NOW, UTC),
        "executionStoppedAt": datetime.fromtimestamp(NOW + seconds, UTC),
        "containers": [{"name": "main", "exitCode": 1}, {"name": "scheduler", "exitCode": 137}],
    }  # fmt: skip
    assert judge(ended, ("main",)).event is event


@pytest.mark.parametrize(
    ("seconds", "scheduler", "main", "event"),
    [
        (5, 1, 1, Event.ERROR),  # the image lacks Dask
        (59, 1, 1, Event.ERROR),
        (60, 1, 1, Event.INTERRUPTION),
        (4000, 2, 143, Event.INTERRUPTION),
        (4000, 1, 0, Event.SUCCESS),
        (4000, 0, 1, Event.ERROR),  # the program has shut it down, or failed itself
        (4000, 143, 1, Event.ERROR),
    ],
)
def test_a_scheduler_that_failed_after_it_had_worked_is_lost(
    seconds: float, scheduler: int, main: int, event: Event
) -> None:
    ended = {
        "stopCode": "EssentialContainerExited", "startedAt": datetime.fromtimestamp(NOW - seconds, UTC),
        "stoppedAt": datetime.fromtimestamp(NOW, UTC),
        "containers": [{"name": "main", "exitCode": main}, {"name": "scheduler", "exitCode": scheduler}],
    }  # fmt: skip
    assert judge(ended, ("main",)).event is event


@pytest.mark.parametrize(
    ("scheduler", "main", "event"),
    [
        ({"exitCode": 0}, 0, Event.SUCCESS),
        ({"exitCode": 0}, 1, Event.ERROR),
        ({"exitCode": 143}, 1, Event.ERROR),
        ({"exitCode": 137, "reason": "OutOfMemoryError"}, 1, Event.INTERRUPTION),
        ({"exitCode": 139}, 143, Event.INTERRUPTION),
        ({"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}, 0, Event.SUCCESS),
        ({"exitCode": 137}, 0, Event.SUCCESS),
        ({"exitCode": 137}, 1, Event.ERROR),  # still starting, it didn't hear of SIGTERM
        ({"exitCode": 137, "reason": ""}, 1, Event.ERROR),
        ({"exitCode": 1}, 1, Event.ERROR),
        ({}, 1, Event.ERROR),
    ],
)
def test_a_lost_scheduler_is_tried_again(scheduler: dict[str, Any], main: int, event: Event) -> None:
    ended = {
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "stoppedAt": datetime.fromtimestamp(NOW, UTC),
        "containers": [{"name": "main", "exitCode": main}, {"name": "scheduler", **scheduler}],
    }  # fmt: skip
    verdict = judge(ended, ("main",))
    assert verdict.event is event
    if event is Event.INTERRUPTION:
        attempt = verdict.ends(run(WORKERS).attempts[0])
        assert LOST_SCHEDULER in attempt.reason
        following = again(RETRIES, ("FARGATE_SPOT", "FARGATE"), [attempt], cost=None, now=NOW)
        assert isinstance(following, str)  # RETRIES allows none
        assert following.startswith(LOST_SCHEDULER)


def test_one_that_computes_is_killed_soon_whatever_the_program_may_take() -> None:
    """It has nothing to save, and would compute for all of the program's stop timeout."""
    place = "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:1"
    launch = LaunchSettings("tiny", "tiny", place, "main", (), "sg", True, "/tests", "run", {})
    main = Container(name="main", image="x", stop_timeout=120)
    spec = TaskDefinitionSpec(name="tiny", cpu=256, memory=512, containers=(main,))
    theirs, ours = definitions(spec, launch, run(WORKERS), Size(2, 1024, 4096), "secret")
    assert [(container.name, container.stop_timeout) for container in theirs.containers] == [("worker", 5)]
    assert [(container.name, container.stop_timeout) for container in ours.containers] == [
        ("main", 120),
        ("scheduler", 120),
    ]


def test_they_are_paid_for() -> None:
    program, worker = hourly("us-east-1", "X86_64", 256, 512), hourly("us-east-1", "X86_64", 1024, 4096)
    assert program is not None
    assert worker is not None
    attempt = Attempt(1, "FARGATE", f"{ID}-1", 0.0, "arn/1", started=0.0, stopped=7200.0)
    assert spent(run(WORKERS, attempt), "us-east-1", NOW) == pytest.approx(2 * (program + 2 * worker))
    limits = Limits(None, Cap(1.0, False, 90), "us-east-1")
    assert price_of(run(WORKERS), attempt, limits) == pytest.approx(program + 2 * worker)
    assert price_of(run(), attempt, limits) == pytest.approx(program)
    managed = Limits(None, Cap(1.0, False, 90, 3.0), "us-east-1")
    on_instance = replace(attempt, provider="tiny-managed")
    assert price_of(run(WORKERS), on_instance, managed) == pytest.approx(3.0 + 2 * worker)
    assert price_of(run(), on_instance, managed) == pytest.approx(3.0)


PROGRAM = """
import os, socket, ssl, sys, time, boto3, distributed
where = os.environ["DASK_SCHEDULER_ADDRESS"]
host, port = where.removeprefix("tls://").split(":")
client = distributed.Client(where, timeout=60)
client.wait_for_workers(int(os.environ["DASK_WORKERS"]), timeout=60)
names = lambda: sorted(one["name"] for one in client.scheduler_info(n_workers=-1)["workers"].values())
print("workers:", *names(), flush=True)
client.run(lambda: print("hello from here", flush=True))
print("sum:", sum(client.gather(client.map(lambda x: x * x, range(10)))), flush=True)
for address in (where, *client.scheduler_info(n_workers=-1)["workers"]):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = address.removeprefix("tls://").split(":")
    try:
        with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as stranger:
            print("a stranger got", stranger.recv(1))
    except (ssl.SSLError, ConnectionError):
        print("a stranger was refused", flush=True)
while names() != ["worker-1-2"]:
    time.sleep(0.1)
print("replaced", flush=True)
bucket, _, key = os.environ["CHECKPOINT_URI"].removeprefix("s3://").partition("/")
boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/state", Body=os.environ["RUN_ATTEMPT"].encode())
client.run_on_scheduler(lambda: os.abort()) if os.environ["RUN_ATTEMPT"] == "1" else client.close()
sys.exit(os.environ["RUN_ATTEMPT"] == "1")
"""
FILE = "run: {checkpoint: true, workers: {count: 1}, retry: {backoff: 0}}\n"


def test_with_dask(lane: Lane) -> None:
    """A worker is found, nobody else let in, a lost one replaced; a lost scheduler is a retry from the checkpoint."""
    lane.program(PROGRAM, deploy=FILE)
    applied = lane.start("apply", "--local")

    def replaced(attempt: int) -> None:
        mark = f"-{attempt}/workers"
        workers = until(lambda: [t for t in lane.tasks("RUNNING") if t["startedBy"].endswith(mark)], "a worker")
        lines = until(
            lambda: _lines(lane, workers[0]["startedBy"].removesuffix("/workers")), "the program's look at it"
        )
        assert lines.count("a stranger was refused") == 2, lines
        lane.client("ecs").stop_task(cluster="tiny", task=workers[0]["taskArn"])

    replaced(1)
    replaced(2)
    out, err = applied.communicate(timeout=120)
    assert applied.returncode == 0, out + err
    assert "main | workers: worker-1\n" in out
    assert out.count("worker-1 | hello from here") == 2
    assert out.count("sum: 285") == out.count("| replaced") == 2
    assert f"{LOST_SCHEDULER}: launching again" in out
    assert "  attempt 2 continued from the checkpoint" in out
    assert not lane.tasks("RUNNING")
    ssm = lane.client("ssm")
    assert not ssm.get_parameters_by_path(Path="/reconciler/tiny/workers")["Parameters"]
    recorded = json.loads(lane.run("runs", "--local", "--json").out)["runs"][0]
    definition = lane.client("ecs").describe_task_definition(taskDefinition=recorded["task_definition"])
    shown = json.dumps([recorded, definition, lane.tasks()], default=str) + out + err
    assert "PRIVATE KEY" not in shown
    main = definition["taskDefinition"]["containerDefinitions"][0]
    assert {secret["name"] for secret in main["secrets"]} == {*CERTIFICATES}
    lane.bare()


LOSES_ONE = """
def count():
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"p")
        return int(connection.recv(9))
while count():
    time.sleep(0.02)
while not count():
    time.sleep(0.02)
print("another one", flush=True)
"""


@pytest.fixture
def stand_in(lane: Lane) -> Iterator[Lane]:
    """The project, in whose image the stand-in is."""
    (lane.folder / "dask").mkdir()
    for name in ("dask/__init__.py", "dask/__main__.py"):
        lane.write(name, STAND_IN[name])
    yield lane
    shutil.rmtree(lane.folder / "dask")
    lane.bare()


def _with_worker(lane: Lane) -> Any:
    """The task of a run's only worker, once its program has found it."""
    mine = "/workers"
    worker = until(lambda: [t for t in lane.tasks("RUNNING") if t["startedBy"].endswith(mine)], "a worker")[0]
    main = next(task for task in lane.tasks() if task["startedBy"] == worker["startedBy"].removesuffix(mine))
    until(lambda: _events(lane, main) == ["workers: 1"], "the program's look at it")
    return worker


def _nothing_left(lane: Lane, worker: Any, launched: int) -> None:
    """No task and no certificate; launched: so many tasks of workers were."""
    until(lambda: not lane.tasks("RUNNING"), "the end of all tasks")
    path, ssm = "/reconciler/tiny/workers", lane.client("ssm")  # which an unattended run's function deletes
    until(lambda: not ssm.get_parameters_by_path(Path=path)["Parameters"], "the end of its certificate")
    assert len([task for task in lane.tasks() if task["startedBy"] == worker["startedBy"]]) == launched


@pytest.mark.parametrize(
    ("limit", "end"),
    [
        ("", ("stopped", "stopped")),
        ("max_duration: 60, ", ("failed", "timeout")),
        ("unattended: true, max_cost: 1, ", ("failed", "max-cost")),
    ],
    ids=["by another process", "by the deadline, with no client there", "by the limit in dollars, unattended"],
)
def test_all_end_with_a_run_that_is_stopped(stand_in: Lane, limit: str, end: tuple[str, str]) -> None:
    lane, attended = stand_in, "unattended" not in limit
    lane.program(PROGRAM_OF_STAND_IN + "time.sleep(600)\n", deploy=f"run: {{{limit}workers: {{count: 1}}}}\n",
                 dockerfile=STAND_IN["Dockerfile"])  # fmt: skip
    applied = lane.start("apply", "--local", *([] if attended else ["--detach"]))
    worker = _with_worker(lane)
    assert "    workers: 1 of 1 run\n" in lane.run(*("status", "runs")[bool(limit) :][:1], "--local").out
    if limit:
        applied.kill() if attended else applied.communicate(timeout=60)
        applied.wait()
        fire(lane, schedule(lane))
        if attended:
            lane.run("watch", "--local")
    else:
        stopped = lane.run("stop", "--local")
        assert stopped.code == 0, stopped.out + stopped.err
        applied.communicate(timeout=60)
    run = until(
        lambda: [record for record in records(lane)[:1] if record["state"] in ("stopped", "failed")], "its end"
    )[0]
    assert (run["state"], run["attempts"][0]["event"]) == end
    _nothing_left(lane, worker, 1)


def test_of_an_unattended_run(stand_in: Lane) -> None:
    """The deploy's function launches them once the program's task runs, replaces a lost one, and leaves nothing."""
    lane = stand_in
    lane.program(PROGRAM_OF_STAND_IN + LOSES_ONE, deploy="run: {unattended: true, workers: {count: 1}}\n",
                 dockerfile=STAND_IN["Dockerfile"])  # fmt: skip
    made = lane.run("apply", "--local", "--detach")
    assert made.code == 0, made.out + made.err
    worker = _with_worker(lane)
    lane.client("ecs").stop_task(cluster="tiny", task=worker["taskArn"])
    watched = lane.run("watch", "--local", "--from-start")
    assert watched.code == 0, watched.out + watched.err
    assert "main | another one" in watched.out
    _nothing_left(lane, worker, 2)
    lines = lane.run("logs", "--local").out.splitlines()
    assert lines == ["main | workers: 1", "main | another one", "worker-1 | works", "worker-1 | works"]


def _events(lane: Lane, task: Any) -> list[str]:
    stream, logs = f"ecs/main/{task['taskArn'].rpartition('/')[2]}", lane.client("logs")
    try:
        events = logs.get_log_events(logGroupName="/ecs/tiny", logStreamName=stream)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def _lines(lane: Lane, token: str) -> list[str]:
    """What the program of an attempt has printed, once it has looked at its worker."""
    (task,) = [ecs_task for ecs_task in lane.tasks() if ecs_task["startedBy"] == token]
    lines = _events(lane, task)
    return lines if lines[-1:] == ["a stranger was refused"] and len(lines) == 4 else []
