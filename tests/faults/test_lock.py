"""The lock: one holder at a time, under real concurrency, lost answers, ended locks and zombies."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.errors import Locked
from reconciler.engine import lock as locks
from reconciler.engine.lock import Lock, current_holder, unlock
from reconciler.engine.lock_holder import TTL, Holder
from tests.lab_client import ROOT, LabHandle, SkippingClock
from tests.waiting import LONG, until

PATH = "/reconciler/demo/lock"


def numbers(lab: LabHandle) -> list[int]:
    """The numbers of the chain."""
    parameters = lab.client("ssm").get_parameters_by_path(Path=PATH)["Parameters"]
    return sorted(int(parameter["Name"].rpartition("/")[2]) for parameter in parameters)


def put(lab: LabHandle, number: int, value: str) -> None:
    lab.client("ssm").put_parameter(Name=f"{PATH}/{number:09d}", Value=value, Type="String")


def take(lab: LabHandle, command: str = "apply", wait: float = 0.0) -> Lock:
    """A lock of a holder of its own."""
    return Lock(lab.aws(clock=SkippingClock(step=0.005)), "demo", command, wait=wait, unlock="unlock x.yaml")


def test_it_needs_nothing_and_leaves_nothing(lab: LabHandle) -> None:
    with take(lab) as lock:
        assert numbers(lab) == [1]
        lock.check()
        assert current_holder(lab.aws(), "demo") is not None
    assert numbers(lab) == []
    assert current_holder(lab.aws(), "demo") is None


def test_it_says_who_since_when_from_where_and_what_to_do(lab: LabHandle) -> None:
    with take(lab, "python -m reconciler apply x.yaml"), pytest.raises(Locked) as caught, take(lab):
        pass
    text = str(caught.value)
    assert f"process {os.getpid()}" in text
    assert "apply x.yaml" in text
    assert os.uname().nodename in text
    assert time.strftime("since %Y-%m-%d", time.gmtime()) in text
    assert "--wait-for-lock" in caught.value.hint
    assert caught.value.hint.endswith(", or now with: unlock x.yaml")
    assert "ends in" in caught.value.hint


def test_waiting_ends_with_the_holder(lab: LabHandle) -> None:
    told: list[Holder] = []
    with ThreadPoolExecutor(1) as pool:
        first = take(lab).__enter__()

        def second() -> bool:
            aws = lab.aws(clock=SkippingClock(step=0.01))
            with Lock(aws, "demo", "second", wait=1e6, on_wait=told.append):
                return True

        waiting = pool.submit(second)
        until(lambda: told, "the second to be told whom it waits for")
        assert not waiting.done()
        first.__exit__()
        assert waiting.result(timeout=LONG)
    assert told[0].id == first.me.id
    assert numbers(lab) == []


def test_an_ended_lock_is_taken_over_and_its_holder_fenced(lab: LabHandle) -> None:
    with take(lab, "first") as first:
        writes = lab.aws(before_write=first.check)
        writes.call("logs", "CreateLogGroup", logGroupName="a")
        lab.ahead(TTL + 2)
        with take(lab, "second") as second:
            first.aws.clock.sleep(2)  # what it believed is no longer fresh
            lab.zero()
            with pytest.raises(Locked, match=r"taken away by .*second"):
                writes.call("logs", "CreateLogGroup", logGroupName="b")
            assert lab.log(op="CreateLogGroup") == []
            first.__exit__()
            assert numbers(lab) == [2], "the release of one that was fenced took another's lock"
            second.check()
    assert numbers(lab) == []


def test_the_clock_of_this_machine_does_not_matter(lab: LabHandle) -> None:
    with take(lab):
        late = SkippingClock()
        late.skipped = 86400.0
        with pytest.raises(Locked), Lock(lab.aws(clock=late), "demo", "late"):
            pass


def test_a_holder_whose_end_is_near_renews_before_it_writes(lab: LabHandle) -> None:
    with take(lab) as lock:
        lab.ahead(TTL - locks.MARGIN + 5)
        lock.aws.clock.sleep(2)
        lock.check()
        assert numbers(lab) == [2]


def test_a_holder_that_was_away_too_long_stops(lab: LabHandle) -> None:
    with take(lab) as lock:
        lab.ahead(TTL + 1)
        lock.aws.clock.sleep(2)
        with pytest.raises(Locked):
            lock.check()


def test_it_is_renewed_for_as_long_as_the_holder_lives(lab: LabHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "RENEW", 0.02)
    with take(lab):
        for ahead in (30, 60, 90, 120):
            lab.ahead(ahead)
            seen = numbers(lab)[-1]
            until(lambda seen=seen: numbers(lab)[-1:] > [seen + 1], "a renewal")  # type: ignore[misc]
            assert current_holder(lab.aws(), "demo") is not None
    assert numbers(lab) == []


def test_unlock_takes_it_away(lab: LabHandle) -> None:
    with take(lab, "first") as lock:
        gone = unlock(lab.aws(), "demo")
        assert gone is not None
        assert gone.id == lock.me.id
        lock.aws.clock.sleep(2)
        with pytest.raises(Locked, match="taken away"):
            lock.check()
        with take(lab, "second") as second:
            second.check()
            with pytest.raises(Locked):
                lock.check()
    assert unlock(lab.aws(), "demo") is None


def test_a_zombie_does_not_hold_beside_another(lab: LabHandle) -> None:
    """A holder that slept through its end, an unlock and another's taking, and wakes in the middle of a renewal."""
    with take(lab, "zombie") as zombie:
        unlock(lab.aws(), "demo")
        with take(lab, "living"):
            assert zombie._put(2, time.time()), "number 2 is free"
            zombie.aws.clock.sleep(2)
            with pytest.raises(Locked):
                zombie.check()


