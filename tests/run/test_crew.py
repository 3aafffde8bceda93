"""The driver of a run's workers, over ways to AWS that say what they are told to say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, code_of
from reconciler.run.crew import LOOK, PAUSE, WORKERS_TAG, Crew, Where, end_of_run
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides
from reconciler.run.stored import Store
from reconciler.run.verdict import TaskEnd
from reconciler.run.workers import GRACE, launches_of
from reconciler.scheduled import aws as scheduled
from tests.run.test_workers import ID, NOW, WORKERS, run

PROGRAM: dict[str, Any] = {
    "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
    "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.0.0.1"}]}],
}  # fmt: skip
FAMILY = "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny-again"


class Refused(Exception):
    """ECS says no."""

    @property
    def code(self) -> str:
        return str(self)


class Ecs:
    """ECS as far as a crew asks it. refuse: what a launch on a provider is answered, or raised."""

    FAILURES = (Refused,)

    def __init__(self, **refuse: Any) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.refuse = refuse
        self.tokens: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.listed: list[str] = []
        self.used: set[str] = set()  # tokens, with other parameters

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        if operation == "DescribeTaskDefinition":
            container = {"environment": [{"name": "DASK_WORKERS", "value": "2"}]}
            definition = {"containerDefinitions": [container], "cpu": "1024", "memory": "4096"}
            return {"taskDefinition": definition, "tags": [{"key": WORKERS_TAG, "value": f"{FAMILY}:1"}]}
        self.asked.append(given)
        provider = given["capacityProviderStrategy"][0]["capacityProvider"]
        if isinstance(answer := self.refuse.get(provider), Exception):
            raise answer
        if answer:
            return {"failures": [{"reason": answer}]}
        if given["clientToken"] in self.used:
            raise Refused("ConflictException")
        if (known := self.tokens.get(given["clientToken"])) is None:
            known = self.tokens[given["clientToken"]] = self.launched(given["group"], given["overrides"])
        return {"tasks": [known]}

    def launched(self, group: str, overrides: Any = None) -> dict[str, Any]:
        self.made += 1
        arn = f"arn/{self.made}"
        self.tasks[arn] = {
            "taskArn": arn, "group": group, "lastStatus": "RUNNING", "containers": [{"name": "worker"}],
            "overrides": overrides,
        }  # fmt: skip
        return self.tasks[arn]

    def find(self, service: str, operation: str, **given: Any) -> dict[str, Any] | None:
        if operation == "ListTasks":
            self.listed.append(given["startedBy"])
            stopped = given["desiredStatus"] == "STOPPED"
            return {"taskArns": [a for a, t in self.tasks.items() if (t["lastStatus"] == "STOPPED") == stopped]}
        if operation == "DescribeTasks":
            return {"tasks": [t for t in self.tasks.values() if t["taskArn"].rpartition("/")[2] in given["tasks"]]}
        if operation == "StopTask":
            self.tasks[f"arn/{given['task']}"]["lastStatus"] = "STOPPED"
        return {}

    def each(self, ask: Any, items: Any) -> list[Any]:
        return [ask(item) for item in items]


def crew(ecs: Ecs, clock: list[float], lines: list[str]) -> Crew:
    where = Where("c", ("s",), "g", False, ("FARGATE_SPOT", "FARGATE"))
    return Crew(ecs, where, run(WORKERS), Overrides(), lambda: clock[0], lines.append)


def launched(ecs: Ecs) -> list[tuple[str, str]]:
    return [(request["group"], request["capacityProviderStrategy"][0]["capacityProvider"]) for request in ecs.asked]


def test_a_lost_one_is_launched_again_elsewhere_and_four_times_at_most() -> None:
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    assert mine.tend(PROGRAM)
    assert launched(ecs) == [("worker-1", "FARGATE_SPOT"), ("worker-2", "FARGATE_SPOT")]
    assert not mine.tend(PROGRAM)  # before its time
    for _ in range(6):
        newest = [task for task in ecs.tasks.values() if task["group"] == "worker-1"][-1]
        newest |= {"lastStatus": "STOPPED", "stoppedReason": "x"}
        clock[0] += LOOK
        mine.tend(PROGRAM)
    assert launched(ecs)[2:] == [("worker-1", "FARGATE")] * 3
    assert len({request["clientToken"] for request in ecs.asked}) == 5
    assert lines.count("worker 1 ended: x") == 3
    assert lines[-1] == "worker 1 ended: x; after 4 launches there is no other"


@pytest.mark.parametrize("forgotten", [["arn/1"], ["arn/1", "arn/3"]], ids=["the first", "all"])
def test_a_lost_one_is_replaced_after_earlier_ones_are_forgotten(forgotten: list[str]) -> None:
    """Whoever comes later counts by what ECS still shows: the newest one's name, or what a token's answer tells."""
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    assert mine.tend(PROGRAM)
    ecs.tasks["arn/1"] |= {"lastStatus": "STOPPED"}
    clock[0] += LOOK
    assert mine.tend(PROGRAM)
    ecs.tasks["arn/3"] |= {"lastStatus": "STOPPED"}
    for arn in forgotten:
        del ecs.tasks[arn]
    assert crew(ecs, clock, lines).tend(PROGRAM)
    assert [(t["group"], t["lastStatus"]) for t in ecs.tasks.values()][-1] == ("worker-1", "RUNNING")
    assert [launches_of(task) for task in ecs.tasks.values()][-1] == 3


def test_an_answer_that_shows_an_old_task_as_it_was_is_not_believed() -> None:
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    assert crew(ecs, clock, lines).tend(PROGRAM)
    for task in ecs.tokens.values():
        task["createdAt"] = datetime.fromtimestamp(NOW, UTC)
    del ecs.tasks["arn/1"]
    clock[0] += 7200
    assert crew(ecs, clock, lines).tend(PROGRAM)
    assert [(task["group"], launches_of(task)) for task in ecs.tasks.values()] == [("worker-2", 1), ("worker-1", 2)]


def test_after_its_end_nothing_of_any_attempt_is_left() -> None:
    ecs = Ecs()
    attempts = [Attempt(number, "FARGATE", f"{ID}-{number}", 0.0, f"arn/{number}") for number in (1, 2, 3)]
    end_of_run(ecs, "tiny", "c", print, run(WORKERS, *attempts))
    assert ecs.listed == [f"{ID}-{number}/workers" for number in (1, 2, 3)]


def test_what_can_not_be_stopped_keeps_no_certificate() -> None:
    ecs, lines = Ecs(), list[str]()

    def refuses(service: str, operation: str, **given: Any) -> dict[str, Any] | None:
        if service == "ecs":
            raise Refused("AccessDenied")
        ecs.listed.append(given["Name"])
        return {}

    ecs.find = refuses  # type: ignore[method-assign]
    over = run(WORKERS, Attempt(1, "FARGATE", f"{ID}-1", 0.0, "arn/1"))
    end_of_run(ecs, "tiny", "c", lines.append, over)
    assert ecs.listed == [f"/reconciler/tiny/workers/{ID}"]
    assert lines == [f"what run {ID} left of its workers stays: AccessDenied"]


class Pages(Ecs):
    """Pages of an answer, each of which names itself as the next."""

    def find(self, service: str, operation: str, **given: Any) -> dict[str, Any] | None:
        return {"taskArns": ["x"], "nextToken": "t", "Versions": [], "NextKeyMarker": "k"}


@pytest.mark.parametrize("failures", [Aws.FAILURES, scheduled.FAILURES], ids=["client", "function"])
def test_an_answer_without_an_end_hinders_no_end(failures: tuple[type[Exception], ...]) -> None:
    """What is left is said, and the run's end recorded all the same."""
    calls, lines, over = Pages(), list[str](), run(WORKERS, Attempt(1, "FARGATE", f"{ID}-1", 0.0, "arn/1"))
    calls.FAILURES = failures  # type: ignore[assignment]
    end_of_run(calls, "tiny", "c", lines.append, over)
    Store(calls, "b", lines.append, checkpoints=True).end_checkpoint(over)
    assert [line.partition(" of its ")[2].split()[0] for line in lines] == ["workers", "checkpoint"]


