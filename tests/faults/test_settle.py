"""When a write is through, has failed, or is given up: what is observed after it, as scripts of a service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import pytest

from reconciler.aws.calls import Aws, Waiting
from reconciler.core.errors import NotSettled
from reconciler.core.spec import Changes, Observed, Spec
from reconciler.engine.act import Actor
from reconciler.kinds import Kind
from reconciler.kinds.ecs_service import Service, ServiceSpec, _last_failure
from tests.lab_client import SkippingClock

OLD, NEW = ServiceSpec(name="c/s", task_definition="td:1"), ServiceSpec(name="c/s", task_definition="td:2")
EVENT = "(service s) (deployment ecs-svc/{}) deployment failed: tasks failed to start."
FIRST, SECOND = EVENT.format(1), EVENT.format(2)
Seen = Observed[ServiceSpec]


def seen(spec: ServiceSpec, failure: str = "", progress: str = "") -> Seen:
    going = {"status": "DEPLOYING", "progress": progress} if progress else {}
    return Observed(spec, {"arn": "arn:aws:ecs:s", "failure": failure, **going})


class Scripted(Kind[ServiceSpec]):
    """A kind whose observations are given; the last one stays."""

    spec: ClassVar[type[Spec]] = ServiceSpec
    patience: ClassVar[float] = Service.patience

    def __init__(self, looks: Sequence[Seen | None]) -> None:
        self.looks, self.writes = list(looks), 0

    def observe(self, aws: Aws, wants: Sequence[ServiceSpec]) -> Mapping[str, Seen]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {} if look is None else {look.spec.name: look}

    def create(self, aws: Aws, want: ServiceSpec) -> None:
        self.writes += 1

    def update(self, aws: Aws, want: ServiceSpec, seen: Seen, changes: Changes) -> None:
        self.writes += 1

    def delete(self, aws: Aws, seen: Seen) -> None:
        raise AssertionError


class Place:
    """Stands in for `Aws`, with as much of it as waiting takes."""

    def __init__(self) -> None:
        self.clock = SkippingClock()
        self.on_wait: Callable[[Waiting], None] = lambda waiting: None


def settle(before: Seen | None, *looks: Seen | None) -> tuple[Scripted, float, Any]:
    """The kind, the seconds that it took, and what came of it: an observation or an error."""
    kind, place = Scripted(looks), Place()
    actor = Actor(cast(Aws, place), {"service": kind}, "d", frozenset(), threading.Event())
    began = place.clock.now()
    try:
        outcome: Any = actor.make(NEW, before)
    except NotSettled as error:
        outcome = error
    return kind, place.clock.now() - began, outcome


THROUGH = [
    pytest.param(seen(OLD), [seen(NEW)], 1, id="at once"),
    pytest.param(None, [None, None, seen(NEW)], 1, id="not seen at first"),
    pytest.param(seen(OLD), [seen(OLD), seen(NEW, progress="0 of 2"), seen(NEW)], 1, id="an old answer, then progress"),
    pytest.param(seen(OLD, FIRST), [seen(OLD, FIRST), seen(NEW, FIRST)], 1, id="an earlier failure is past"),
    pytest.param(seen(OLD, FIRST), [seen(OLD), seen(NEW)], 1, id="an earlier failure that isn't told any more"),
    pytest.param(seen(OLD), [*[seen(NEW, progress="0 of 2")] * 100, seen(NEW)], 1, id="minutes of progress"),
    pytest.param(seen(OLD), [*[seen(OLD)] * 8, seen(NEW)], 2, id="lost, and put again"),
]


@pytest.mark.parametrize(("before", "looks", "writes"), THROUGH)
def test_it_shows(before: Seen | None, looks: list[Seen | None], writes: int) -> None:
    kind, _, outcome = settle(before, *looks)
    assert (outcome, kind.writes) == (looks[-1], writes)


FAILED = [
    pytest.param(seen(OLD), [seen(OLD, FIRST)], FIRST, 1, id="failed and rolled back before the first look"),
    pytest.param(seen(OLD, FIRST), [seen(NEW, FIRST, "0 of 2"), seen(OLD, SECOND)], SECOND, 1, id="between two looks"),
    pytest.param(seen(OLD), [seen(NEW, "", "0 of 2"), seen(OLD, "", "1 of 2")], "1 of 2", 1, id="on the way back"),
    pytest.param(seen(OLD), [seen(OLD)], "still has another task_definition", 200, id="steady and never as wanted"),
    pytest.param(seen(OLD), [seen(NEW, "", "0 of 2")], "isn't ready 9", 1000, id="never ready"),
    pytest.param(None, [None], "doesn't show 9", 1000, id="never there"),
]


@pytest.mark.parametrize(("before", "looks", "says", "within"), FAILED)
def test_it_fails(before: Seen | None, looks: list[Seen | None], says: str, within: float) -> None:
    _, seconds, outcome = settle(before, *looks)
    assert isinstance(outcome, NotSettled)
    assert says in str(outcome)
    assert "service.c/s" in str(outcome)
    assert seconds < within


def deployment(number: int, state: str, status: str = "PRIMARY") -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{number}",
        "status": status,
        "rolloutState": state,
        "rolloutStateReason": f"because {number}",
    }


@pytest.mark.parametrize(
    ("deployments", "events", "failure"),
    [
        ([deployment(1, "COMPLETED")], [], ""),
        ([deployment(1, "FAILED")], [], "(deployment ecs-svc/1) because 1"),  # without a word in its events
        (
            [deployment(2, "IN_PROGRESS"), deployment(1, "FAILED", "ACTIVE")],
            [SECOND],
            "(deployment ecs-svc/1) because 1",
        ),
        ([deployment(3, "IN_PROGRESS")], ["(service s) has begun", FIRST], FIRST),  # it is gone from the list
    ],
)
def test_a_deployment_that_failed_is_known_by_its_state(
    deployments: list[dict[str, Any]], events: list[str], failure: str
) -> None:
    live = {"deployments": deployments, "events": [{"message": message} for message in events]}
    assert _last_failure(live) == failure
