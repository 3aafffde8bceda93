"""From a container's bytes to events of its CloudWatch log stream, as the awslogs driver does it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.core.log_mode import DEFAULT, MODE, NON_BLOCKING, SETTING, buffer_problem, mode_problem
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
    if data:
        yield data.decode("utf-8")


class LogWriter:
    """Collects lines and delivers them, at once or `delay` seconds late. Empty lines are dropped, as on AWS.

    `write` is called from one thread. `put` gets events in order and never from two threads at a time. After `most`
    lines the buffer is full: the rest is lost.
    """

    def __init__(self, put: Put, delay: float = 0.0, most: int | None = None) -> None:
        self._put = put
        self._delay = delay
        self._most = most
        self._rest = b""
        self._late: deque[tuple[float, list[Event]]] = deque()
        self._late_ready = threading.Condition()
        self._closed = False
        if delay > 0:
            threading.Thread(target=self._deliver_late, name="late log lines", daemon=True).start()

    def write(self, chunk: bytes) -> None:
        """Take some output; whole lines are delivered, the rest waits for its end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        while len(self._rest) > EVENT_BYTES:  # a line without an end mustn't fill the memory
            cut = EVENT_BYTES
            while cut > EVENT_BYTES - 4 and self._rest[cut] & 0xC0 == 0x80:
                cut -= 1
            lines.append(self._rest[:cut])
            self._rest = self._rest[cut:]
        self._send(lines)

    def close(self) -> None:
        """Deliver the last line, ended or not; late lines stay late."""
        self._send([self._rest])
        self._rest = b""
        with self._late_ready:
            self._closed = True
            self._late_ready.notify()

    def _send(self, lines: list[bytes]) -> None:
        now = time.time_ns() // 1_000_000
        pieces = (piece for line in lines for piece in split_text(line.decode("utf-8", "replace")))
        events = [{"timestamp": now, "message": piece} for piece in pieces]
        if self._most is not None:
            events = events[: self._most]
            self._most -= len(events)
        for start in range(0, len(events), BATCH_EVENTS):
            batch = events[start : start + BATCH_EVENTS]
            if self._delay > 0:
                with self._late_ready:
                    self._late.append((time.monotonic() + self._delay, batch))
                    self._late_ready.notify()
            else:
                self._put(batch)

    def _deliver_late(self) -> None:
        while True:
            with self._late_ready:
                while not self._late:
                    if self._closed:
                        return
                    self._late_ready.wait()
                due, batch = self._late[0]
                if (seconds := due - time.monotonic()) > 0:
                    self._late_ready.wait(seconds)
                    continue
                self._late.popleft()
            self._put(batch)


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
        missing = "awslogs-group" if not group else "awslogs-stream-prefix"
        raise _bad_log(f"the log option {missing} is missing")
    region, account_id = task.launch.region, task.launch.account_id
    mode = log_mode(options, region, account_id)
    if why := mode_problem({MODE: mode}) or buffer_problem({**options, MODE: mode}):
        raise _bad_log(why)
    backend = logs_backends[account_id][options.get("awslogs-region") or region]
    stream = f"{prefix}/{definition['name']}/{task.id}"
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
        found = backend.groups.get(group)  # gone: deleted while the task runs, whose lines are lost then
        log_stream = found.streams.get(stream) if found is not None else None
        if log_stream is not None:
            log_stream.put_log_events(events)

    loss = quirks.first("log-loss") if mode == NON_BLOCKING else None
    return LogWriter(put, quirks.number("log-delay", "seconds", 0), int(loss["after_lines"]) if loss else None)


def _bad_log(why: str) -> StartError:
    return StartError("ResourceInitializationError", f"failed to validate logger args: {why} : exit status 1")
