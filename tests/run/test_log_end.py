"""The end of a log: empty pages before it are gone through, within a bound; a look reads so many pages at most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.core.errors import AwsError
from reconciler.run import logs
from reconciler.run.log_end import PAGES, last_events
from reconciler.run.logs import TaskLog


class Backwards:
    """A stream as CloudWatch gives it from behind: pages by number, the newest first."""

    def __init__(self, *pages: list[int]) -> None:
        self.pages, self.asked = pages, 0

    def read(self, startFromHead: bool, limit: int, nextToken: str = "b/0") -> dict[str, Any]:  # noqa: N803
        assert not startFromHead
        assert limit > 0
        self.asked += 1
        at = int(nextToken[2:])
        events = [{"timestamp": n, "message": str(n)} for n in (self.pages[at] if at < len(self.pages) else [])]
        return {"events": events[-limit:], "nextBackwardToken": f"b/{min(at + 1, len(self.pages))}"}


@pytest.mark.parametrize(
    ("pages", "count", "lines", "asked"),
    [
        ([[1, 2, 3]], 3, [1, 2, 3], 1), ([[1, 2, 3]], 2, [2, 3], 1), ([[1, 2, 3]], 9, [1, 2, 3], 2),
        ([[], [], [1, 2]], 2, [1, 2], 3), ([[3], [], [1, 2]], 3, [1, 2, 3], 3), ([[3], [], [1, 2]], 2, [2, 3], 3),
        ([], 5, [], 1), ([[]], 5, [], 2), ([[]] * (PAGES + 5), 5, [], PAGES),
        ([[1]] * (PAGES + 5), 900, [1] * PAGES, PAGES),
    ],
)  # fmt: skip
def test_the_last_lines(pages: list[list[int]], count: int, lines: list[int], asked: int) -> None:
    stream = Backwards(*pages)
    assert [event["timestamp"] for event in last_events(stream.read, count)] == lines
    assert stream.asked <= asked + (not pages)


def test_no_stream_has_no_lines() -> None:
    assert last_events(lambda **params: None, 5) == []


class Endless:
    """A stream that grows faster than it is read."""

    def __init__(self, last: int) -> None:
        self.last, self.asked = last, 0

    def call(self, service: str, operation: str, nextToken: str = "f/0", **params: Any) -> dict[str, Any]:  # noqa: N803
        self.asked += 1
        at = int(nextToken[2:])
        events = [{"timestamp": at, "message": str(at)}] if at < self.last else []
        return {"events": events, "nextForwardToken": f"f/{min(at + 1, self.last)}"}


def test_a_look_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PAGES", 7)
    aws, lines = Endless(20), list[str]()
    log = TaskLog(cast(Any, aws), "g", "p", "arn:task/1")
    log.follow(["main"])
    looks: list[int] = []
    while not looks or log.unfinished:
        looks.append(log.read(lambda container, text, at: lines.append(text)))
        assert aws.asked <= 7 * len(looks)
    assert looks == [7, 7, 6]
    assert lines == [str(n) for n in range(20)]


def test_a_token_that_changes_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pages, each with another token: a log that is over is read to where nothing more comes."""
    monkeypatch.setattr(logs, "PAGES", 7)

    class Changing(Endless):
        def call(self, service: str, operation: str, nextToken: str = "f/0", **params: Any) -> dict[str, Any]:  # noqa: N803
            return super().call(service, operation, nextToken, **params) | {"nextForwardToken": f"f/{self.asked}"}

    aws, lines = Changing(3), list[str]()
    log = TaskLog(cast(Any, aws), "g", "p", "arn:task/1")
    log.follow(["main"])
    assert log.read_all(lambda container, text, at: lines.append(text)) == 3
    assert aws.asked <= 14


class Expiring(Endless):
    """The same. expired: the token that was given last has; first: the first line that the retention has left."""

    expired, first = False, 0

    def call(self, service: str, operation: str, nextToken: str = "", **params: Any) -> dict[str, Any]:  # noqa: N803
        if nextToken and self.expired:
            self.expired = False
            raise AwsError(service, operation, "InvalidParameterException", "The specified nextToken is invalid.")
        return super().call(service, operation, nextToken or f"f/{self.first}", **params)


@pytest.mark.parametrize("shown_before", [0, 2])
def test_a_token_that_has_expired_costs_no_line(shown_before: int) -> None:
    """It does after 24 hours: of a program that is silent for so long, or of a laptop that sleeps."""
    aws, lines = Expiring(3), list[str]()
    log = TaskLog(cast(Any, aws), "g", "p", "arn:task/1")
    log.follow(["main"])
    log.resume({"main": shown_before})
    log.read(lambda container, text, at: lines.append(text))
    aws.expired, aws.last = True, 6
    log.read(lambda container, text, at: lines.append(text))
    assert lines == [str(n) for n in range(shown_before, 6)]
    assert log.seen == 6


@pytest.mark.parametrize("first", [2, 3, 5])
@pytest.mark.parametrize("shown_before", [0, 2])
def test_a_token_that_has_expired_costs_no_line_of_a_log_whose_beginning_is_gone(shown_before: int, first: int) -> None:
    """The retention may have removed lines since: as many new ones were left out for them."""
    aws, lines = Expiring(3), list[str]()
    log = TaskLog(cast(Any, aws), "g", "p", "arn:task/1")
    log.follow(["main"])
    log.resume({"main": shown_before})
    log.read(lambda container, text, at: lines.append(text))
    aws.expired, aws.last, aws.first = True, 8, first
    log.read(lambda container, text, at: lines.append(text))
    assert lines == [str(n) for n in (*range(shown_before, 3), *range(max(first, 3), 8))]
    assert log.position == {"main": 8 - first}, "of what is there"


def test_a_token_that_has_expired_before_anything_was_shown_shows_nothing_again() -> None:
    aws, lines = Expiring(3), list[str]()
    log = TaskLog(cast(Any, aws), "g", "p", "arn:task/1")
    log.follow(["main"])
    log.resume({"main": 5})
    log.read(lambda container, text, at: lines.append(text))
    aws.expired, aws.last = True, 8
    log.read(lambda container, text, at: lines.append(text))
    assert lines == ["5", "6", "7"]


def test_another_refusal_of_a_log_is_told() -> None:
    log = TaskLog(cast(Any, SimpleNamespace(call=_refused)), "g", "p", "arn:task/1")
    log.follow(["main"])
    with pytest.raises(AwsError, match="logGroupName"):
        log.read(lambda container, text, at: None)


def _refused(service: str, operation: str, **params: Any) -> Any:
    raise AwsError(service, operation, "InvalidParameterException", "logGroupName is too long")