def test_a_scheduler_that_has_ended_gets_no_workers() -> None:
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    mine.tend(PROGRAM)
    for task in ecs.tasks.values():
        task |= {"lastStatus": "STOPPED", "containers": [{"name": "worker", "exitCode": 0}]}
    clock[0] += GRACE + LOOK
    shut_down = {"name": "scheduler", "lastStatus": "STOPPED", "exitCode": 0}
    assert not mine.tend(PROGRAM | {"containers": [*PROGRAM["containers"], shut_down]})
    end = mine.ended(TaskEnd(Event.ERROR, 1, "x"))
    assert (len(ecs.asked), mine.losses, end.reason) == (2, {}, "x")


@pytest.mark.parametrize(
    ("event", "told"), [(Event.ERROR, True), (Event.TIMEOUT, True), (Event.MAX_COST, True), (Event.SUCCESS, False)]
)
def test_what_a_run_may_have_waited_for_is_told(event: Event, told: bool) -> None:
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    mine.tend(PROGRAM)
    ecs.tasks["arn/2"] |= {"lastStatus": "STOPPED", "stoppedReason": "OutOfMemoryError: killed", "memory": "4096"}
    clock[0] += LOOK
    mine.tend(PROGRAM)
    assert mine.ended(TaskEnd(event, 1, "x")).reason == "x" + (
        "; worker 2 was out of memory (4096 MiB)" if told else ""
    )


