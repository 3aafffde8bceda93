"""Waiting in tests: for an event, never for time to pass.

Nothing here passes because it was quick. A test that says "at once" makes what it doesn't wait for last for ever, or
counts the processor's time, which other work on the machine doesn't change.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

LONG = 180.0  # seconds in which whatever a test waits for has come, however busy the machine is
T = TypeVar("T")


def until(look: Callable[[], T], what: str, seconds: float = LONG) -> T:
    """The first true value that `look` gives; fails when none came in time."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while not (value := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain for {what}; last seen: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.1, 0.05)
    return value


def until_printed(process: subprocess.Popen[str], text: str, times: int = 1) -> str:
    """What a process prints up to the line that has this text, for so many times; fails when it ends before."""
    assert process.stdout is not None
    printed: list[str] = []
    while sum(text in line for line in printed) < times:
        printed.append(process.stdout.readline())
        if not printed[-1]:
            errors = process.stderr.read() if process.stderr else ""
            pytest.fail(f"it ended without {text!r}, after printing:\n{''.join(printed)}{errors}")
    return "".join(printed)


@dataclass
class Worked:
    """seconds: of processors, by child processes that ended meanwhile."""

    seconds: float = 0.0


@contextlib.contextmanager
def children_work() -> Iterator[Worked]:
    """Count how long this process's children work, which is the same however long they wait for a processor."""
    worked, before = Worked(), _of_children()
    yield worked
    worked.seconds = _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
