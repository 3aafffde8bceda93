"""The last lines of a task: until when they are waited for, and that none is lost, in time that is told."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.core.errors import Denied, Interrupted, Unreachable
from reconciler.run.last_lines import LATEST, NEAR, QUIET, SENT, LogEnd, StreamStatus, Unread, unread_lines, wait_until
from reconciler.run.logs import TaskLog
from reconciler.run.retry import Event
from reconciler.run.verdict import TaskEnd
from reconciler.run.watch import LastLines

NOW = 1_000_000.0
END = LogEnd(
    stopped=NOW, ended=NOW - 20, ran=True, gap=0.1, unread=Unread.UNSAID, ahead=False, late=0.0, tardy=False,
    explained=None,
)  # fmt: skip
AT_ONCE, SOON, LIMIT = NOW - 20 + QUIET, NOW + SENT, NOW + LATEST
TABLE: list[tuple[str, dict[str, Any], float]] = [
    # It ended well, or what follows isn't to be explained.
    ("its last line is at the end", {}, AT_ONCE),
    ("and it is all", {"unread": Unread.ALL}, AT_ONCE),
    ("just at the end", {"gap": NEAR}, AT_ONCE),
    ("after the end, by another clock", {"gap": -3.0}, AT_ONCE),
    ("silent at its end", {"gap": NEAR + 0.1}, SOON),
    ("silent at its end, and it is all", {"gap": NEAR + 0.1, "unread": Unread.ALL}, AT_ONCE),
    ("no line", {"gap": None}, LIMIT),
    ("no line, and it is all", {"gap": None, "unread": Unread.ALL}, LIMIT),
    ("no line, and there never was any", {"gap": None, "unread": Unread.NEVER}, AT_ONCE),
    ("there is more", {"unread": Unread.MORE}, LIMIT),
    ("there is more than nothing", {"gap": None, "unread": Unread.MORE}, LIMIT),
    ("there was more, and it came", {"unread": Unread.ALL, "ahead": True}, AT_ONCE),
    ("there was more, and it came late", {"unread": Unread.ALL, "ahead": True, "tardy": True, "late": 99.0}, AT_ONCE),
    ("there was more, and it isn't said", {"ahead": True, "tardy": True}, LIMIT),
    # As late as lines have been.
    ("lines are sent every five seconds", {"late": 5.0}, NOW - 20 + 7.5 + QUIET),
    ("late lines", {"late": 18.0}, NOW + 7 + QUIET),
    ("late lines, and silent", {"late": 18.0, "gap": 9.0}, NOW + 7 + QUIET),
    ("very late lines", {"late": 99.0}, LIMIT),
    ("one came late, after the end", {"tardy": True}, LIMIT),
    ("one came late, and it is all that is stored", {"tardy": True, "unread": Unread.ALL}, LIMIT),
    # It failed.
    ("it says why", {"explained": True}, AT_ONCE),
    ("it says why, and is silent", {"explained": True, "gap": 9.0}, SOON),
    ("it doesn't say why", {"explained": False}, LIMIT),
    ("it failed without a line", {"gap": None, "unread": Unread.NEVER, "explained": False}, LIMIT),
    ("the same, and ECS says why", {"gap": None, "unread": Unread.NEVER, "explained": True}, AT_ONCE),
    ("it doesn't say why, and it is all", {"explained": False, "unread": Unread.ALL}, SOON),
    ("the same, of prompt lines", {"explained": False, "unread": Unread.ALL, "late": 1.0}, SOON),
    ("the same, of lines that weren't prompt", {"explained": False, "unread": Unread.ALL, "late": 1.1}, LIMIT),
    ("it said why late", {"explained": True, "tardy": True, "unread": Unread.ALL}, AT_ONCE),
    ("it said why late, and is silent", {"explained": True, "tardy": True, "gap": 9.0}, SOON),
    ("there is more after why", {"explained": True, "unread": Unread.MORE}, LIMIT),
    ("there was more, which doesn't say why", {"explained": False, "unread": Unread.ALL, "ahead": True}, AT_ONCE),
    # It never ran.
    ("it never ran", {"ran": False, "gap": None, "explained": False}, AT_ONCE),
    ("long ago", {"stopped": NOW - 3600, "ended": NOW - 3620, "explained": False}, NOW - 3600 + LATEST),
]  # fmt: skip


@pytest.mark.parametrize(("known", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_until_when(known: dict[str, Any], wanted: float) -> None:
    until = wait_until(replace(END, **known))
    assert until == pytest.approx(wanted)
    assert until <= replace(END, **known).stopped + LATEST


@pytest.mark.parametrize(
    ("streams", "wanted"),
    [
        ([StreamStatus()], Unread.UNSAID),
        ([StreamStatus(5)], Unread.UNSAID),
        ([StreamStatus(5, 4, begun=True)], Unread.UNSAID),  # it lags behind
        ([StreamStatus(5, 5, begun=True)], Unread.ALL),
        ([StreamStatus(5, 6, begun=True)], Unread.MORE),
        ([StreamStatus(0, 0, begun=True)], Unread.MORE),
        ([StreamStatus(0, 0, begun=False)], Unread.NEVER),
        ([StreamStatus(5, 0, begun=False)], Unread.UNSAID),  # written since
        ([StreamStatus(5, 5, begun=True), StreamStatus(0, 0, begun=False)], Unread.ALL),
        ([StreamStatus(5, 5, begun=True), StreamStatus(0, 6, begun=True)], Unread.MORE),
        ([StreamStatus(0, 0, begun=False), StreamStatus()], Unread.UNSAID),
    ],
)
def test_what_is_said_of_lines_that_were_not_read(streams: list[StreamStatus], wanted: Unread) -> None:
    assert unread_lines(streams) is wanted


def test_how_long() -> None:
    assert (QUIET, SENT, LATEST) == (0.3, 5.0, 30.0), "docs/runs.md says so"


@dataclass
class Line:
    """A line of a log: when it was written, and, in seconds after that, stored and shown."""

    text: str
    written: float
    stored: float = 0.0
    shown: float = 0.0


@dataclass
class Cloud:
    """CloudWatch with one stream, and the time. lag: seconds by which lastIngestionTime is old; first_known: whether
    it tells that there are lines.
    """

    lines: Sequence[Line]
    time: float
    lag: float = 0.0
    first_known: bool = True
    interrupt_at: float = float("inf")
    asked: list[str] = field(default_factory=list)
    fails: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def clock(self) -> Cloud:
        return self

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.time >= self.interrupt_at:
            self.interrupt_at = float("inf")
            raise Interrupted("interrupted")

    def _visible(self) -> Iterator[dict[str, Any]]:
        for line, stored in self._stored():
            if stored + line.shown > self.time:
                return
            yield {"timestamp": int(line.written * 1000), "ingestionTime": int(stored * 1000), "message": line.text}

    def _stored(self) -> Iterator[tuple[Line, float]]:
        """Lines and when they are stored: in their order, as one driver sends them."""
        last = 0.0
        for line in self.lines:
            last = max(last, line.written + line.stored)
            yield line, last

    def call(self, service: str, operation: str, **params: Any) -> Any:
        self.asked.append(operation)
        if operation in self.fails:
            raise self.fails[operation]
        start = int(params.get("nextToken", "f/0")[2:])
        events = list(self._visible())[start:]
        return {"events": events, "nextForwardToken": f"f/{start + len(events)}"}

    def find(self, service: str, operation: str, **params: Any) -> Any:
        self.asked.append(operation)
        if operation in self.fails:
            raise self.fails[operation]
        times = [stored for _, stored in self._stored() if stored + self.lag <= self.time]
        stream = {"logStreamName": params["logStreamNamePrefix"]}
        if self.first_known and self.lines:
            stream["firstEventTimestamp"] = int(self.lines[0].written * 1000)
        return {"logStreams": [stream | ({"lastIngestionTime": int(max(times) * 1000)} if times else {})]}


@dataclass
class Shown:
    """Who watches."""

    lines: list[str] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    enoughs: int = 0
    troubles: list[str] = field(default_factory=list)

    def state(self, task: Mapping[str, Any], state: str) -> None: ...

    def line(self, container: str, text: str, timestamp: float) -> None:
        self.lines.append(text)

    def tick(self) -> None: ...

    def trouble(self, text: str) -> None:
        self.troubles.append(text)

    def waiting(self, seconds: float) -> None:
        self.told.append(seconds)

    def enough(self) -> None:
        self.enoughs += 1


def last_lines(
    cloud: Cloud, *, ended: float, stopped: float | None = None, live: bool = True, code: int = 0,
    says_why: Callable[[Sequence[str]], bool] | None = None,
) -> tuple[Shown, float]:  # fmt: skip
    """Read a log to its end, from STOPPED on. Returns what was shown and how long it was waited."""
    stopped, shown = ended if stopped is None else stopped, Shown()
    log: Any = TaskLog(cloud, "group", "ecs", "arn/task")  # type: ignore[arg-type]
    log.follow(["main"])
    if live:  # what was there before the end was read then
        cloud.time = ended - 0.2
        log.read(shown.line)
    cloud.time = max(cloud.time, stopped)
    end = TaskEnd(Event.ERROR if code else Event.SUCCESS, code, "", started=ended - 60, stopped=ended)
    explains = (says_why or (lambda lines: "why" in lines[-1:])) if code else None
    seen = {"stopped_at": cloud.time, "alive": ended - 0.2} if live else {}
    began = cloud.time
    LastLines(log, shown, end, explains, **seen).read()
    return shown, cloud.time - began


def burst(count: int, *, why: bool = False, step: float = 0.001, before: float = 0.1) -> list[Line]:
    """So many lines, the last of them at `before` the end."""
    texts = [f"line {n}" for n in range(count - why)] + ["why"] * why
    return [Line(text, NOW - before - step * (count - 1 - n)) for n, text in enumerate(texts)]


def late(lines: list[Line], *, by: float, first: int = 0, stored: bool = False) -> list[Line]:
    """From the line of this number on they come so long after the end of the program."""
    for line in lines[first:]:
        delay = NOW + by - line.written
        line.shown, line.stored = (delay, 0.0) if stored else (0.0, delay)
    return lines


LONG_AGO = 10**9.0
PROMPT: list[tuple[str, list[Line], float, int]] = [
    ("a burst", burst(30), 0.0, 0),
    ("as the stream is silent", burst(30), LONG_AGO, 0),
    ("one line", burst(1), LONG_AGO, 0),
    ("it says why", burst(30, why=True), LONG_AGO, 1),
    ("silent for a minute", burst(3, before=59), 0.0, 0),
    ("silent", [], 0.0, 0),
]


@pytest.mark.parametrize(("lines", "lag", "code"), [row[1:] for row in PROMPT], ids=[row[0] for row in PROMPT])
def test_what_is_all_there_is_not_waited_for(lines: list[Line], lag: float, code: int) -> None:
    cloud = Cloud(lines, NOW, lag)
    shown, waited = last_lines(cloud, ended=NOW, code=code)
    assert shown.lines == [line.text for line in lines]
    assert waited < 1.0
    assert shown.told == []
    assert cloud.asked.count("DescribeLogStreams") == 1


LATE: list[tuple[str, list[Line], float, int, float]] = [
    # lines, lag, exit code, seconds that are waited at most
    ("the last ten, 3 s after", late(burst(30), by=3, first=20, stored=True), 0.0, 0, 3.4),
    ("those that say why, 3 s after", late(burst(30, why=True), by=3, first=20, stored=True), 0.0, 1, 3.4),
    ("the same, stored only then", late(burst(30, why=True), by=3, first=20), 0.0, 1, 5.1),
    ("the same, and nothing is told of them", late(burst(30, why=True), by=3, first=20), LONG_AGO, 1, 30.2),
    ("those that say why, 25 s after", late(burst(30, why=True), by=25, first=20), LONG_AGO, 1, 30.2),
    ("a slow program's", late(burst(30, step=0.5), by=3, first=20), LONG_AGO, 0, 30.2),
    ("all, 10 s after", late(burst(10), by=10), LONG_AGO, 0, 30.2),
    ("all, 10 s after, and they are known to come", late(burst(10), by=10, stored=True), 0.0, 0, 10.4),
    ("all, 29 s after", late(burst(10, why=True), by=29), LONG_AGO, 1, 30.2),
    ("no line, and it failed", [], LONG_AGO, 1, 30.2),
    ("some at 2 s, the rest at 14 s", late(late(burst(9), by=2), by=14, first=6), LONG_AGO, 0, 30.2),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "lag", "code", "most"), [row[1:] for row in LATE], ids=[row[0] for row in LATE])
def test_late_lines_are_not_lost(lines: list[Line], lag: float, code: int, most: float) -> None:
    shown, waited = last_lines(Cloud(lines, NOW, lag), ended=NOW, code=code)
    assert shown.lines == [line.text for line in lines]
    assert waited <= most
    (told,) = shown.told
    assert 0 < told <= 30


def test_who_comes_later_waits_for_what_is_left_of_it() -> None:
    lines = late(burst(10, why=True), by=10)
    shown, waited = last_lines(Cloud(lines, NOW, LONG_AGO), ended=NOW, stopped=NOW + 6, live=False, code=1)
    assert shown.lines == [line.text for line in lines]
    assert 4 <= waited <= 24.2
    lines = burst(10)
    shown, waited = last_lines(Cloud(lines, NOW, LONG_AGO), ended=NOW, stopped=NOW + 3600, live=False, code=1)
    assert (shown.lines, waited < 0.3) == ([line.text for line in lines], True)


def test_a_clock_that_is_behind_or_ahead() -> None:
    """Theirs: the program can't have ended before it was seen running, nor in the future."""
    for ahead in (-100.0, 100.0):
        lines = late(burst(10, why=True), by=10)
        for line in lines:
            line.written, line.shown = line.written + ahead, -ahead
        cloud, shown = Cloud(lines, NOW, LONG_AGO), Shown()
        log: Any = TaskLog(cloud, "group", "ecs", "arn/task")  # type: ignore[arg-type]
        log.follow(["main"])
        end = TaskEnd(Event.ERROR, 1, "", started=NOW + ahead - 60, stopped=NOW + ahead)
        LastLines(log, shown, end, lambda lines: "why" in lines, stopped_at=NOW, alive=NOW - 0.2).read()
        assert shown.lines == [line.text for line in lines]