def test_one_that_ends_with_its_program_is_not_lost() -> None:
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    mine.tend(PROGRAM)
    for code, task in zip((0, 1), ecs.tasks.values(), strict=True):
        ended = {"stoppedAt": datetime.fromtimestamp(NOW + LOOK, UTC), "stoppedReason": "x"}
        task |= {"lastStatus": "STOPPED", "containers": [{"name": "worker", "exitCode": code}], **ended}
    clock[0] += LOOK
    assert not mine.tend(PROGRAM)  # ECS may not show yet that the program has ended
    assert (len(ecs.asked), lines[2:]) == (2, ["worker 2 ended: x, exit code 1"])
    clock[0] += GRACE
    assert mine.tend(PROGRAM)
    assert len(ecs.asked) == 4
    assert "worker 1 ended: x, exit code 0" in lines


@pytest.mark.parametrize(
    "why",
    [
        "Capacity is unavailable at this time",
        "You\u2019ve reached the limit on the number of vCPUs you can run concurrently",
    ],
)
def test_where_there_is_no_room_the_next_provider_is_asked(why: str) -> None:
    ecs, lines = Ecs(FARGATE_SPOT=why), list[str]()
    assert crew(ecs, [NOW], lines).tend(PROGRAM)
    assert lines == ["worker 1 on FARGATE", "worker 2 on FARGATE"]
    ecs.refuse["FARGATE"] = "RESOURCE:CPU"
    ecs.tasks.clear()
    lines.clear()
    clock = [NOW]
    mine = crew(ecs, clock, lines)
    for _ in range(3):
        assert not mine.tend(PROGRAM)
        clock[0] += LOOK
    assert lines == ["there is no room for worker 1 yet: RESOURCE:CPU"]


def test_what_another_has_launched_is_found_after_a_refusal() -> None:
    """Two may watch a run, with variables that differ: ECS refuses the second one's token."""
    ecs, clock, lines = Ecs(FARGATE_SPOT=Refused("ConflictException")), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    assert not mine.tend(PROGRAM)
    assert lines == ["a worker can't be launched now: ConflictException"]
    for number in (1, 2):
        ecs.launched(f"worker-{number}")
    clock[0] += LOOK
    assert not mine.tend(PROGRAM)
    clock[0] += PAUSE
    assert mine.tend(PROGRAM)
    assert len(ecs.asked) == 1


def test_tokens_that_another_used_for_what_is_forgotten_are_given_up() -> None:
    """Another commit's client launched them, and they ended hours ago: neither ECS's answer nor its list shows them."""
    ecs, clock, lines = Ecs(), [NOW], list[str]()
    mine = crew(ecs, clock, lines)
    ecs.used = {f"{ID}-1-w1-0s", f"{ID}-1-w1-1", f"{ID}-1-w2-0s"}
    asked = list[int]()
    while not mine.tend(PROGRAM) and len(asked) < 9:
        asked.append(len(ecs.asked))
        clock[0] += PAUSE + LOOK
    assert asked == [1, 2]  # ECS may not show yet what was launched a moment ago
    assert [(task["group"], launches_of(task)) for task in ecs.tasks.values()] == [("worker-1", 3), ("worker-2", 2)]
    assert launched(ecs)[-2:] == [("worker-2", "FARGATE_SPOT"), ("worker-2", "FARGATE")]
    ecs.used, ecs.tasks["arn/1"]["lastStatus"] = {f"{ID}-1-w1-3"}, "STOPPED"
    clock[0] += LOOK
    assert not mine.tend(PROGRAM)  # another one, which may have been launched a moment ago


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError({"Error": {"Code": "ConflictException", "Message": "m"}}, "RunTask"), "ConflictException"),
        (AwsError("ecs", "RunTask", "ConflictException", "m"), "ConflictException"),
        (EndpointConnectionError(endpoint_url="https://x"), ""),
        (ClientError({}, "RunTask"), ""),
    ],
)
def test_the_code_of_a_failure_is_found_of_either_way_to_aws(error: Exception, code: str) -> None:
    assert code_of(error) == code


def test_none_is_launched_for_a_program_that_ends() -> None:
    ecs = Ecs()
    for status in ("PENDING", "DEPROVISIONING", "STOPPED"):
        assert not crew(ecs, [NOW], []).tend(PROGRAM | {"lastStatus": status})
    assert not crew(ecs, [NOW], []).tend(PROGRAM | {"desiredStatus": "STOPPED"})
    assert not ecs.asked
