"""Throttling: one throttled call slows all calls of its service, requests don't multiply, and all get through."""

from __future__ import annotations

import heapq
import itertools
import time

import pytest

from reconciler.aws.clients import CONNECTIONS
from reconciler.aws.pace import FIRST, LEAST, LESS, Pace
from reconciler.core.clock import SystemClock
from tests.lab_client import LabHandle, SkippingClock


def test_nothing_is_slowed_before_a_throttle() -> None:
    assert [Pace().delay(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_calls_start_at_the_rate() -> None:
    pace = Pace()
    pace.throttled(began=1.0, now=1.0)
    assert pace.delay(1.0) == pytest.approx(1 / FIRST)
    assert [pace.delay(1.0 + 1 / FIRST), pace.delay(1.0 + 1 / FIRST) > 0] == [0.0, True]


def test_one_burst_slows_down_once() -> None:
    pace = Pace()
    for _ in range(30):
        pace.throttled(began=1.0, now=1.5)
    assert pace.rate == pytest.approx(FIRST)
    pace.throttled(began=1.6, now=1.6)
    assert pace.rate == pytest.approx(FIRST * LESS, rel=0.1)


def test_it_has_a_limit_and_recovers() -> None:
    pace = Pace()
    for moment in range(60):
        pace.throttled(began=float(moment), now=float(moment))
        assert pace.rate >= LEAST
    assert pace.rate < 1
    assert pace.delay(59.0) <= 1 / LEAST
    assert pace.delay(59.0 + 60) == 0.0
    assert pace.rate == 0.0, "no limit is left after a minute without a throttle"


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    pace = Pace()
    pace.throttled(began=5000.0, now=5000.0)
    assert pace.delay(5000.0) > 0
    assert pace.delay(1000.0) == 0.0
    assert pace.delay(1001.0) == 0.0
    pace.throttled(began=1001.0, now=1001.1)
    assert pace.rate < FIRST


def calls_through_a_bucket(calls: int, workers: int, limit: float, burst: float) -> tuple[float, int]:
    """Seconds and requests that `workers` need against a service that takes `limit` a second, and `burst` at once.

    An answer takes 45 ms; what was throttled is tried again after 0.3 s, then 0.6 s, up to 15 s.
    """
    pace, left, counted, requests, waiting = Pace(), burst, 0.0, 0, calls - workers
    events = [(0.0, number, "begin", 0, 0.0) for number in range(workers)]
    order = itertools.count(workers)
    while events:
        now, _, event, tries, began = heapq.heappop(events)
        if event == "begin" and (delay := pace.delay(now)):
            heapq.heappush(events, (now + delay, next(order), "begin", tries, 0.0))
        elif event == "begin":
            requests += 1
            left, counted = min(burst, left + (now - counted) * limit), now
            taken = left >= 1
            left -= taken
            heapq.heappush(events, (now + 0.045, next(order), "done" if taken else "throttled", tries, now))
        elif event == "throttled":
            pace.throttled(began, now)
            heapq.heappush(events, (now + min(0.3 * 2**tries, 15.0), next(order), "begin", tries + 1, 0.0))
        elif waiting:
            waiting -= 1
            heapq.heappush(events, (now, next(order), "begin", 0, 0.0))
    return now, requests


@pytest.mark.parametrize("workers", [1, 8, CONNECTIONS])
@pytest.mark.parametrize(
    ("calls", "limit", "burst", "times"),
    [(420, 20, 20, 1.1), (420, 20, 1, 1.1), (300, 5, 5, 1.15), (2000, 100, 20, 1.05), (100, 2, 2, 1.4)],
)
def test_it_finds_the_rate_of_a_service(calls: int, limit: float, burst: float, times: float, workers: int) -> None:
    seconds, requests = calls_through_a_bucket(calls, workers, limit, burst)
    fastest = max((calls - burst) / limit, calls * 0.045 / workers)
    assert fastest <= seconds <= 1.4 * fastest + 5
    assert requests <= times * calls + 1.5 * workers


def test_many_calls_get_through_a_rate_limit_without_multiplying(lab: LabHandle) -> None:
    """160 reads of a service that takes 40 a second, in real time.

    On a busy machine a whole round is under way before the first throttled answer is read: fewer reads would need more
    than half as many requests again.
    """
    names = [f"role-{n}" for n in range(160)]
    aws = lab.aws(clock=SystemClock())
    aws.find("iam", "GetRole", RoleName="first")
    lab.zero()
    lab.control("POST", "rate?per_second=40")
    began = time.monotonic()
    roles = aws.each(lambda name: aws.find("iam", "GetRole", RoleName=name), names)
    took = time.monotonic() - began
    rows = lab.log("iam", "GetRole")
    throttled = [row for row in rows if row["fault"]]
    assert roles == [None] * len(names)
    assert throttled, "nothing was throttled"
    assert len(rows) < 1.5 * len(names), f"{len(rows)} requests for {len(names)} reads"
    print(f"{len(names)} reads at 40/s: {len(rows)} requests, {len(throttled)} throttled, {took:.1f} s")


def test_one_service_does_not_slow_another(lab: LabHandle) -> None:
    lab.rules({"service": "iam", "op": "*", "do": "error", "code": "Throttling", "times": 5})
    clock = SkippingClock()
    aws = lab.aws(clock=clock)
    aws.find("iam", "GetRole", RoleName="x")
    waited = clock.skipped
    assert waited > 0
    aws.call("ec2", "DescribeVpcs")
    assert clock.skipped == waited


def test_requests_in_flight_are_bounded(lab: LabHandle) -> None:
    aws = lab.aws()
    aws.find("iam", "GetRole", RoleName="first")
    lab.zero()
    lab.control("POST", "latency?ms=20")

    def ask_five_times(name: str) -> None:
        aws.each(lambda part: aws.find("iam", "GetRole", RoleName=part), [f"{name}-{n}" for n in range(5)])

    aws.each(ask_five_times, [f"role-{n}" for n in range(30)])
    assert len(lab.log("iam", "GetRole")) == 150
    assert 8 <= lab.count()["max_in_flight"] <= CONNECTIONS
