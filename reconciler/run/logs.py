"""The log streams of a task: each line once, in order."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.aws.calls import Aws, Gone
from reconciler.core.errors import AwsError, Denied, Unreachable
from reconciler.core.workers import WORKER, group_of
from reconciler.run.diagnosis import cut
from reconciler.run.last_lines import StreamStatus, Unread, unread_lines
from reconciler.run.log_end import last_events

PAGES = 100  # of a megabyte each, that one look at a stream reads
Line = Callable[[str, str, float], None]  # container, text, seconds since the epoch
RECENT = 200  # lines that are kept
EXPIRED = "InvalidParameterException"  # of a token, after 24 hours


@dataclass
class Stream:
    """One container's log stream, and how far it is read."""

    container: str
    name: str
    token: str = ""
    lines_read: int = 0
    skip: int = 0  # lines at its beginning that aren't handed on
    shown_to: int = 0  # the time of the newest line that was handed on, in milliseconds since the epoch
    unfinished: bool = False  # the last look ended before the stream did
    status: StreamStatus = field(default_factory=StreamStatus)


class TaskLog:
    """Reads the streams of one task, `PREFIX/CONTAINER/TASK-ID`, on from where it was.

    late: the most seconds that a line has been seen to take from being written to being stored. last: the time of the
    newest line that was read; recent: the text of the last ones. closed: it can't be read, and isn't tried again.
    """

    def __init__(self, aws: Aws, group: str, prefix: str, task_arn: str) -> None:
        self.aws, self.group, self.prefix = aws, group, prefix
        self.task_id = task_arn.rpartition("/")[2]
        self.streams: dict[str, Stream] = {}
        self.late = 0.0
        self.since: float | None = None  # seconds since the epoch; older lines are left out
        self._skip: Mapping[str, int] = {}
        self.closed = False
        self.last: float | None = None  # seconds since the epoch, by the clock of who wrote it
        self.recent: deque[str] = deque(maxlen=RECENT)
        self._may_ask = True  # whether it may be asked what is stored

    def follow(self, containers: Iterable[str]) -> None:
        """Read these containers' streams too."""
        for name in containers:
            stream = Stream(name, f"{self.prefix}/{name}/{self.task_id}", skip=self._skip.get(name, 0))
            self.streams.setdefault(name, stream)

    def resume(self, skip: Mapping[str, int]) -> None:
        """Leave out so many lines of these containers' streams: they were shown before. To be called first."""
        self._skip = skip
        for name, stream in self.streams.items():
            stream.skip = skip.get(name, 0)

    @property
    def position(self) -> dict[str, int]:
        """How many lines of each container's stream were handed on, or left out as shown before; for `resume`."""
        return {name: max(stream.lines_read, stream.skip) for name, stream in self.streams.items()}

    @property
    def seen(self) -> int:
        """Lines read so far."""
        return sum(stream.lines_read for stream in self.streams.values())

    @property
    def unfinished(self) -> bool:
        """Whether the last look left lines for the next: each reads so many pages at most."""
        return any(stream.unfinished for stream in self.streams.values())

    def read(self, line: Line) -> int:
        """Hand on what is new, and say how many lines that was. Raises AwsError."""
        new = 0
        for stream in () if self.closed else self.streams.values():
            for event in self._events(stream):
                stored, written = event.get("ingestionTime", 0), event["timestamp"] / 1000
                self.late = max(self.late, stored / 1000 - written)
                self.last = max(self.last or 0.0, written)
                stream.status = stream.status._replace(read_to=max(stream.status.read_to, stored))
                self.recent.append(cut(event["message"]))
                if stream.lines_read < stream.skip and 0 < stream.shown_to < event["timestamp"]:
                    stream.skip = stream.lines_read  # the retention has removed lines before this one meanwhile
                if stream.lines_read >= stream.skip:
                    line(stream.container, event["message"], written)
                    stream.shown_to = max(stream.shown_to, event["timestamp"])
                stream.lines_read += 1
                new += 1
        return new

    def read_all(self, line: Line) -> int:
        """`read` until nothing is left of a log that has ended, however long it is. Raises AwsError."""
        new = last = self.read(line)
        while self.unfinished and last:
            last = self.read(line)
            new += last
        return new

    def ask(self) -> None:
        """Ask CloudWatch until when it has lines. That it can't or may not be asked is no reason to stop."""
        for stream in self.streams.values() if self._may_ask and self.since is None else ():
            params = {"logGroupName": self.group, "logStreamNamePrefix": stream.name, "limit": 1}
            try:
                answer = self.aws.find("logs", "DescribeLogStreams", **params)
            except Unreachable:
                return
            except Denied:
                self._may_ask = False
                return
            stream.status = stream.status.after_answer(answer or {})

    @property
    def unread(self) -> Unread:
        """What the answers say of lines that weren't read."""
        return unread_lines([stream.status for stream in self.streams.values()])

    def tail(self, count: int) -> list[str]:
        """The last lines of all streams, at most `count`, without handing any on. Raises AwsError."""
        messages: list[tuple[int, str]] = []
        for stream in self.streams.values():
            params = {"logGroupName": self.group, "logStreamName": stream.name}
            events = last_events(partial(self.aws.find, "logs", "GetLogEvents", **params), count)
            messages += [(event["timestamp"], event["message"]) for event in events]
        return [message for _, message in sorted(messages, key=lambda pair: pair[0])][-count:]

    def _events(self, stream: Stream) -> Iterator[Mapping[str, Any]]:
        """New lines, of so many pages at most. The end is the page whose token is the one that was asked with: an empty
        page isn't.
        """
        stream.unfinished = False
        for _ in range(PAGES):
            params: dict[str, Any] = {"nextToken": stream.token} if stream.token else {}
            if self.since is not None:
                params["startTime"] = int(self.since * 1000)
            try:
                page = self.aws.call(
                    "logs",
                    "GetLogEvents",
                    logGroupName=self.group,
                    logStreamName=stream.name,
                    startFromHead=True,
                    **params,
                )
            except Gone:
                return  # the stream appears with its first line
            except AwsError as error:
                if error.code != EXPIRED or not stream.token:
                    raise
                # From the head, without what was read before.
                stream.token, stream.skip, stream.lines_read = "", max(stream.skip, stream.lines_read), 0
                continue
            # Only when all of a page is handed on does the next begin: an interruption loses no line.
            yield from page["events"]
            token = page["nextForwardToken"]
            if token == stream.token:
                return
            stream.token = token
        stream.unfinished = True


