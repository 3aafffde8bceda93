"""What a task used: as Container Insights tells it, whatever else is in its log group, and what follows from that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.cli.used import attempt_line, enough_for, run_lines
from reconciler.config.schema import Deploy
from reconciler.core.errors import Denied, Gone
from reconciler.local import insights
from reconciler.local.docker_runner import used_in
from reconciler.local.log_patterns import parse
from reconciler.local.runner import Used
from reconciler.run.insights import PAGES, with_usage
from reconciler.run.place import Place
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.usage import (
    AT_ONCE,
    LARGEST_MEMORY,
    LATE,
    NOTHING,
    Enough,
    Took,
    Usage,
    enough,
    pattern,
    size_text,
    usage_text,
    used,
)
from tests.run.conftest import Lane, records
from tests.run.samples import attempt as sample
from tests.run.samples import run as run_of

ONE, OTHER = "a" * 32, "b" * 32
ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/"
# As ECS writes it for a task on Fargate.
EVENT: dict[str, Any] = {
    "Version": "0", "Type": "Task", "TaskId": ONE, "TaskDefinitionFamily": "tiny", "TaskDefinitionRevision": "2",
    "ClusterName": "tiny", "KnownStatus": "RUNNING", "CreatedAt": 1707384290000, "StartedAt": 1707384290000,
    "Timestamp": 1707384300000, "CpuUtilized": 23.619295457204185, "CpuReserved": 256, "MemoryUtilized": 277,
    "MemoryReserved": 1024, "StorageReadBytes": 138981376, "NetworkRxBytes": 2198,
}  # fmt: skip


def event(**more: Any) -> str:
    return json.dumps(EVENT | more)


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        ([], NOTHING),
        ([event()], Usage(277, 24, 1)),
        ([event(), event(MemoryUtilized=300.2), event(MemoryUtilized=20, CpuUtilized=256.0)], Usage(301, 256, 3)),
        ([event(MemoryUtilized=0, CpuUtilized=0.0)], Usage(0, 0, 1)),
        # Of another task, of another type, and what nobody measured.
        ([event(TaskId=OTHER)], NOTHING),
        ([event(Type="Container"), event(Type="Cluster")], NOTHING),
        ([event(TaskId=[ONE]), event(TaskId=None), event(TaskId={})], NOTHING),
        ([event(MemoryUtilized=-1), event(CpuUtilized=-0.1)], NOTHING),
        ([event(MemoryUtilized=LARGEST_MEMORY + 1), event(CpuUtilized=1e300)], NOTHING),
        ([event(MemoryUtilized="277"), event(MemoryUtilized=True), event(CpuUtilized=None)], NOTHING),
        (["", "{", "[]", "null", "\x1b[2J", '{"Type": "Task"}', "[" * 10_000], NOTHING),
        (["x" * 300_000, event(MemoryUtilized=1).replace("1,", "NaN,", 1), event()], Usage(277, 24, 1)),
    ],
)
def test_what_a_task_used_at_most(messages: list[str], wanted: Usage) -> None:
    assert used(messages, [ONE]) == {ONE: wanted}


def took(**more: Any) -> Took:
    return replace(Took("us-east-1", "X86_64", 3600.0, None, None), **more)


SMALL = "256 CPU units and 512 MiB"
HOUR = {"cpu": 0.04048, "memory": 0.004445}  # of a vCPU and a GB


@pytest.mark.parametrize(
    ("usages", "size", "wanted"),
    [
        ([], (256, 512), None),
        ([NOTHING], (256, 512), None),
        # A fifth more than 426 MiB is just within 512.
        ([Usage(426, 10, 1)], (256, 512), (256, 512)),
        ([Usage(427, 10, 1)], (256, 512), (256, 1024)),
        ([Usage(426, 10, 1)], (4096, 30720), (256, 512)),
        # The processor: less where it wasn't used, never more than it had.
        ([Usage(100, 600, 1)], (4096, 8192), (1024, 2048)),
        ([Usage(100, 4096, 1)], (4096, 30720), (4096, 8192)),
        ([Usage(100, 9000, 1)], (1024, 2048), (1024, 2048)),
        # The smaller processor doesn't come with so much memory.
        ([Usage(2000, 10, 1)], (1024, 8192), (512, 3072)),
        ([Usage(100_000, 10, 1)], (16384, 122880), (16384, 122880)),
        ([Usage(110_000, 10, 1)], (16384, 122880), (32768, 249856)),
        ([Usage(249_000, 10, 1)], (32768, 249856), None),
        # All attempts together.
        ([Usage(900, 10, 3), NOTHING, Usage(100, 200, 1)], (1024, 2048), (256, 2048)),
    ],
)
def test_the_smallest_size_that_is_enough(
    usages: list[Usage], size: tuple[int, int], wanted: tuple[int, int] | None
) -> None:
    smallest = enough(usages, size, took())
    assert (smallest and (smallest.cpu, smallest.memory)) == wanted
    if smallest:
        known = [sum(n * price for n, price in zip((c / 1024, m / 1024), HOUR.values(), strict=True))
                 for c, m in (size, (smallest.cpu, smallest.memory))]  # fmt: skip
        assert smallest.saves == pytest.approx(known[0] - known[1])
        assert smallest.saves_a_month is None


def test_what_it_saves() -> None:
    small, size = [Usage(300, 100, 5)], (1024, 2048)
    month = enough(small, size, took(runs=30.0))
    assert month is not None
    assert month.saves is not None
    assert month.saves_a_month == pytest.approx(30 * month.saves)
    assert enough(small, size, took(region="mars-1", runs=30.0)) == Enough(256, 512, None, None)
    # A minute is the least that is paid for.
    assert enough(small, size, took(seconds=0.0)) == enough(small, size, took(seconds=60.0))


@pytest.mark.parametrize(
    ("usage", "ran", "late", "wanted"),
    [
        (Usage(277, 24, 1), 60.0, False, "used at most 277 of 512 MiB and 24 of 256 CPU units (1 measurement)"),
        (Usage(1277, 24, 90), None, False, "used at most 1,277 of 512 MiB and 24 of 256 CPU units (90 measurements)"),
        (Usage(77, 4, 2), 60.0, True,
         "used at most 77 of 512 MiB and 4 of 256 CPU units (2 measurements; more may come)"),
        (NOTHING, 5.0, True, "nothing is measured yet: Container Insights tells of each minute a few minutes later"),
        (None, 5.0, True, "nothing is measured yet: Container Insights tells of each minute a few minutes later"),
        (NOTHING, 5.0, False,
         "nothing was measured: it was over too soon for Container Insights, which measures each minute"),
        (NOTHING, 500.0, False,
         "nothing was measured, or it is gone by now: its log group keeps it for a day, unless you say otherwise"),
        (None, 500.0, False, "what it used can't be read now"),
    ],
)  # fmt: skip
def test_an_attempt_in_words(usage: Usage | None, ran: float | None, late: bool, wanted: str) -> None:
    assert usage_text(usage, (256, 512), ran, late=late) == wanted


@pytest.mark.parametrize(
    ("smallest", "whole", "wanted"),
    [
        (Enough(256, 512, 0.02, None), True,
         "256 CPU units and 512 MiB would be enough (a fifth more than it used): saves $0.0200 a run"),
        (Enough(256, 512, 0.02, 0.6), True,
         f"{SMALL} would be enough (a fifth more than it used): saves $0.6000 a month by the schedule"),
        (Enough(256, 512, 0.02, 12.5), False,
         f"{SMALL} would be enough as far as it got (a fifth more than it used): saves $12.50 a month by the schedule"),
        (Enough(1024, 3072, -0.02, None), True,
         "1,024 CPU units and 3,072 MiB would leave room (a fifth more than it used): costs $0.0200 more a run"),
        (Enough(256, 512, None, None), True,
         "256 CPU units and 512 MiB would be enough (a fifth more than it used): its price isn't known here"),
        (Enough(1024, 2048, 0.0, None), True,
         "1,024 CPU units and 2,048 MiB is the smallest size with a fifth more than it used"),
    ],
)  # fmt: skip
def test_a_size_in_words(smallest: Enough, whole: bool, wanted: str) -> None:
    assert size_text(smallest, (1024, 2048), whole=whole) == wanted


INSIGHTS = {"cluster": {"container_insights": True}}
INPUTS = {"cpu": 1024, "memory": 2048}
NOW = 1e6


def deploy(**more: Any) -> Deploy:
    return Deploy.model_validate({"name": "tiny", "image": ".", **more}).filled()


def ended(number: int = 1, **more: Any) -> Any:
    """An attempt that ran for a minute, a day ago."""
    known: dict[str, Any] = {"task_arn": ARN + chr(96 + number) * 32, "launched": 5.0, "started": 10.0, "stopped": 70.0}
    return replace(sample(number), **(known | more))


OOM: dict[str, Any] = {
    "event": Event.ERROR,
    "exit_code": 137,
    "reason": "OutOfMemoryError: Container killed due to memory usage",
}


@pytest.mark.parametrize(
    ("more", "file", "wanted"),
    [
        ({"usage": Usage(300, 100, 1)}, INSIGHTS, ["256 CPU units and 512 MiB would be enough"]),
        ({"usage": Usage(300, 100, 1)}, {}, ["256 CPU units and 512 MiB would be enough"]),
        ({"usage": Usage(300, 100, 1)}, INSIGHTS | {"schedule": {"when": "rate(1 day)"}}, ["a month by the schedule"]),
        ({"usage": Usage(300, 100, 1)}, INSIGHTS | {"schedule": {"when": "rate(1 day)", "enabled": False}}, ["a run"]),
        ({"usage": NOTHING}, INSIGHTS, []),
        ({}, INSIGHTS, []),
        ({}, {}, ["not measured; `cluster: {container_insights: true}` in deploy.yaml measures memory and processor"]),
        # Nothing ran; it was too small; it isn't Fargate's.
        ({"started": None, "event": Event.NOT_STARTED}, {}, []),
        ({"usage": Usage(2048, 100, 1), **OOM}, INSIGHTS, ["it used all of its memory"]),
        ({"usage": Usage(300, 100, 1), "provider": "gpu"}, INSIGHTS, []),
    ],
)
def test_what_is_said_of_a_run(more: Mapping[str, Any], file: Mapping[str, Any], wanted: list[str]) -> None:
    run = run_of(inputs=INPUTS, attempts=(ended(**more),))
    lines = list(run_lines(deploy(**file), run))
    assert len(lines) == len(wanted)
    assert all(part in line for part, line in zip(wanted, lines, strict=True))


def test_a_run_that_went_on_with_more_memory() -> None:
    """What didn't suffice is a lower bound; how much is enough is told by the attempt that had more."""
    attempts = (ended(usage=Usage(512, 90, 2), cpu=256, memory=512, **OOM),
                ended(2, usage=Usage(600, 80, 9), cpu=256, memory=1024, event=Event.SUCCESS))  # fmt: skip
    run = run_of(inputs=INPUTS, attempts=attempts)
    smallest = enough_for(deploy(**INSIGHTS), run)
    assert smallest is not None
    assert (smallest.cpu, smallest.memory, smallest.saves) == (256, 1024, 0.0)
    lines = [attempt_line(deploy(**INSIGHTS), run, attempt, NOW) for attempt in attempts]
    assert [line.partition(" MiB")[0] for line in lines] == ["used at most 512 of 512", "used at most 600 of 1,024"]


