"""Until when to wait for the last lines of a task that has stopped. Pure.

A task reads STOPPED once its log driver has sent what it had, and CloudWatch shows lines some time after it got them:
mostly within a second, and nobody says when all are there. What is known is weighed here:

- the stream's `lastIngestionTime`: where it is later than that of the lines that were read, there are more. It may lag
  behind for an hour, so that an earlier one says nothing; `storedBytes` has been 0 since 2019 and isn't asked.
- the stream's `firstEventTimestamp`, which AWS documents without such a lag: a stream that has none never had a line,
  and its driver has sent all by the time that the task reads STOPPED. See docs/decisions/last-lines.md.
- the time of the last line against that at which the program ended, both by AWS's clock: a program seldom ends in
  silence.
- whether the log says why a program failed, which its last lines do.
- how late lines have been, before the end and since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

QUIET = 0.3  # seconds that are waited at least
NEAR = 1.0  # seconds between the last line and the end of its program
SENT = 5.0  # seconds: the awslogs driver sends what it has every five, and at the end
LATEST = 30.0  # seconds after the end: later lines aren't waited for


class Unread(Enum):
    """What the streams' `lastIngestionTime` and `firstEventTimestamp` say of lines that weren't read."""

    MORE = "there are more"
    ALL = "these are the last that were stored"
    NEVER = "there was never any"
    UNSAID = "nothing: it lags behind, or there is none"


class StreamStatus(NamedTuple):
    """What is known of a log stream. Moments are milliseconds since the epoch, 0 where it isn't known.

    read_to: when CloudWatch got the last line that was read; stored: the last that it has, by what it says; begun:
    whether there ever was a line, by what it says, None where it said nothing.
    """

    read_to: int = 0
    stored: int = 0
    begun: bool | None = None

    def after_answer(self, answer: Mapping[str, Any]) -> StreamStatus:
        """What is known of the stream after an answer of DescribeLogStreams; it may name no stream."""
        for stream in answer.get("logStreams") or ():
            return self._replace(stored=stream.get("lastIngestionTime", 0), begun="firstEventTimestamp" in stream)
        return self


def unread_lines(streams: Collection[StreamStatus]) -> Unread:
    """What is said of lines of a task's streams that weren't read."""
    if any(stream.stored > stream.read_to or (stream.begun and not stream.read_to) for stream in streams):
        return Unread.MORE
    if all(stream.begun is False and not stream.read_to for stream in streams):
        return Unread.NEVER
    whole = any(stream.stored for stream in streams) and all(stream.stored == stream.read_to for stream in streams)
    return Unread.ALL if whole else Unread.UNSAID


@dataclass(frozen=True)
class LogEnd:
    """What is known of a stopped task's log. Times are seconds since the epoch by this machine's clock, spans seconds.

    stopped: when the task was seen to have stopped; ended: when its program had; ran: whether it ever did.
    gap: from the last line that was read to the end of the program, None where no line was. unread: what the streams
    say; ahead: they have told of a line before it could be read, so that what they say is known to be new. late: the
    most that a line took to be stored; tardy: a line came after the end, later than those before had. explained:
    whether what is known says why the program failed, None where it didn't, or nobody asks.
    """

    stopped: float
    ended: float
    ran: bool
    gap: float | None
    unread: Unread
    ahead: bool
    late: float
    tardy: bool
    explained: bool | None


def wait_until(log: LogEnd) -> float:
    """The moment at which the log counts as whole, at most `LATEST` seconds after the end of the task."""
    limit = log.stopped + LATEST
    usual = min(log.ended + 1.5 * log.late + QUIET, limit)
    soon = max(usual, log.stopped + SENT)
    whole = log.unread is Unread.ALL
    if not log.ran:
        return usual
    if log.unread is Unread.MORE:
        return limit
    if whole and log.ahead:
        return log.ended + QUIET
    if log.unread is Unread.NEVER and log.explained is not False:  # of a failure it would be too dear to be wrong
        return usual
    if log.gap is None or (log.tardy and not log.explained):
        return limit
    if log.explained is False:
        return soon if whole and log.late <= NEAR else limit
    return soon if log.gap > NEAR and not whole else usual