SKEW = 30.0  # seconds by which AWS's clock may be behind
BEFORE = ("PROVISIONING", "PENDING", "ACTIVATING")  # states in which a task has written nothing


@dataclass
class WorkerLogs:
    """The logs of a run's worker tasks, as they are seen to run. line: given each, with the worker's name."""

    aws: Aws
    group: str
    prefix: str
    line: Line
    _logs: dict[str, TaskLog] = field(default_factory=dict)  # by the task's ARN
    _since: float = 0.0  # what those wrote before that were there then, another has shown

    def __post_init__(self) -> None:
        self._since = self.aws.clock.now()

    def read(self, number: int, task: Mapping[str, Any]) -> None:
        """Hand on what is new of one. What can't be read now, or may not be, is left out."""
        arn, created = str(task["taskArn"]), task.get("createdAt")
        if task.get("lastStatus") in BEFORE:
            return
        if arn not in self._logs:
            log = self._logs[arn] = TaskLog(self.aws, self.group, self.prefix, arn)
            log.follow([WORKER])
            log.since = self._since if created and created.timestamp() < self._since - SKEW else None
        with contextlib.suppress(AwsError):  # a question too many, say: it would hinder what is launched
            self._logs[arn].read(lambda container, text, timestamp: self.line(group_of(number), text, timestamp))