PLACE = Place("tiny", "tiny", "main", "/ecs/tiny", "ecs")


class Logs:
    """CloudWatch with these pages of events, and the record of a run."""

    def __init__(self, *pages: list[str] | None, denied: str = "") -> None:
        self.pages, self.denied, self.asked, self.kept = list(pages), denied, list[dict[str, Any]](), list[Run]()
        self.clock = self

    def now(self) -> float:
        return NOW

    def answers(self, service: str, operation: str, **params: Any) -> Iterator[dict[str, Any]]:
        assert (service, operation) == ("logs", "FilterLogEvents")
        for page in self.pages if self.pages != [["again"]] else repeat(["again"]):
            self.asked.append(params)
            if self.denied == "read":
                raise Denied(service, operation, "AccessDenied", "no")
            if page is None:
                raise Gone(service, operation, "ResourceNotFoundException", "no")
            more = {"nextToken": "t"} if page is not self.pages[-1] else {}
            yield {"events": [{"message": message} for message in page], **more}

    def keep_usage(self, run: Run) -> None:
        if self.denied == "write":
            raise Denied("s3", "PutObject", "AccessDenied", "no")
        self.kept.append(run)


def read(logs: Logs, run: Run) -> Run:
    return with_usage(logs, PLACE, logs, run)  # type: ignore[arg-type]  # all of both that it asks for