@pytest.mark.share(3)
@pytest.mark.parametrize("op", ["PutParameter", "GetParametersByPath", "DeleteParameter"])
@pytest.mark.parametrize("do", ["lose", "reset"])
def test_lost_answers_to_its_own_calls(lab: LabHandle, op: str, do: str) -> None:
    for skip in range(3):
        lab.rules({"service": "ssm", "op": op, "do": do, "skip": skip})
        with take(lab) as lock:
            lock.aws.clock.sleep(2)
            lock.check()
            with pytest.raises(Locked), take(lab):
                pass
        lab.rules()
        assert numbers(lab) == []


def test_who_has_a_fresh_look_does_not_wait_for_another_to_look(lab: LabHandle) -> None:
    with take(lab) as lock:
        lock.check()
        lock.aws.clock.sleep((locks.EARLY + locks.FRESH) / 2)
        with ThreadPoolExecutor(1) as pool:
            with lock._busy:  # another writer looks, or it is being renewed
                assert pool.submit(lock.check).result(timeout=LONG) is None
                lock.aws.clock.sleep(locks.FRESH)
                late = pool.submit(lock.check)
                assert not late.done()
                lab.zero()
            assert late.result(timeout=LONG) is None
        assert len(lab.log(op="GetParametersByPath")) == 1


def test_a_look_is_repeated_before_it_is_too_old(lab: LabHandle) -> None:
    with take(lab) as lock:
        lock.check()
        for wait, looks in ((locks.EARLY / 2, 0), (locks.EARLY, 1)):
            lab.zero()
            lock.aws.clock.sleep(wait)
            lock.check()
            assert len(lab.log(op="GetParametersByPath")) == looks


def stale(lab: LabHandle, skip: int = 0, times: int = 1) -> None:
    """So many looks show nothing of what was written."""
    answer = {"do": "answer", "type": "application/x-amz-json-1.1", "body": '{"Parameters": []}'}
    lab.rules({"service": "ssm", "op": "GetParametersByPath", "skip": skip, "times": times, **answer})


def test_a_look_that_misses_the_lock_is_not_believed(lab: LabHandle) -> None:
    """SSM may show what was before a write: aws-cdk-cli 830."""
    with take(lab) as lock:
        for times in (1, 3):
            lock.aws.clock.sleep(2)
            stale(lab, times=times)
            lock.check()
    assert numbers(lab) == []


def test_a_lock_that_is_not_seen_again_is_gone(lab: LabHandle) -> None:
    with take(lab) as lock:
        lock.aws.clock.sleep(2)
        stale(lab, times=-1)
        before = lock.aws.clock.now()
        with pytest.raises(Locked, match="taken away"):
            lock.check()
        assert 1 < lock.aws.clock.now() - before < locks.MARGIN
        lab.rules()


