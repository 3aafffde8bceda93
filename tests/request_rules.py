"""The pytest plugin that judges each request, of whatever process.

What this process sends is judged before it is sent, to whichever server. What reaches an embedded AWS or a lab is
judged there (`reconciler.local.request_judge`), and what is refused is noted: so those of commands that run as
processes, of tasks and of functions come in too. The rules are AWS's own service models and the embedded AWS's table,
`reconciler.local.request_rules`. A request that breaks one fails the test that sent it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest

from reconciler.local import request_rules
from reconciler.local.refusals import REFUSALS
from tests import clients

BROKEN: list[str] = []
_LOCK = threading.Lock()
_LOADER = botocore.loaders.Loader()  # one for all, since each lists the folders of all services first


@cache
def model(service: str) -> dict[str, Any]:
    """A service's whole model."""
    found: dict[str, Any] = _LOADER.load_service_model(service, "service-2")
    return found


def judge(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """What AWS would refuse in a request."""
    return [one.text for one in request_rules.judge(model(service), service, operation, params)]


def _watch(client: Any, service: str) -> None:
    name, process = client.meta.service_model.service_name, os.getpid()

    def sent(params: dict[str, Any], model: Any, **others: Any) -> None:
        if os.getpid() != process:  # what a fork finds stays in it; the lab that it asks judges too
            return
        if problems := judge(name, model.name, params):
            with _LOCK:
                BROKEN.extend(f"{name}:{model.name}: {one}" for one in problems)

    client.meta.events.register("before-parameter-build.*.*", sent)


class Refusals:
    """What servers that this process started, itself or by others, have refused."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read = 0

    def new(self) -> list[str]:
        """Those since the last time."""
        size = self.file.stat().st_size
        if size == self._read:
            return []
        with self.file.open("rb") as file:
            file.seek(self._read)
            lines = file.read(size - self._read).splitlines()
        self._read = size
        rows = [json.loads(line) for line in lines]
        return [f"{one['service']}:{one['operation']}: {text}" for one in rows for text in one["problems"]]


_seen: Refusals | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Judge what every client sends that is made from now on, and have every server note what it refuses."""
    global _seen
    clients.watchers.append(_watch)
    handle, name = tempfile.mkstemp(prefix="refusals-")
    os.close(handle)
    _seen = Refusals(Path(name))
    os.environ[REFUSALS] = name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if _seen is not None:
        _seen.file.unlink(missing_ok=True)


@contextlib.contextmanager
def judged() -> Iterator[None]:
    """Fail for what is sent meanwhile, by whichever process, and AWS would refuse."""
    assert _seen is not None
    BROKEN.clear()
    yield
    problems = [*BROKEN, *_seen.new()]
    BROKEN.clear()
    assert not problems, "\n".join(dict.fromkeys(problems))


@pytest.fixture(autouse=True)
def requests_are_as_aws_takes_them(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that sent what AWS would refuse, unless it is marked `any_request`: it means to send that."""
    meant = request.node.get_closest_marker("any_request") is not None
    with contextlib.suppress(AssertionError) if meant else contextlib.nullcontext(), judged():
        yield