def over(*attempts: Any, **more: Any) -> Run:
    return run_of(inputs=INPUTS, attempts=attempts, **more)


def test_it_is_asked_for_once_and_kept_in_the_record() -> None:
    run = over(ended(), ended(2, event=Event.SUCCESS, stopped=90.0))
    logs = Logs([event()], [], [event(TaskId=OTHER, MemoryUtilized=9), "no event"])
    known = read(logs, run)
    assert [attempt.usage for attempt in known.attempts] == [Usage(277, 24, 1), Usage(9, 24, 1)]
    assert [attempt.number for attempt in known.attempts] == [1, 2]
    assert logs.kept == [known]
    (where, *_) = logs.asked
    assert where["logGroupName"] == "/aws/ecs/containerinsights/tiny/performance"
    assert (where["startTime"], where["endTime"]) == (0, 150_000)
    again = Logs([])
    assert read(again, known) == known
    assert again.asked == []


@pytest.mark.parametrize(
    ("run", "asks"),
    [
        (over(ended(stopped=NOW - LATE + 1)), True),  # the last minute's may come
        (over(ended(stopped=None, event=None), state=State.RUNNING), True),
        (over(ended(), state=State.RUNNING), True),  # somebody else writes its record
        (over(ended(started=None, event=Event.NO_CAPACITY)), False),
        (over(ended(task_arn="")), False),
        (over(ended(task_arn=ARN.replace("/tiny/", "/other/") + ONE)), False),  # another cluster's, by a forged record
        (over(), False),
    ],
)
def test_what_may_change_is_not_kept_and_what_is_not_ours_not_asked_for(run: Run, asks: bool) -> None:
    logs = Logs([event()])
    known = read(logs, run)
    assert (len(logs.asked), logs.kept) == (int(asks), [])
    assert [attempt.usage for attempt in known.attempts] == [Usage(277, 24, 1)] * asks + [None] * (
        len(run.attempts) - asks
    )