def test_an_interruption_shows_the_end_at_once() -> None:
    shown, waited = last_lines(Cloud(late(burst(9), by=20), NOW, LONG_AGO, interrupt_at=NOW + 2), ended=NOW)
    assert (shown.lines, shown.enoughs) == ([], 1)
    assert waited == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("error", [kind("logs", "x", "y", "no") for kind in (Denied, Unreachable)], ids=["no", "cut"])
def test_what_may_not_be_asked_is_not_known(error: Exception) -> None:
    cloud = Cloud(burst(9), NOW, fails={"DescribeLogStreams": error})
    shown, waited = last_lines(cloud, ended=NOW, code=3)
    assert (len(shown.lines), waited >= LATEST) == (9, True)
    times = cloud.asked.count("DescribeLogStreams")
    assert times == 1 if isinstance(error, Denied) else times > 1
    cloud = Cloud(burst(9), NOW, fails={"GetLogEvents": error})
    shown, waited = last_lines(Cloud(burst(9), NOW, fails={"GetLogEvents": error}), ended=NOW, live=False)
    assert shown.lines == []
    assert len(shown.troubles) == (1 if isinstance(error, Denied) else 0)


@pytest.mark.parametrize("stored", [True, False], ids=["stored at once, shown late", "stored late"])
def test_five_hundred_tasks_with_lines_up_to_15_s_late(stored: bool) -> None:
    """Each line as late as it likes, in their order. Where CloudWatch tells of them, none is waited for in vain; where
    it gets them only after the task has stopped, and says nothing, those of a failure are waited for till they explain.
    """
    chance, more = random.Random(16), list[float]()
    for number in range(500):
        code = 30 + number % 3 if number % 3 or not stored else 0
        lines = burst(chance.randint(1, 20), why=bool(code), step=chance.choice((0.001, 0.2)))
        for line in lines:
            delay = chance.uniform(0, 15)
            line.shown, line.stored = (delay, 0.0) if stored else (0.0, delay)
        there = max(max(line.written + line.stored + line.shown for line in lines), NOW)
        shown, waited = last_lines(Cloud(lines, NOW, 0.0 if stored else LONG_AGO), ended=NOW, code=code)
        assert shown.lines == [line.text for line in lines], number
        more.append(NOW + waited - there)
    median = statistics.median(more)
    print(f"\nwaited after the last line was there: {median:.2f} s in the median, {max(more):.2f} s at most")
    assert median < 1.0 or not stored
