"""A service on the embedded ECS: real processes that are kept running, replaced, rolled back and taken away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.run.conftest import Lane
from tests.waiting import LONG, until, until_printed

SERVES = "import time\nprint('serving {n}', flush=True)\ntime.sleep(600)\n"
BREAKS = "print('broken')\nraise SystemExit(3)\n"
DEPLOY = "service: {desired_count: 2}\n"


@pytest.fixture
def lane(lane: Lane) -> Iterator[Lane]:
    """The project, whose service is gone afterwards, whatever became of the test."""
    yield lane
    lane.bare()


def service(lane: Lane) -> Any:
    return lane.client("ecs").describe_services(cluster="tiny", services=["tiny"])["services"][0]


def of_service(lane: Lane) -> list[Any]:
    return [task for task in lane.tasks("RUNNING") if task["group"] == "service:tiny"]


def test_a_service_from_its_first_task_to_its_end(lane: Lane) -> None:
    # The first revision can't stay up, and there is none to go back to.
    lane.program(BREAKS, deploy=DEPLOY)
    failed = lane.run("apply", "--local")
    assert failed.code == 120, failed.out
    assert "service.tiny/tiny failed (task_definition: " in failed.out
    assert "stopped: Essential container in task exited, exit code 3" in failed.out
    shown = lane.run("plan", "--local").out
    assert "(its deployment failed)" in " ".join(shown.split()), (
        "and it is a difference, so that the next apply tries again"
    )

    # One that does: apply waits until both tasks run, and launches nothing beside them.
    lane.program(SERVES.format(n=1), deploy=DEPLOY)
    made = lane.run("apply", "--local")
    assert made.code == 0, made.out + made.err
    assert "~ service          tiny/tiny" in made.out
    assert "Nothing to run: `run.when` is never." in made.out
    assert len(of_service(lane)) == 2
    assert "Nothing to change" in lane.run("apply", "--local").out

    # A task that ends is replaced.
    ended = of_service(lane)[0]["taskArn"]
    lane.client("ecs").stop_task(cluster="tiny", task=ended)
    until(lambda: ended not in {t["taskArn"] for t in of_service(lane)} and len(of_service(lane)) == 2, "another task")

    # A revision that can't stay up is taken back by the circuit breaker, and said to have failed.
    good = service(lane)["taskDefinition"]
    lane.program(BREAKS + "# two\n", deploy=DEPLOY)
    broken = lane.run("apply", "--local")
    assert broken.code == 120
    assert f"service.tiny/tiny failed (task_definition: {good})" in broken.out
    until(lambda: service(lane)["deployments"][0]["rolloutState"] == "COMPLETED", "the way back")
    assert (service(lane)["taskDefinition"], len(of_service(lane))) == (good, 2)

    # Both: with `run.when` there is a run too.
    lane.program("print('serving', 'RUN_ID' in __import__('os').environ)\n__import__('time').sleep(3)\n",
                 deploy=DEPLOY.replace("2}", "0}") + "run: {when: changed}\n")  # fmt: skip
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    assert "  | serving True\n" in result.out
    until(lambda: not of_service(lane), "no task of the service")

    # It leaves with its section.
    lane.bare()
    assert lane.client("ecs").list_services(cluster="tiny")["serviceArns"] == []


def test_interrupted_while_it_is_waited_for(lane: Lane) -> None:
    lane.program(BREAKS + "# for ever\n", deploy="service: {circuit_breaker: false}\n")
    ours = lane.start("apply", "--local")
    until_printed(ours, "Plan: ")  # so that it heeds signals
    until(lambda: lane.client("ecs").list_services(cluster="tiny")["serviceArns"], "the service")
    until(lambda: service(lane)["deployments"][0]["failedTasks"] > 0, "a task that fails")
    os.kill(ours.pid, signal.SIGINT)
    out, err = ours.communicate(timeout=LONG)
    assert ours.returncode == 130, out + err
    assert "interrupted before it ended" in out
    shown = lane.run("status", "--local").out
    assert "exit code 3" in shown, "what it waits for is said"