def test_that_nothing_was_measured_is_kept_too_but_not_that_nothing_could_be_read() -> None:
    logs = Logs([])
    assert read(logs, over(ended())).attempts[0].usage == NOTHING
    assert len(logs.kept) == 1
    for other in (Logs(None), Logs([event()], denied="read"), Logs(["again"])):
        assert read(other, over(ended())) == over(ended())
        assert other.kept == []
    assert len(other.asked) == PAGES
    assert read(Logs([event()], denied="write"), over(ended())).attempts[0].usage == Usage(277, 24, 1)


def test_a_pattern_names_each_task_and_is_not_too_long() -> None:
    assert pattern([ONE]) == f'{{ ($.Type = "Task") && (($.TaskId = "{ONE}")) }}'
    many = [f"{n:032x}" for n in range(AT_ONCE + 4)]
    run = over(*(replace(ended(), number=n, task_arn=ARN + task_id) for n, task_id in enumerate(many, 1)))
    logs = Logs([])
    read(logs, run)
    assert len(logs.asked[0]["filterPattern"]) <= 1024
    assert [task_id for task_id in many if task_id in logs.asked[0]["filterPattern"]] == many[-AT_ONCE:]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (pattern([ONE]), [True, False, False]),
        (pattern([ONE, OTHER]), [True, True, False]),
        ('{ $.Type = "Container" }', [False, False, True]),
        ('{ $.Type = "Task" && $.TaskId = "b" || $.Type = "Container" }', [False, False, True]),
        ('{ $.Type = "Task" || ($.TaskId = "b" }', None),
        ("{ $.CpuUtilized > 5 }", None),
        ("{ }", None),
        ("Task", None),
    ],
)
def test_the_embedded_aws_knows_such_patterns(text: str, wanted: list[bool] | None) -> None:
    matches = parse(text)
    events = [EVENT, EVENT | {"TaskId": OTHER}, EVENT | {"Type": "Container"}]
    assert (matches and [matches(shown_event) for shown_event in events]) == wanted


