"""From a container's bytes to events of its CloudWatch log stream, as the awslogs driver does it."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.limits import LOG_STREAM
from reconciler.core.log_driver import DEFAULT, MODE, NON_BLOCKING, SETTING, buffer_problem, event_problem, mode_problem
from reconciler.local.behaviour import Quirks
from reconciler.local.runner import StartError
from reconciler.local.task import Task

EVENT_BYTES = 262144 - 26  # an event's largest size less what CloudWatch counts for each
BATCH_EVENTS = 10000

Event = dict[str, Any]
Put = Callable[[list[Event]], None]


def split_text(text: str, size: int = EVENT_BYTES) -> Iterator[str]:
    """Pieces of at most `size` bytes in UTF-8, never cutting a character."""
    data = text.encode("utf-8", "replace")
    while len(data) > size:
        cut = size
        while data[cut] & 0xC0 == 0x80:
            cut -= 1
        yield data[:cut].decode("utf-8")
        data = data[cut:]
    yield data.decode("utf-8")


@dataclass(frozen=True)
class Lateness:
    """How late lines arrive. seconds: each so much later, or up to so much at `random`, in their order; the first
    `after_lines` are on time; from_stop: counted from STOPPED; stored: CloudWatch has them at once and shows them late.
    """

    seconds: float = 0.0
    random: bool = False
    after_lines: int = 0
    from_stop: bool = False
    stored: bool = False


class LogWriter:
    """Collects lines and delivers them, at once or late. Empty lines stay, which CloudWatch can't hold
    and the awslogs driver drops: they are the program's, and nothing goes wrong on AWS for want of them.

    `write` is called from one thread. `put` gets events in order and never from two threads at a time. After `most`
    lines the buffer is full: the rest is lost.
    """

    def __init__(self, put: Put, late: Lateness = Lateness(), most: int | None = None) -> None:
        self._put, self._late, self._most = put, late, most
        self._partial, self._lines = b"", 0
        self._due: deque[tuple[float, list[Event]]] = deque()  # in order; those that wait for STOPPED have no time yet
        self._ready = threading.Condition()
        self._shown, self._stopped, self._closed = 0, not late.from_stop, False
        self.first: int | None = None  # when the first line was written, in milliseconds since the epoch
        if late.seconds > 0:
            threading.Thread(target=self._deliver_late, name="late log lines", daemon=True).start()

    def write(self, chunk: bytes) -> None:
        """Take some output; whole lines are delivered, the rest waits for its end."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        while len(self._partial) > EVENT_BYTES:  # a line without an end mustn't fill the memory
            cut = EVENT_BYTES
            while cut > EVENT_BYTES - 4 and self._partial[cut] & 0xC0 == 0x80:
                cut -= 1
            lines.append(self._partial[:cut])
            self._partial = self._partial[cut:]
        self._send(lines)

    def close(self) -> None:
        """Deliver the last line, ended or not; late lines stay late."""
        self._send([self._partial] if self._partial else [])
        self._partial = b""
        with self._ready:
            self._closed = True
            self._ready.notify()

    def stopped(self) -> None:
        """The task reads STOPPED."""
        with self._ready:
            if not self._stopped:
                self._stopped = True
                self._due = deque((self._when(), batch) for _, batch in self._due)
                self._ready.notify()

    @property
    def shown(self) -> int | None:
        """How many events CloudWatch shows of those that it has; None for all."""
        return self._shown if self._late.stored else None

    def _when(self) -> float:
        """When what is written now arrives, and not before what was written before."""
        span = self._late.seconds
        if self._late.random:
            span *= random.random()  # noqa: S311  no secret  # nosec B311
        return max(time.monotonic() + span, self._due[-1][0] if self._due else 0.0)

    def _send(self, lines: list[bytes]) -> None:
        now = time.time_ns() // 1_000_000
        pieces = (piece for line in lines for piece in split_text(line.decode("utf-8", "replace")))
        events = [{"timestamp": now, "message": piece} for piece in pieces]
        if events and self.first is None:
            self.first = now
        if self._most is not None:
            events = events[: self._most]
            self._most -= len(events)
        on_time = max(self._late.after_lines - self._lines, 0) if self._late.seconds > 0 else len(events)
        self._lines += len(events)
        for batch in _batches(events[:on_time]):
            self._put(batch)
            self._shown += len(batch)
        for batch in _batches(events[on_time:]):
            if self._late.stored:
                self._put(batch)
            with self._ready:
                self._due.append((self._when() if self._stopped else 0.0, batch))
                self._ready.notify()

    def _deliver_late(self) -> None:
        while True:
            with self._ready:
                while not self._due or not self._stopped:
                    if self._closed and not self._due:
                        return
                    self._ready.wait()
                due, batch = self._due[0]
                if (seconds := due - time.monotonic()) > 0:
                    self._ready.wait(seconds)
                    continue
                self._due.popleft()
            if not self._late.stored:
                self._put(batch)
            self._shown += len(batch)


