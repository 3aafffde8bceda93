"""Ctrl-C, failed steps and two commands at once: real processes, real signals, no waiting but for the lab's log."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.engine.lock_holder import TTL
from tests.faults import forked
from tests.faults.account import account
from tests.faults.case import EVER, error
from tests.faults.stopping import APPLY, DESTROY, PREPARE, Worker, difference
from tests.lab_client import LabHandle
from tests.waiting import until

HOLD = {"service": "logs", "op": "CreateLogGroup", "do": "hold"}
FIRST_WRITES = {"CreateRole", "CreatePolicy", "CreateBucket", "CreateUser", "CreateCluster", "CreateRepository"}


class Bench:
    """A worker and what its account is after an undisturbed apply."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.lab, self.folder = worker, worker.lab, worker.folder
        self.expected: dict[str, Any] = {}

    def start(self, *arguments: str) -> forked.Command:
        """Start a command."""
        return forked.Command(self.lab, self.folder, arguments)

    def run(self, *arguments: str) -> forked.Ended:
        """Run a command to its end."""
        return forked.run(self.lab, self.folder, arguments)

    def is_as_undisturbed(self) -> None:
        """Hold the account against that after an undisturbed apply."""
        assert not (problem := difference(self.expected, account(self.lab))), problem

    def locks(self) -> list[str]:
        """The names of what is left of locks."""
        parameters = self.lab.client("ssm").get_parameters_by_path(Path="/reconciler/demo/lock")["Parameters"]
        return [parameter["Name"] for parameter in parameters]


@pytest.fixture(scope="module")
def bench_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    forked.warm()
    bench = Bench(Worker(tmp_path_factory.mktemp("interrupt") / "worker"))
    ended = bench.run(*APPLY)
    assert ended.code == 0, ended.output
    bench.expected = account(bench.lab)
    yield bench
    bench.lab.close()


@pytest.fixture
def bench(bench_once: Bench) -> Bench:
    bench_once.lab.reset()
    return bench_once


def calls(lab: LabHandle) -> set[str]:
    return {row["op"] for row in lab.log()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_lets_steps_under_way_finish(bench: Bench, number: signal.Signals) -> None:
    bench.lab.rules(HOLD)
    command = bench.start(*APPLY)
    bench.lab.seen("CreateLogGroup")
    command.interrupt(number)
    bench.lab.release()
    ended = command.wait()
    assert ended.code == 130, ended.output
    assert "+ log-group        /ecs/demo" in ended.output, "the step under way didn't finish"
    assert "Done: " in ended.output
    assert "not tried  task-definition.demo: interrupted" in ended.output
    assert "to continue: python -m reconciler apply" in ended.output
    assert not calls(bench.lab) & {"RegisterTaskDefinition", "RunTask"}
    assert bench.locks() == []
    bench.lab.rules()
    assert bench.run(*APPLY).code == 0
    bench.is_as_undisturbed()


def test_a_second_ends_at_once_and_is_safe(bench: Bench) -> None:
    bench.lab.rules(HOLD)
    command = bench.start(*APPLY)
    bench.lab.seen("CreateLogGroup")

    def again() -> forked.Ended | None:
        if ended := command.ended():
            return ended
        command.interrupt()
        return None

    ended = until(again, "the command to end though AWS holds back an answer")
    assert ended is not None
    assert ended.code == 130
    assert "leaving at once" in ended.output
    bench.lab.release()
    bench.lab.rules()
    bench.lab.ahead(TTL + 5)
    assert bench.run(*APPLY).code == 0
    bench.is_as_undisturbed()


def test_interrupted_while_it_waits_for_aws(bench: Bench) -> None:
    """A wait of minutes ends with the first signal."""
    bench.lab.rules(error("logs", "CreateLogGroup", "OperationAbortedException", times=EVER))
    command = bench.start(*APPLY)
    bench.lab.seen("CreateLogGroup")
    command.interrupt()
    ended = command.wait()
    assert ended.code == 130, ended.output
    assert "not tried  log-group./ecs/demo: interrupted before it ended" in ended.output
    assert bench.locks() == []


def test_destroy_is_interrupted_as_well(bench: Bench) -> None:
    assert bench.run(*PREPARE).code == 0
    bench.lab.rules({"service": "ecs", "op": "DeregisterTaskDefinition", "do": "hold"})
    command = bench.start(*DESTROY)
    bench.lab.seen("DeregisterTaskDefinition")
    command.interrupt()
    bench.lab.release()
    ended = command.wait()
    assert ended.code == 130, ended.output
    assert "what was deleted stays deleted; to continue: python -m reconciler destroy" in ended.output
    assert "DeleteRole" not in calls(bench.lab)
    assert bench.locks() == []


def test_a_failed_step_holds_back_only_what_needs_it(bench: Bench) -> None:
    bench.lab.rules(error("logs", "CreateLogGroup", "AccessDeniedException", "no", EVER))
    ended = bench.run(*APPLY)
    assert ended.code == 120, ended.output
    assert "Failed: 1. Not tried: 1." in ended.output
    assert "failed     log-group./ecs/demo: logs:CreateLogGroup failed: AccessDeniedException: no" in ended.output
    assert "allow logs:CreateLogGroup" in ended.output
    assert "AWS request id: lab-" in ended.output
    assert "not tried  task-definition.demo: needs log-group./ecs/demo" in ended.output
    assert "To continue: python -m reconciler apply" in ended.output
    assert calls(bench.lab) >= FIRST_WRITES
    assert "RunTask" not in calls(bench.lab)
    bench.lab.rules()
    assert bench.run(*APPLY).code == 0
    bench.is_as_undisturbed()


def test_two_at_once_make_one_of_everything(bench: Bench) -> None:
    applies = [bench.start(*APPLY, "--wait-for-lock", "1000000") for _ in range(2)]
    ended = [command.wait() for command in applies]
    assert [result.code for result in ended] == [0, 0], "\n".join(result.output for result in ended)
    assert len(bench.lab.log(op="RunTask")) == 1
    assert len(bench.lab.log(op="RegisterTaskDefinition")) == 1
    bench.is_as_undisturbed()


def test_one_that_does_not_wait_says_who_works(bench: Bench) -> None:
    bench.lab.rules(HOLD)
    first = bench.start(*APPLY)
    bench.lab.seen("CreateLogGroup")
    second = bench.run(*APPLY)
    assert second.code == 120, second.output
    assert "'demo' is locked by" in second.output
    assert f"(process {first.pid}" in second.output
    assert "--wait-for-lock" in second.output
    bench.lab.release()
    assert first.wait().code == 0
    bench.is_as_undisturbed()