@pytest.mark.parametrize(
    ("stats", "wanted"),
    [
        ("300.5MiB / 512MiB|101.50%\n", Used(315_097_088, 2.03)),
        ("1.5GiB / 2GiB|0.00%", Used(1_610_612_736, 0.0)),
        ("12kB / 2GB|3%", Used(12_000, 0.06)),
        ("0B / 0B|0.00%", Used(0, 0.0)),
        ("-- / --|--", None),
        ("1.2.3MiB / 2GB|3%", None),
        ("1XB / 2GB|3%", None),
        ("", None),
    ],
)
def test_what_an_engine_says_of_a_container(stats: str, wanted: Used | None) -> None:
    assert used_in(stats, 2.0) == wanted


def test_what_ends_before_the_rest_takes_nothing_from_what_that_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar that ends after 50 s, and the program after 60 s, which were asked last when they began."""
    seconds, written = [0.0], list[Any]()
    monkeypatch.setattr(insights, "is_on", lambda task: True)
    monkeypatch.setattr(insights, "put", lambda task, event: written.append(event))
    monkeypatch.setattr("reconciler.local.insights.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(insights.Meter, "_event", lambda self, memory, cpu: (memory, cpu))
    task: Any = SimpleNamespace(id=ONE, times={"startedAt": 0})
    meter = insights.Meter(task, cast(Any, None), dict)
    for moment, cpu in ((50.0, 6.0), (60.0, 30.0)):
        seconds[0] = moment
        meter.ended(cast(Any, SimpleNamespace(used=lambda cpu=cpu: Used(7, cpu))))
    meter.close()
    assert written == [(7, pytest.approx(36 / 60))]


TAKES = """\
import time
kept = bytearray(300 * 2**20)
end = time.process_time() + 0.2
while time.process_time() < end:
    pass
print("taken", flush=True)
"""


def test_a_task_of_the_embedded_aws_is_measured_and_its_record_outlives_the_measurements(lane: Lane) -> None:
    lane.program(TAKES, deploy="cluster: {container_insights: true}\n")
    lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text().replace("memory: 512", "memory: 2048"))
    assert lane.run("apply", "--local").code == 0
    shown = lane.run("runs", "show", "--local", "--json")
    report = json.loads(shown.out)
    (attempt,) = report["run"]["attempts"]
    assert 295 <= attempt["usage"]["memory"] <= 400, shown.out
    assert 0 < attempt["usage"]["cpu"] <= 256
    assert (report["enough"]["cpu"], report["enough"]["memory"]) == (256, 512)
    assert report["enough"]["saves"] > 0
    text = lane.run("runs", "show", "--local").out
    assert " of 2,048 MiB and " in text
    assert "; more may come)" in text
    assert "size    256 CPU units and 512 MiB would be enough (a fifth more than it used): saves $0.0" in text
    # An hour ago: it is put into the record, by which alone it is known once CloudWatch has deleted the events.
    assert records(lane)[0]["attempts"][0]["usage"] is None

    def earlier(record: dict[str, Any]) -> None:
        for recorded_attempt in record["attempts"]:
            recorded_attempt |= {name: recorded_attempt[name] - 3600 for name in ("launched", "started", "stopped")}

    lane.recorded(earlier)
    logs, group = lane.client("logs"), "/aws/ecs/containerinsights/tiny/performance"
    logs.put_log_events(logGroupName=group, logStreamName=logs.describe_log_streams(logGroupName=group)["logStreams"][0]
                        ["logStreamName"], logEvents=[_an_hour_ago(attempt)])  # fmt: skip
    assert lane.run("runs", "show", "--local").code == 0
    assert records(lane)[0]["attempts"][0]["usage"] == {"memory": 444, "cpu": 55, "measurements": 1}
    logs.delete_log_group(logGroupName=group)
    assert (
        "used at most 444 of 2,048 MiB and 55 of 256 CPU units (1 measurement)"
        in lane.run("runs", "show", "--local").out
    )


def _an_hour_ago(attempt: Mapping[str, Any]) -> dict[str, Any]:
    more = {"TaskId": attempt["task_arn"].rpartition("/")[2], "MemoryUtilized": 444, "CpuUtilized": 55}
    return {"timestamp": int((attempt["started"] - 3600) * 1000), "message": event(**more)}