def test_a_lock_that_another_has_is_not_looked_for(lab: LabHandle) -> None:
    with take(lab, "first") as lock:
        clock = lock.aws.clock
        assert isinstance(clock, SkippingClock)
        put(lab, 2, Holder(id="another").until(time.time() + TTL))
        clock.sleep(2)
        waits = len(clock.waits)
        with pytest.raises(Locked, match="taken away"):
            lock.check()
        assert len(clock.waits) == waits


@pytest.mark.parametrize("skip", range(4))
def test_a_renewal_whose_look_misses_the_lock(lab: LabHandle, skip: int) -> None:
    with take(lab) as lock:
        lab.ahead(TTL - locks.MARGIN + 5)
        lock.aws.clock.sleep(2)
        stale(lab, skip=skip)
        lock.check()
        lab.rules()
        assert numbers(lab) == [2]


@pytest.mark.parametrize("skip", range(4))
def test_a_lock_is_taken_and_released_whatever_look_misses_it(lab: LabHandle, skip: int) -> None:
    stale(lab, skip=skip)
    with take(lab) as lock:
        lock.check()
    lab.rules()
    assert numbers(lab) == []


def test_a_release_that_fails_hides_nothing(lab: LabHandle) -> None:
    with pytest.raises(ValueError, match="the work"), take(lab):  # noqa: PT012
        lab.rules({"service": "ssm", "op": "*", "do": "reset", "times": -1})
        raise ValueError("the work failed")


def test_many_crashes_leave_more_than_one_page(lab: LabHandle) -> None:
    for number in range(1, 14):
        put(lab, number, Holder(id=str(number)).until(number))
    with take(lab) as lock:
        lock.check()
        assert numbers(lab) == [14]


def test_a_lock_that_cannot_be_read_ends_too(lab: LabHandle) -> None:
    put(lab, 1, "written by hand")
    with pytest.raises(Locked, match="somebody"), take(lab):
        pass
    lab.ahead(TTL + 2)
    with take(lab) as lock:
        lock.check()


def test_a_dead_holder_of_this_machine_is_waited_for(lab: LabHandle) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    dead = {"id": "x", "host": os.uname().nodename, "pid": process.pid}
    put(lab, 1, json.dumps(dead | {"since": time.time(), "expires": time.time() + 30}))
    aws = lab.aws(clock=SkippingClock())
    with Lock(aws, "demo", "next", on_wait=lambda holder: lab.ahead(40)) as lock:
        lock.check()


def test_one_of_many_threads_at_a_time(lab: LabHandle) -> None:
    holding, most, turns = [0], [0], [0]
    guard = threading.Lock()
    start = threading.Barrier(6)

    def worker() -> None:
        start.wait()
        for _ in range(3):
            with take(lab, wait=1e6) as lock:
                with guard:
                    holding[0] += 1
                    most[0] = max(most[0], holding[0])
                lock.check()
                with guard:
                    holding[0] -= 1
                    turns[0] += 1

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(worker) for _ in range(6)]:
            future.result(timeout=LONG)
    assert (most[0], turns[0]) == (1, 18)
    assert numbers(lab) == []


PROCESS = """
import sys
from pathlib import Path
from reconciler.aws.calls import Aws
from reconciler.engine.lock import Lock
from tests.lab_client import SkippingClock
counter = Path(sys.argv[1])
for _ in range(8):
    aws = Aws("us-east-1", endpoint_url=sys.argv[2], clock=SkippingClock(0.01))
    with Lock(aws, "demo", "count", wait=1e6) as lock:
        seen = int(counter.read_text())
        lock.check()
        counter.write_text(str(seen + 1))
"""


def test_one_of_two_processes_at_a_time(lab: LabHandle, tmp_path: Path) -> None:
    """Each adds one to a number in a file, which is lost when both do it at once."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", PROCESS, str(counter), lab.url]
    processes = [subprocess.Popen(command, env=lab.environment, cwd=ROOT) for _ in range(2)]
    assert [process.wait(LONG) for process in processes] == [0, 0]
    assert counter.read_text() == "16"


def test_the_aws_of_the_lock_is_its_own(lab: LabHandle) -> None:
    """A lock whose calls were guarded by its own check would wait for itself."""
    with take(lab) as lock:
        aws: Aws = lab.aws(before_write=lock.check)
        with contextlib.suppress(Locked):
            aws.ensure("logs", "CreateLogGroup", logGroupName="x")
    assert numbers(lab) == []
