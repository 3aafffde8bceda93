"""Throttling: one throttled call slows all calls of its service, requests don't multiply, and all get through."""

from __future__ import annotations

import time

from reconciler.aws.clients import CONNECTIONS
from reconciler.aws.pace import FIRST, SLOWEST, Pace
from reconciler.clock import SystemClock
from tests.lab_client import LabHandle, SkippingClock


def test_nothing_is_slowed_before_a_throttle() -> None:
    assert [Pace().delay(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_starting_times_are_an_interval_apart() -> None:
    pace = Pace()
    pace.throttled(began=1.0, now=1.0)
    first = pace.delay(1.0)
    assert [round(pace.delay(1.0) - first, 3) for _ in range(3)] == [0.05, 0.1, 0.15]


def test_one_burst_slows_down_once() -> None:
    pace = Pace()
    for _ in range(30):
        pace.throttled(began=1.0, now=1.5)
    assert pace.interval == FIRST
    pace.throttled(began=2.0, now=2.1)
    assert pace.interval == 2 * FIRST


def test_it_has_a_limit_and_recovers() -> None:
    pace = Pace()
    for moment in range(30):
        pace.throttled(began=float(moment), now=float(moment))
    assert pace.interval == SLOWEST
    for _ in range(300):
        pace.succeeded()
    assert pace.interval == 0.0


def test_many_calls_get_through_a_rate_limit_without_multiplying(lab: LabHandle) -> None:
    """150 reads of a service that takes 40 a second, in real time."""
    names = [f"role-{n}" for n in range(150)]
    aws = lab.aws(clock=SystemClock())
    aws.find("iam", "GetRole", RoleName="first")
    lab.zero()
    lab.control("POST", "rate?per_second=40")
    began = time.monotonic()
    found = aws.each(lambda name: aws.find("iam", "GetRole", RoleName=name), names)
    took = time.monotonic() - began
    rows = lab.log("iam", "GetRole")
    throttled = [row for row in rows if row["fault"]]
    assert found == [None] * 150
    assert throttled, "nothing was throttled"
    assert len(rows) < 2 * len(names), f"{len(rows)} requests for {len(names)} reads"
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

    def one(name: str) -> None:
        aws.each(lambda part: aws.find("iam", "GetRole", RoleName=part), [f"{name}-{n}" for n in range(5)])

    aws.each(one, [f"role-{n}" for n in range(30)])
    assert len(lab.log("iam", "GetRole")) == 150
    assert 8 <= lab.count()["max_in_flight"] <= CONNECTIONS
