"""What follows an attempt that has ended."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config import run as section
from reconciler.core.function_settings import Retry
from reconciler.run.retry import LONGEST, Again, Event, again, event_of
from tests.run.samples import attempt, task

BOTH = ("FARGATE_SPOT", "FARGATE")
CASES: list[tuple[str, dict[str, Any], tuple[str, ...], list[Any], Any]] = [
    # name, rules, providers, attempts (event, provider), what follows: (provider, pause), or a text that ends it
    ("success", {}, BOTH, [("success", "FARGATE_SPOT")], ""),
    ("error, not retried by default", {}, BOTH, [("error", "FARGATE")], ""),
    ("error, retried where it was", {"error": 1}, BOTH, [("error", "FARGATE_SPOT")], ("FARGATE_SPOT", 10)),
    ("error, often enough", {"error": 1}, BOTH, [("error", "FARGATE")] * 2, "failed 2 times"),
    ("error, another code", {"error": 3, "exit_codes": [75]}, BOTH, [("error", "FARGATE")], "isn't one that"),
    ("error, this code", {"error": 3, "exit_codes": [75, 1]}, BOTH, [("error", "FARGATE")], ("FARGATE", 10)),
    ("interruption", {}, BOTH, [("interruption", "FARGATE_SPOT")], ("FARGATE_SPOT", 10)),
    ("interruption, next", {"interruption": 0}, BOTH, [("interruption", "FARGATE_SPOT")], ("FARGATE", 0)),
    ("interruptions", {"interruption": 1}, BOTH, [("interruption", "FARGATE_SPOT")] * 2, ("FARGATE", 0)),
    ("interruption, no next", {"interruption": 0}, BOTH[:1], [("interruption", BOTH[0])], "interruption on"),
    ("no room", {"no_capacity": 1}, BOTH, [("no-capacity", "FARGATE_SPOT")], ("FARGATE_SPOT", 10)),
    ("no room twice", {"no_capacity": 1}, BOTH, [("no-capacity", "FARGATE_SPOT")] * 2, ("FARGATE", 0)),
    ("no room anywhere", {"no_capacity": 0}, BOTH, [("no-capacity", BOTH[0]), ("no-capacity", BOTH[1])],
     "no capacity on FARGATE_SPOT and FARGATE, 2 tries"),
    ("counted by event", {"no_capacity": 1, "interruption": 1}, BOTH,
     [("no-capacity", "FARGATE_SPOT"), ("interruption", "FARGATE_SPOT")], ("FARGATE_SPOT", 20)),
    ("a provider that left", {"interruption": 0}, ("FARGATE",), [("interruption", "FARGATE_SPOT")], "interruption on"),
    ("stopped", {"error": 9}, BOTH, [("stopped", "FARGATE")], ""),
    ("timeout", {"error": 9}, BOTH, [("timeout", "FARGATE")], ""),
    ("never started", {"error": 9}, BOTH, [("not-started", "FARGATE")], ""),
    ("lost", {"error": 9}, BOTH, [("lost", "FARGATE")], ""),
    ("the pause doubles", {"error": 9}, BOTH, [("error", "FARGATE")] * 4, ("FARGATE", 80)),
    ("the pause has an end", {"error": 99}, BOTH, [("error", "FARGATE")] * 30, ("FARGATE", LONGEST)),
    ("too late", {"error": 9, "within": 60}, BOTH, [("error", "FARGATE")], "within` is over"),
    ("in time", {"error": 9, "within": 111}, BOTH, [("error", "FARGATE")], ("FARGATE", 10)),
    ("too dear", {"error": 9, "max_cost": 2.0}, BOTH, [("error", "FARGATE")], "has cost $2.00"),
    ("too dear for a limit of less than a cent", {"error": 9, "max_cost": 0.00002}, BOTH, [("error", "FARGATE")],
     "`run.retry.max_cost` is $0.000020"),
    ("cheap enough", {"error": 9, "max_cost": 2.01}, BOTH, [("error", "FARGATE")], ("FARGATE", 10)),
]  # fmt: skip


def retry(**rules: Any) -> Retry:
    """The rules of a file that says this of them."""
    return Retry(**section.Retry(**rules).model_dump())


@pytest.mark.parametrize(
    ("rules", "providers", "attempts", "wanted"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_what_follows(rules: dict[str, Any], providers: tuple[str, ...], attempts: list[Any], wanted: Any) -> None:
    made = [attempt(n, Event(event), provider) for n, (event, provider) in enumerate(attempts, 1)]
    following = again(retry(**rules), providers, made, cost=2.0, now=101.0)
    if isinstance(wanted, str):
        assert isinstance(following, str)
        assert wanted in following
        assert bool(wanted) == bool(following)
    else:
        assert isinstance(following, Again)
        assert (following.provider, following.pause) == wanted


def test_a_cost_that_is_unknown_stops_nothing() -> None:
    assert isinstance(again(retry(error=1, max_cost=0.01), BOTH, [attempt()], cost=None, now=0.0), Again)


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "overdue", "wanted"),
    [
        ("EssentialContainerExited", "", 0, False, Event.SUCCESS),
        ("EssentialContainerExited", "", 1, False, Event.ERROR),
        ("EssentialContainerExited", "", None, False, Event.LOST),
        ("", "", None, False, Event.LOST),
        ("UserInitiated", "by me", 143, False, Event.STOPPED),
        ("UserInitiated", "by me", 0, False, Event.STOPPED),
        ("UserInitiated", "run.max_duration is over", 143, True, Event.TIMEOUT),
        ("SpotInterruption", "Your Spot Task was interrupted.", 143, False, Event.INTERRUPTION),
        ("TerminationNotice", "", 137, False, Event.INTERRUPTION),
        ("InfrastructureHealth", "", None, False, Event.INTERRUPTION),
        ("", "Host EC2 (instance i-0a1b) terminated.", None, False, Event.INTERRUPTION),
        (
            "TaskFailedToStart",
            "InsufficientInstanceCapacity: We currently do not have sufficient g4dn.xlarge capacity",
            None,
            False,
            Event.NO_CAPACITY,
        ),
        (
            "TaskFailedToStart",
            "VcpuLimitExceeded: You have requested more vCPU capacity than your current limit of 0",
            None,
            False,
            Event.NO_CAPACITY,
        ),
        (
            "TaskFailedToStart",
            "You've reached the limit on the number of vCPUs you can run concurrently",
            None,
            False,
            Event.NO_CAPACITY,
        ),
        (
            "TaskFailedToStart",
            "UnauthorizedOperation: not authorized to perform: iam:PassRole on resource: x",
            None,
            False,
            Event.NOT_STARTED,
        ),
        ("TaskFailedToStart", "CannotPullContainerError: …: not found", None, False, Event.NOT_STARTED),
        ("TaskFailedToStart", "Capacity is unavailable at this time.", None, False, Event.NO_CAPACITY),
        ("TaskFailedToStart", "RESOURCE:MEMORY", None, False, Event.NO_CAPACITY),
        ("TaskFailedToStart", "not authorized to perform: x on resource: *", None, False, Event.NOT_STARTED),
    ],
)
def test_what_ended_it(code: str, reason: str, exit_code: int | None, overdue: bool, wanted: Event) -> None:
    assert event_of(task(code=code, reason=reason), exit_code, overdue=overdue) is wanted