def _batches(events: list[Event]) -> Iterator[list[Event]]:
    return (events[start : start + BATCH_EVENTS] for start in range(0, len(events), BATCH_EVENTS))


def log_group_exists(definition: Mapping[str, Any], region: str, account_id: str) -> bool:
    """Whether the log group of a container is there; True for one that has none."""
    from moto.logs.models import logs_backends

    options = (definition.get("logConfiguration") or {}).get("options") or {}
    group = options.get("awslogs-group")
    return not group or group in logs_backends[account_id][options.get("awslogs-region") or region].groups


def log_mode(options: Mapping[str, str], region: str, account_id: str) -> str:
    """The mode that a container's log has: its own, else that of the account's setting, else ECS's."""
    from moto.ecs.models import ecs_backends

    setting = ecs_backends[account_id][region].account_settings.get(SETTING)
    return options.get(MODE) or (setting.value if setting else DEFAULT)


def open_stream(definition: Mapping[str, Any], task: Task, quirks: Quirks) -> LogWriter:
    """The log of one container, its stream created. Raises StartError (ResourceInitializationError).

    A container with no awslogs driver gets a writer whose lines go nowhere, as on Fargate.
    """
    from moto.logs.exceptions import ResourceAlreadyExistsException
    from moto.logs.models import logs_backends

    configuration = definition.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    if configuration.get("logDriver") != "awslogs":
        return LogWriter(lambda events: None)
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        option = "awslogs-group" if not group else "awslogs-stream-prefix"
        raise _bad_log(f"the log option {option} is missing")
    region, account_id = task.launch.region, task.launch.account_id
    mode = log_mode(options, region, account_id)
    if why := mode_problem({MODE: mode}) or buffer_problem({**options, MODE: mode}):
        raise _bad_log(why)
    if broken := event_problem(options):
        raise _bad_log(": ".join(broken))
    backend = logs_backends[account_id][options.get("awslogs-region") or region]
    stream = f"{prefix}/{definition['name']}/{task.id}"
    if why := LOG_STREAM.exceeded(len(stream)):
        raise _bad_log(why)
    if str(options.get("awslogs-create-group", "")).lower() == "true" and group not in backend.groups:
        with contextlib.suppress(ResourceAlreadyExistsException):  # another task just did
            backend.create_log_group(group, {})
    if group not in backend.groups:
        raise _bad_log(
            "create stream has been retried 1 times: failed to create Cloudwatch log stream: "
            "ResourceNotFoundException: The specified log group does not exist."
        )
    backend.ensure_log_stream(group, stream)

    def put(events: list[Event]) -> None:
        log_group = backend.groups.get(group)  # gone: deleted while the task runs, whose lines are lost then
        log_stream = log_group.streams.get(stream) if log_group is not None else None
        if log_stream is not None:
            log_stream.put_log_events(events)

    loss = quirks.first("log-loss") if mode == NON_BLOCKING else None
    late = Lateness(**quirks.options("log-delay"))
    writer = LogWriter(put, late, int(loss["after_lines"]) if loss else None)
    if late.seconds > 0:
        backend.groups[group].streams[stream].sent = lambda: writer.first  # type: ignore[attr-defined]  # the same
    if late.stored:
        backend.groups[group].streams[stream].shown = lambda: writer.shown  # type: ignore[attr-defined]  # corrections
    return writer


def _bad_log(why: str) -> StartError:
    return StartError("ResourceInitializationError", f"failed to validate logger args: {why} : exit status 1")
