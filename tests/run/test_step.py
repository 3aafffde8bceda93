"""What is next about a run: each state and event once, for the terminal, the sweep and the schedule's function."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.fargate import larger
from reconciler.core.function_settings import Cap
from reconciler.core.function_settings import Retry as RetryRules
from reconciler.core.prices import hourly, task_cost
from reconciler.run import cap
from reconciler.run import step as steps
from reconciler.run.cap import TOO_LITTLE, Limits
from reconciler.run.retry import NOT_BEGUN, Again, Attempt, Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.step import (
    BY_USER,
    FORGOTTEN,
    LAUNCHED_BEFORE,
    End,
    Launch,
    Retry,
    Rules,
    Seen,
    Stop,
    Wait,
    accounts_for,
    end_of,
    given_up,
    newest,
    spent,
    step,
    to_stop,
    why_unaccounted,
)
from reconciler.run.stop_schedule import stop_schedule
from reconciler.run.verdict import OVERDUE, TOO_DEAR, TaskEnd

ID, REGION = "20260101-000000-aaaaaaaa", "us-east-1"
NOW = 10_000.0
RETRIES = RetryRules(
    no_capacity=0, interruption=0, error=1, exit_codes=(), backoff=100.0, within=1_050.0, max_cost=None
)  # fmt: skip
RULES = Rules(("FARGATE_SPOT", "FARGATE"), RETRIES, Limits(3600, None, REGION))
NONE: Attempt = Attempt(1, "FARGATE_SPOT", f"{ID}-1", 9_000.0)  # written down, and maybe launched
UNDER_WAY = replace(NONE, task_arn="arn/1")
FAILED = replace(UNDER_WAY, event=Event.ERROR, exit_code=1, reason="it failed", started=9_010.0, stopped=9_950.0)
SECOND = Attempt(2, "FARGATE_SPOT", f"{ID}-2", NOW)
COST = task_cost(REGION, "X86_64", 256, 512, 940.0)
AGAIN = Again("FARGATE_SPOT", 100.0, "exit code 1")


def run(*attempts: Attempt, state: State = State.RUNNING, **more: Any) -> Run:
    known: dict[str, Any] = {
        "id": ID, "fingerprint": "a" * 64, "state": state, "created": 0.0, "inputs": {"cpu": 256, "memory": 512},
        "output": "s3://b/o", "cluster": "c", "attempts": attempts,
    }  # fmt: skip
    return Run(**known | more)


def over(state: State, attempt: Attempt, reason: str, **more: Any) -> Run:
    return run(attempt, state=state, exit_code=attempt.exit_code, reason=reason, **{"cost": COST} | more)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def task(status: str = "RUNNING", started: float = 9_010.0, **more: Any) -> dict[str, Any]:
    return {"lastStatus": status, "desiredStatus": "RUNNING", "startedAt": moment(started)} | more


def stopped(code: int, how: str = "EssentialContainerExited", at: float = 9_950.0, **more: Any) -> dict[str, Any]:
    containers = [{"name": "side", "exitCode": 9}, {"name": "main", "exitCode": code}]
    ended = {"desiredStatus": "STOPPED", "stopCode": how, "stoppedReason": "it failed" if code else ""}
    return task("STOPPED") | ended | {"stoppedAt": moment(at), "containers": containers} | more


def unplaced(**more: Any) -> dict[str, Any]:
    """A task that Scheduler stopped before its containers were there."""
    containers = [{"name": "main", "lastStatus": "STOPPED"}]
    ended = {"lastStatus": "STOPPED", "stopCode": "UserInitiated", "stoppedReason": OVERDUE}
    return ended | {"stoppedAt": moment(9_950.0), "containers": containers} | more


def saw(task_shown: Mapping[str, Any] | None, known: float = NOW) -> Seen:
    return Seen(task_shown, known, ("main",))


SPOT = replace(FAILED, event=Event.INTERRUPTION, exit_code=143)
GOOD = replace(FAILED, event=Event.SUCCESS, exit_code=0, reason="")
NO_ROOM = TaskEnd(Event.NO_CAPACITY, None, "RESOURCE:CPU")
REFUSED = replace(NONE, event=Event.NO_CAPACITY, reason="RESOURCE:CPU")
LOST = replace(UNDER_WAY, event=Event.LOST, reason=FORGOTTEN)
UNPLACED = replace(UNDER_WAY, event=Event.NO_CAPACITY, reason=f"{OVERDUE}; {NOT_BEGUN}", started=None, stopped=9_950.0)
ELSEWHERE = Again("FARGATE", 0.0, "no capacity on FARGATE_SPOT")
TWICE = replace(SECOND, task_arn="arn/2")
TABLE: list[tuple[str, Run, Seen, Any]] = [
    # The first launch, and what was written down and maybe launched.
    ("new", run(state=State.LAUNCHING), Seen(),
     Launch(run(replace(NONE, launched=NOW), state=State.LAUNCHING), recorded=False)),
    ("maybe launched", run(NONE, state=State.LAUNCHING), Seen(),
     Launch(run(NONE, state=State.LAUNCHING), recorded=True)),
    ("elsewhere, in the future", run(replace(NONE, provider="mine", launched=NOW + 9)), Seen(known_at=NOW),
     Launch(run(replace(NONE, launched=NOW)), recorded=True)),
    ("where it was", run(replace(NONE, provider="FARGATE")), Seen(),
     Launch(run(replace(NONE, provider="FARGATE")), recorded=True)),
    ("the second", run(FAILED, SECOND), Seen(), Launch(run(FAILED, SECOND), recorded=True)),
    # A task under way.
    ("unknown a moment after its launch", run(replace(UNDER_WAY, launched=NOW - 59)), saw(None, 0.0), Wait()),
    ("unknown for a moment", run(UNDER_WAY), saw(None, NOW - 59), Wait()),
    ("not asked", run(UNDER_WAY), Seen(known_at=NOW), Wait()),
    ("unknown for a minute", run(replace(UNDER_WAY, launched=NOW - 60)), saw(None, NOW - 60),
     End(over(State.FAILED, replace(LOST, launched=NOW - 60), FORGOTTEN, cost=None))),
    ("provisioning", run(UNDER_WAY), saw({"lastStatus": "PROVISIONING"}), Wait()),
    ("running", run(UNDER_WAY), saw(task()), Wait()),
    ("just in time", run(UNDER_WAY), saw(task(started=NOW - 3600)), Wait()),
    ("overdue", run(UNDER_WAY), saw(task(started=NOW - 3601)), Stop(OVERDUE)),
    ("overdue, and told", run(UNDER_WAY), saw(task(started=NOW - 3601, desiredStatus="STOPPED")), Wait()),
    ("to be stopped, and not told", run(UNDER_WAY, state=State.STOPPING), saw(task()), Stop(BY_USER)),
    ("to be stopped, and told", run(UNDER_WAY, state=State.STOPPING), saw(task(desiredStatus="STOPPED")), Wait()),
    ("to be stopped, and not asked", run(UNDER_WAY, state=State.STOPPING), Seen(known_at=NOW), Wait()),
    # The end of one.
    ("succeeded", run(UNDER_WAY), saw(stopped(0)), End(over(State.SUCCEEDED, GOOD, ""))),
    ("failed", run(UNDER_WAY), saw(stopped(1)), Retry(run(FAILED), 10_050.0, AGAIN)),
    ("failed, by a clock that is ahead", run(replace(UNDER_WAY, launched=9_500.0)),
     saw(stopped(1, at=NOW + 50)), Retry(run(replace(FAILED, launched=9_500.0, stopped=NOW + 50)), NOW + 100, AGAIN)),
    ("failed long ago", run(UNDER_WAY), saw(stopped(1, at=9_850.0)),
     Retry(run(replace(FAILED, stopped=9_850.0)), 9_950.0, AGAIN)),
    ("failed again", run(FAILED, TWICE), saw(stopped(1)),
     End(replace(over(State.FAILED, FAILED, "it failed; the program failed 2 times"),
                 attempts=(FAILED, replace(FAILED, number=2, token=f"{ID}-2", launched=NOW, task_arn="arn/2")),
                 cost=2 * (COST or 0)))),
    ("too late for another", run(replace(UNDER_WAY, launched=8_999.0)), saw(stopped(1)),
     End(over(State.FAILED, replace(FAILED, launched=8_999.0),
              "it failed; exit code 1, and `run.retry.within` is over"))),
    ("interrupted", run(UNDER_WAY), saw(stopped(143, "SpotInterruption")),
     Retry(run(SPOT), 9_950.0, Again("FARGATE", 0.0, "Spot interruption on FARGATE_SPOT"))),
    ("stopped", run(UNDER_WAY), saw(stopped(143, "UserInitiated")),
     End(over(State.STOPPED, replace(FAILED, event=Event.STOPPED, exit_code=143), "it failed"))),
    ("timed out", run(UNDER_WAY), saw(stopped(143, "UserInitiated", stoppedReason=OVERDUE)),
     End(over(State.FAILED, replace(FAILED, event=Event.TIMEOUT, exit_code=143, reason=OVERDUE), OVERDUE))),
    # One that got no place until then lacked room, and is tried elsewhere.
    ("never placed", run(UNDER_WAY), saw(unplaced()), Retry(run(UNPLACED), 9_950.0, ELSEWHERE)),
    ("its image still pulled", run(UNDER_WAY), saw(unplaced(pullStartedAt=moment(9_100.0))),
     End(over(State.FAILED, replace(UNPLACED, event=Event.TIMEOUT), f"{OVERDUE}; {NOT_BEGUN}",
              cost=(COST or 0.0) * 950 / 940))),
    ("no room", run(NONE), Seen(end=NO_ROOM),
     Retry(run(REFUSED), 9_000.0, Again("FARGATE", 0.0, "no capacity on FARGATE_SPOT"))),
    ("refused", run(NONE), Seen(end=TaskEnd(Event.NOT_STARTED, None, "no")),
     End(over(State.FAILED, replace(NONE, event=Event.NOT_STARTED, reason="no"), "no", cost=0.0))),
    ("seen by who watched it", run(UNDER_WAY), Seen(end=TaskEnd(Event.ERROR, 1, "it failed", "", 9_010.0, 9_950.0)),
     Retry(run(FAILED), 10_050.0, AGAIN)),
    # Between two attempts, by the record.
    ("in the pause", run(FAILED), Seen(known_at=NOW), Retry(run(FAILED), 10_050.0, AGAIN)),
    ("after the pause", run(replace(FAILED, stopped=9_900.0)), Seen(),
     Launch(run(replace(FAILED, stopped=9_900.0), SECOND), recorded=False, following=AGAIN)),
    ("after no room", run(REFUSED), Seen(),
     Launch(run(REFUSED, replace(SECOND, provider="FARGATE")), recorded=False,
            following=Again("FARGATE", 0.0, "no capacity on FARGATE_SPOT"))),
    ("an end in the future", run(replace(FAILED, stopped=NOW + 1)), Seen(),
     Launch(run(replace(FAILED, stopped=NOW + 1), SECOND), recorded=False, following=AGAIN)),
    ("nothing follows", run(GOOD), Seen(), End(over(State.SUCCEEDED, GOOD, ""))),
    ("stopped between two", run(FAILED, state=State.STOPPING), Seen(),
     End(over(State.STOPPED, FAILED, "it failed; stopped by the user"))),
    ("stopped, and it failed", run(UNDER_WAY, state=State.STOPPING), saw(stopped(1)),
     End(over(State.STOPPED, FAILED, "it failed; stopped by the user"))),
    ("stopped, and it had succeeded", run(UNDER_WAY, state=State.STOPPING), saw(stopped(0)),
     End(over(State.SUCCEEDED, GOOD, ""))),
    # Over.
    ("over", run(FAILED, state=State.FAILED), saw(stopped(0)), End(run(FAILED, state=State.FAILED))),
    ("over before it was launched", run(state=State.STOPPED), Seen(), End(run(state=State.STOPPED))),
]  # fmt: skip


@pytest.mark.parametrize(("given", "seen", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_next(given: Run, seen: Seen, wanted: Any) -> None:
    decision = step(given, RULES, seen, NOW)
    if isinstance(wanted, End) and wanted.run.cost:
        assert isinstance(decision, End)
        assert decision.run.cost == pytest.approx(wanted.run.cost)
        decision = End(replace(decision.run, cost=wanted.run.cost))
    assert decision == wanted


HOUR = hourly(REGION, "X86_64", 256, 512) or 0.0


def capped(seconds: float | None, **more: Any) -> Rules:
    """Rules whose limit pays for so many seconds, of which a task has 100 to end in."""
    dollars = None if seconds is None else HOUR * seconds / 3600
    return replace(RULES, limits=Limits(None, Cap(dollars, public_ip=False, margin=100), REGION), **more)


def dear(attempt: Attempt, reason: str, **more: Any) -> End:
    return End(over(State.FAILED, attempt, reason, **more))


REACHED = replace(FAILED, event=Event.MAX_COST, exit_code=143, reason=TOO_DEAR)
BOUGHT = "stopped at your limit of $0.006857 after 15 min"
UNPAID = replace(NONE, launched=NOW, event=Event.MAX_COST, reason=TOO_LITTLE)
NEXT_UNPAID = replace(SECOND, event=Event.MAX_COST, reason=TOO_LITTLE)
# The first attempt was launched at 9,000 and ended at 9,950.
COSTS: list[tuple[str, Run, Rules, Seen, Any]] = [
    ("within it", run(UNDER_WAY), capped(2_000), saw(task()), Wait()),
    ("reached", run(replace(UNDER_WAY, launched=8_099.0)), capped(2_000), saw(task()), Stop(TOO_DEAR)),
    ("by when ECS made it, whatever the record says", run(replace(UNDER_WAY, launched=NOW)), capped(2_000),
     saw(task(createdAt=moment(8_099.0))), Stop(TOO_DEAR)),
    ("reached, and told", run(replace(UNDER_WAY, launched=8_099.0)), capped(2_000),
     saw(task(desiredStatus="STOPPED")), Wait()),
    ("its part of a sweep's", run(UNDER_WAY, budget=HOUR * 1_000 / 3600), capped(2_000), saw(task()), Stop(TOO_DEAR)),
    ("the file's, where that is less", run(UNDER_WAY, budget=9.0), capped(1_000), saw(task()), Stop(TOO_DEAR)),
    ("a sweep's alone", run(UNDER_WAY, budget=HOUR * 1_000 / 3600), capped(None), saw(task()), Stop(TOO_DEAR)),
    ("none", run(UNDER_WAY), capped(None), saw(task(started=0.0)), Wait()),
    ("no price, no task", run(UNDER_WAY, inputs={}), capped(2_000), saw(task()), Stop(TOO_DEAR)),
    ("stopped for it", run(UNDER_WAY), capped(2_000), saw(stopped(143, "UserInitiated", stoppedReason=TOO_DEAR)),
     dear(REACHED, f"{TOO_DEAR}; {BOUGHT}")),
    ("what is left pays for another", run(FAILED), capped(1_110), Seen(known_at=NOW),
     Retry(run(FAILED), 10_050.0, AGAIN)),
    ("and it doesn't", run(FAILED), capped(1_109), Seen(known_at=NOW),
     End(replace(over(State.FAILED, FAILED, f"{TOO_LITTLE}; stopped at your limit of $0.003802 after 16 min"),
                 attempts=(FAILED, NEXT_UNPAID), exit_code=None))),
    ("what had no task costs nothing", run(REFUSED), capped(160), Seen(),
     Launch(run(REFUSED, replace(SECOND, provider="FARGATE")), recorded=False,
            following=Again("FARGATE", 0.0, "no capacity on FARGATE_SPOT"))),
    ("one that was lost has cost until the next", run(LOST, SECOND), capped(1_500), Seen(known_at=NOW),
     Launch(run(LOST, SECOND), recorded=True)),
    ("the first is paid", run(state=State.LAUNCHING), capped(160), Seen(),
     Launch(run(replace(NONE, launched=NOW), state=State.LAUNCHING), recorded=False)),
    ("not even the first is", run(state=State.LAUNCHING), capped(159), Seen(),
     dear(UNPAID, f"{TOO_LITTLE}; stopped at your limit of $0.000545 after 0 s", cost=0.0)),
    ("found out at its launch", run(FAILED, SECOND), capped(2_000), Seen(end=TaskEnd(Event.MAX_COST, None, TOO_LITTLE)),
     End(replace(over(State.FAILED, FAILED, f"{TOO_LITTLE}; stopped at your limit of $0.006857 after 16 min"),
                 attempts=(FAILED, NEXT_UNPAID), exit_code=None))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "rules", "seen", "wanted"), [row[1:] for row in COSTS], ids=[row[0] for row in COSTS]
)
def test_a_limit_in_dollars(given: Run, rules: Rules, seen: Seen, wanted: Any) -> None:
    decision = step(given, rules, seen, NOW)
    if isinstance(wanted, End):
        assert isinstance(decision, End)
        assert decision.run.cost == pytest.approx(wanted.run.cost)
        decision = End(replace(decision.run, cost=wanted.run.cost))
    assert decision == wanted


OOM = replace(FAILED, exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")
LADDER = replace(RETRIES, out_of_memory=2, error=0, within=None, max_memory=4096)
BIGGER = replace(SECOND, cpu=256, memory=1024)
MORE = Again("FARGATE_SPOT", 0.0, "out of memory with 512 MiB", (256, 1024))
BIGGER_OOM = replace(OOM, number=2, token=f"{ID}-2", cpu=256, memory=1024)
MEMORY: list[tuple[str, Run, Rules, Any]] = [
    ("the next size", run(OOM), replace(RULES, retry=LADDER), Launch(run(OOM, BIGGER), recorded=False, following=MORE)),
    ("the next after that", run(OOM, BIGGER_OOM), replace(RULES, retry=LADDER),
     Launch(run(OOM, BIGGER_OOM, replace(SECOND, number=3, token=f"{ID}-3", cpu=256, memory=2048)), recorded=False,
            following=Again("FARGATE_SPOT", 0.0, "out of memory with 1,024 MiB", (256, 2048)))),
    ("it stays with it", run(OOM, replace(SPOT, number=2, token=f"{ID}-2", cpu=256, memory=1024)),
     replace(RULES, retry=LADDER),
     Launch(run(OOM, replace(SPOT, number=2, token=f"{ID}-2", cpu=256, memory=1024),
                replace(BIGGER, number=3, token=f"{ID}-3", provider="FARGATE")), recorded=False,
            following=Again("FARGATE", 0.0, "Spot interruption on FARGATE_SPOT"))),
    ("what is left doesn't pay for more", run(OOM), capped(1_130, retry=LADDER), "doesn't pay for another task"),
    ("what is left pays for more", run(OOM), capped(1_300, retry=LADDER),
     Launch(run(OOM, BIGGER), recorded=False, following=MORE)),
    ("often enough", run(OOM, BIGGER_OOM), replace(RULES, retry=replace(LADDER, out_of_memory=1)), "memory 2 times"),
    ("no more is allowed", run(OOM), replace(RULES, retry=replace(LADDER, max_memory=512)),
     "out of memory with 512 MiB, and there is no larger size up to run.max_memory"),
    ("no more there is", run(OOM, inputs={"cpu": 32768, "memory": 249856}),
     replace(RULES, retry=replace(LADDER, max_memory=None)),
     "out of memory with 249,856 MiB, and there is no larger size"),
    ("nobody knows its size", run(OOM, inputs={}), replace(RULES, retry=LADDER), "out of memory, and there is no"),
    ("without a ladder it is a failure", run(OOM), RULES, Launch(run(OOM, SECOND), recorded=False,
     following=Again("FARGATE_SPOT", 100.0, "exit code 137"))),
]  # fmt: skip


@pytest.mark.parametrize(("given", "rules", "wanted"), [row[1:] for row in MEMORY], ids=[row[0] for row in MEMORY])
def test_out_of_memory(given: Run, rules: Rules, wanted: Any) -> None:
    decision = step(given, rules, Seen(), NOW + 100)
    if isinstance(wanted, str):
        assert isinstance(decision, End)
        assert wanted in decision.run.reason
        return
    last = wanted.run.attempts[-1]
    assert decision == replace(wanted, run=wanted.run.with_attempt(replace(last, launched=NOW + 100)))


def test_what_a_larger_attempt_costs() -> None:
    price = task_cost(REGION, "X86_64", 256, 1024, 940.0) or 0.0
    assert spent(run(OOM, replace(BIGGER_OOM, task_arn="arn/2")), REGION, NOW) == pytest.approx((COST or 0) + price)


@pytest.mark.parametrize(
    ("size", "most", "wanted"),
    [
        ((256, 512), None, (256, 1024)),
        ((256, 2048), None, (512, 4096)),
        ((1024, 8192), 12_288, (2048, 12_288)),
        ((1024, 8192), 9_000, None),
        ((4096, 30_720), 45_000, (8192, 40_960)),
        ((32768, 122_880), None, (32768, 249_856)),
        ((32768, 249_856), None, None),
        ((16384, 122_880), 122_880, None),
    ],
)
def test_the_next_size_with_more_memory(size: tuple[int, int], most: int | None, wanted: Any) -> None:
    assert larger(*size, most) == wanted


YEAR = 365 * 86_400.0
DEADLINES: list[tuple[Limits, Run, Any]] = [
    (Limits(None, None, REGION), run(UNDER_WAY), None),
    (Limits(600, None, REGION), run(UNDER_WAY), (9_660.0, OVERDUE)),
    (capped(2_000).limits, run(UNDER_WAY), (10_900.0, TOO_DEAR)),
    (capped(2_000).limits, run(FAILED, SECOND), (10_950.0, TOO_DEAR)),
    (capped(2_000).limits, run(LOST, SECOND), (10_900.0, TOO_DEAR)),
    (replace(capped(2_000).limits, max_duration=600), run(UNDER_WAY), (9_660.0, OVERDUE)),
    (replace(capped(2_000).limits, max_duration=3_600), run(UNDER_WAY), (10_900.0, TOO_DEAR)),
    (capped(2_000).limits, run(UNDER_WAY, inputs={"cpu": 256}), (9_000.0, TOO_DEAR)),
    *((capped(paid).limits, run(UNDER_WAY), (9_000.0 + YEAR, TOO_DEAR)) for paid in (1e11, 1e300, math.inf)),
    (capped(None).limits, run(UNDER_WAY, budget=1e300), (9_000.0 + YEAR, TOO_DEAR)),
    (capped(math.nan).limits, run(UNDER_WAY), (9_000.0, TOO_DEAR)),
    # Where an instance is launched first it isn't overdue while that is started.
    (Limits(600, None, REGION), run(replace(UNDER_WAY, provider="tiny-managed")), (11_400.0, OVERDUE)),
]


@pytest.mark.parametrize(("limits", "given", "wanted"), DEADLINES)
def test_when_scheduler_stops_it(limits: Limits, given: Run, wanted: Any) -> None:
    deadline = cap.deadline(given, limits)
    assert (deadline and deadline[1]) == (wanted and wanted[1])
    assert deadline is None or deadline[0] == pytest.approx(wanted[0])
    if deadline:  # which Scheduler takes, today too
        ends = (deadline[0] + 1.8e9, deadline[1])
        made = stop_schedule("t", ends, "task", deploy="d", partition="aws", role="r", cluster="c")
        assert re.fullmatch(r"at\(20\d\d-.*\)", made["ScheduleExpression"])


def test_once_it_runs_scheduler_stops_it_by_that() -> None:
    waited = run(replace(UNDER_WAY, provider="tiny-managed"))
    assert cap.deadline(waited, Limits(600, None, REGION), started=9_240.0) == (9_900.0, OVERDUE)


def test_the_parts_of_a_sweeps_limit() -> None:
    limits, shortest = capped(None).limits, HOUR * 160 / 3600
    assert cap.share(9.0, 3.0, 3, run(), limits) == pytest.approx(2.0)
    assert cap.share(shortest * 1.5, 0.0, 3, run(), limits) == pytest.approx(shortest), "some run rather than none"
    assert cap.share(1.0, 2.0, 3, run(), limits) == 0.0
    assert cap.cost_at_most(run(FAILED), limits) == pytest.approx(HOUR * 950 / 3600)
    assert cap.cost_at_most(run(LOST, budget=0.5), limits) == 0.5
    assert cap.cost_at_most(run(REFUSED), limits) == 0.0
    none = Limits(None, None, REGION)
    assert cap.share(8.0, 0.0, 2, run(inputs={}), none) == 4.0
    assert cap.cost_at_most(run(FAILED, inputs={}), none) == 0.0
    assert cap.cost_at_most(run(FAILED), none) > HOUR * 950 / 3600


@pytest.mark.parametrize(
    ("seconds", "text"), [(20.4, "20 s"), (240.0, "4 min"), (11_520.0, "3 h 12 min"), (3_600.0, "1 h 0 min")]
)
def test_a_span(seconds: float, text: str) -> None:
    assert cap.span(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(2.0, "$2.00"), (0.5, "$0.50"), (12.25, "$12.25"), (0.0125, "$0.0125"), (0.1 + 0.2, "$0.30")]
)
def test_dollars(amount: float, text: str) -> None:
    assert cap.dollars(amount) == text


def test_nobody_has_a_limit_and_it_is_said_all_the_same() -> None:
    assert cap.limit_text(run(FAILED), capped(None).limits, NOW) == "stopped at your limit after 15 min"


def test_what_is_written_down_already_is_the_same_object() -> None:
    for given in (run(FAILED, state=State.FAILED), run(FAILED)):
        decision = step(given, RULES, Seen(), NOW)
        assert isinstance(decision, End | Retry)
        assert decision.run is given


def test_whoever_goes_on_waits_for_the_same_moment() -> None:
    """One sees the end, is stopped, and others come at any time of the pause."""
    first = step(run(UNDER_WAY), RULES, saw(stopped(1)), 9_951.0)
    assert isinstance(first, Retry)
    for now in (9_951.0, 9_990.0, 10_049.9):
        assert step(first.run, RULES, Seen(known_at=now), now) == replace(first, run=first.run)
    last = step(first.run, RULES, Seen(), 10_050.0)
    assert isinstance(last, Launch)
    assert last.run.attempts[-1].launched == 10_050.0
    assert isinstance(step(first.run, RULES, Seen(), 99_999.0), Launch), "counted from the end, whoever comes"
    limit = replace(RULES, retry=replace(RETRIES, within=1_049.0))
    assert isinstance(step(first.run, limit, Seen(), 9_951.0), End)


def test_what_was_spent_counts() -> None:
    dear = replace(RULES, retry=replace(RETRIES, max_cost=COST))
    assert isinstance(step(run(FAILED), dear, Seen(), NOW), End)
    dear = replace(RULES, retry=replace(RETRIES, max_cost=2 * (COST or 0)))
    assert isinstance(step(run(FAILED), dear, Seen(), NOW), Retry)


def test_no_limit_of_time() -> None:
    assert to_stop(run(UNDER_WAY), Limits(None, None, REGION), task(started=0.0), NOW) == ""
    pending = {"lastStatus": "PENDING", "desiredStatus": "RUNNING"}
    assert to_stop(run(UNDER_WAY), Limits(1, None, REGION), pending, NOW) == ""


def test_a_task_that_has_ended() -> None:
    assert end_of(UNDER_WAY, saw(task()), NOW) is None
    deleted = replace(saw(stopped(37)), task={**stopped(37), "lastStatus": "DELETED"})
    assert end_of(UNDER_WAY, deleted, NOW) == end_of(UNDER_WAY, saw(stopped(37)), NOW)
    verdict = end_of(UNDER_WAY, saw(stopped(37)), NOW)
    assert verdict is not None
    assert (verdict.event, verdict.exit_code) == (Event.ERROR, 37), "by its own container"


PAIRS: list[tuple[str, Run, Run | None, Run]] = [
    ("no record", run(UNDER_WAY), None, run(UNDER_WAY)),
    ("the same", run(UNDER_WAY), run(UNDER_WAY), run(UNDER_WAY)),
    ("launched", run(NONE), run(UNDER_WAY), run(UNDER_WAY)),
    ("ended", run(UNDER_WAY), run(FAILED), run(FAILED)),
    ("ended here", run(FAILED), run(UNDER_WAY), run(FAILED)),
    ("another", run(FAILED), run(FAILED, SECOND), run(FAILED, SECOND)),
    ("another here", run(FAILED, SECOND), run(FAILED), run(FAILED, SECOND)),
    ("the first", run(), run(NONE), run(NONE)),
    ("none yet", run(), run(), run()),
    ("over", run(FAILED, SECOND), over(State.FAILED, FAILED, "x"), over(State.FAILED, FAILED, "x")),
    ("over here", over(State.FAILED, FAILED, "x"), run(FAILED, SECOND), over(State.FAILED, FAILED, "x")),
    ("stopping", run(FAILED), run(UNDER_WAY, state=State.STOPPING), run(FAILED, state=State.STOPPING)),
    ("stopping, and over here", run(GOOD, state=State.SUCCEEDED), run(UNDER_WAY, state=State.STOPPING),
     run(GOOD, state=State.SUCCEEDED)),
    ("launched and stopping", run(NONE), run(UNDER_WAY, state=State.STOPPING), run(UNDER_WAY, state=State.STOPPING)),
    ("what it is made of stays", run(NONE, inputs={"a": 1}), run(UNDER_WAY, inputs={"b": 1}),
     run(UNDER_WAY, inputs={"a": 1})),
    ("given to the function", run(FAILED), run(UNDER_WAY, unattended=True), run(FAILED, unattended=True)),
    ("and further", run(NONE), run(UNDER_WAY, unattended=True), run(UNDER_WAY, unattended=True)),
    ("taken back", run(FAILED, unattended=True), run(UNDER_WAY), run(FAILED)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "record", "wanted"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_what_has_got_further(given: Run, record: Run | None, wanted: Run) -> None:
    newer = newest(given, record)
    assert newer == wanted
    if newer == given:
        assert newer is given


SMALL = {"cpu": 256, "memory": 512}
USUAL = ("X86_64", 256, 512)


@pytest.mark.parametrize(
    ("inputs", "attempts", "wanted"),
    [
        (SMALL, [{}], [(*USUAL, 940.0, None)]),
        (SMALL, [], []),
        (SMALL, [{}, {"started": None}], [(*USUAL, 940.0, None), (*USUAL, 950.0, None)]),
        (SMALL, [{"stopped": None}], [(*USUAL, 990.0, None)]),
        (SMALL, [{"task_arn": ""}, {}], [(*USUAL, 940.0, None)]),
        (SMALL, [{"event": Event.LOST}], [(*USUAL, 940.0, None)]),
        (SMALL, [{"event": Event.LOST, "stopped": None}], None),
        (SMALL, [{}, {"provider": "mine"}], None),
        (SMALL | {"architecture": "ARM64", "ephemeral_storage": 50}, [{}], [("ARM64", 256, 512, 940.0, 50)]),
        (SMALL | {"architecture": "Z80"}, [{}], None),
        ({"cpu": 256}, [{}], None),
        ({"memory": 512}, [{}], None),
    ],
)  # fmt: skip
def test_what_it_costs(inputs: dict[str, Any], attempts: list[dict[str, Any]], wanted: list[Any] | None) -> None:
    cost = spent(run(*(replace(FAILED, **more) for more in attempts), inputs=inputs), REGION, NOW)
    assert cost == (None if wanted is None else sum(task_cost(REGION, *priced) or 0.0 for priced in wanted))


def test_a_token_that_is_given_up_is_a_lost_attempt_and_another_on_the_same_provider() -> None:
    following = given_up(run(FAILED, SECOND), "arn/9", NOW)
    lost = replace(SECOND, task_arn="arn/9", event=Event.LOST, reason=LAUNCHED_BEFORE)
    assert following == run(FAILED, lost, replace(SECOND, number=3, token=f"{ID}-3"))
    assert step(following, RULES, saw(None), NOW) == Launch(following, recorded=True)


def test_a_minute_is_what_is_waited_for() -> None:
    assert steps.MISSING == 60.0


def test_workers_are_paid_for_as_long_as_the_program() -> None:
    inputs = {"cpu": 256, "memory": 512, "workers": {"count": 2, "cpu": 1024, "memory": 4096}}
    worker = task_cost(REGION, "X86_64", 1024, 4096, 940.0)
    assert spent(run(FAILED, inputs=inputs), REGION, NOW) == pytest.approx((COST or 0) + 2 * (worker or 0))


@pytest.mark.parametrize(
    ("record", "number", "arn", "known"),
    [
        (run(UNDER_WAY), 1, "arn/1", True),
        (run(UNDER_WAY), 1, "arn/2", False),  # another's was recorded meanwhile
        (run(NONE), 1, "arn/1", True),  # whoever goes on finds it by its token
        (run(REFUSED), 1, "arn/1", False),  # that attempt ended without a task
        (run(FAILED, TWICE), 1, "arn/1", True),
        (run(FAILED, TWICE), 2, "arn/2", True),
        (run(FAILED, SECOND), 2, "arn/2", True),
        (run(FAILED), 2, "arn/2", True),
        (run(FAILED, state=State.FAILED), 2, "arn/2", False),  # nobody goes on
        (run(NONE, state=State.STOPPED), 1, "arn/1", False),
    ],
)
def test_which_task_a_record_accounts_for(record: Run, number: int, arn: str, known: bool) -> None:
    assert accounts_for(record, number, arn) is known


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (run(NONE, state=State.STOPPED), "stopped by the user"),
        (run(FAILED, state=State.FAILED), "launched after the run had gone on without it"),
        (run(REFUSED), "launched after the run had gone on without it"),
    ],
)
def test_why_a_task_that_no_record_accounts_for_is_stopped(record: Run, why: str) -> None:
    assert why_unaccounted(record) == why
