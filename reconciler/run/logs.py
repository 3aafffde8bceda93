"""The log streams of a task: each line once, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.aws import Aws, Gone

Line = Callable[[str, str, float], None]  # container, text, seconds since the epoch


@dataclass
class Stream:
    """One container's log stream, and how far it is read."""

    container: str
    name: str
    token: str = ""
    seen: int = 0


class TaskLog:
    """Reads the streams of one task, `PREFIX/CONTAINER/TASK-ID`, on from where it was."""

    def __init__(self, aws: Aws, group: str, prefix: str, task_arn: str) -> None:
        self.aws, self.group, self.prefix = aws, group, prefix
        self.task_id = task_arn.rpartition("/")[2]
        self.streams: dict[str, Stream] = {}

    def follow(self, containers: Iterable[str]) -> None:
        """Read these containers' streams too."""
        for name in containers:
            self.streams.setdefault(name, Stream(name, f"{self.prefix}/{name}/{self.task_id}"))

    @property
    def seen(self) -> int:
        """Lines read so far."""
        return sum(stream.seen for stream in self.streams.values())

    def read(self, line: Line, *, since: float | None = None) -> int:
        """Hand on what is new, and say how many lines that was. since: leave out what is older."""
        new = 0
        for stream in self.streams.values():
            for event in self._events(stream, since):
                line(stream.container, event["message"], event["timestamp"] / 1000)
                stream.seen += 1
                new += 1
        return new

    def _events(self, stream: Stream, since: float | None) -> Iterator[Mapping[str, Any]]:
        """New lines. The end is the page whose token is the one that was asked with: an empty page isn't."""
        while True:
            params: dict[str, Any] = {"nextToken": stream.token} if stream.token else {}
            if since is not None:
                params["startTime"] = int(since * 1000)
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
            yield from page["events"]
            token = page["nextForwardToken"]
            if token == stream.token:
                return
            stream.token = token
