"""The end of a log stream, read from behind. Pure but for what it is given to read with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PAGES = 20  # that are read at most


def last_events(read: Callable[..., Mapping[str, Any] | None], count: int) -> list[Mapping[str, Any]]:
    """The last events of a stream, at most `count`, the oldest first.

    read: GetLogEvents of the stream with these parameters more; None where there is no stream. CloudWatch may give
    pages that are empty, or hold only some, before there are no more: that is so when a token leads to itself.
    """
    events: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(PAGES):
        page = read(startFromHead=False, limit=count - len(events), **token) or {}
        events = [*page.get("events", ()), *events]
        following = page.get("nextBackwardToken")
        if len(events) >= count or not following or following == token.get("nextToken"):
            break
        token = {"nextToken": following}
    return events[-count:]
