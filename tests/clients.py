"""The pytest plugin that makes AWS's clients: kept for the next test, and watched.

To make the clients of a command takes longer than its calls.

A client that its owner has closed is given to the next who asks for the same: service, region, endpoint and static
credentials. None is shared by two at a time. Not kept: clients for transfers, which have their owner's hooks, and
those whose credentials come from elsewhere. A command that ran in this process closes its clients and ends its threads.
Sessions of static credentials are kept as well: to make one takes as long as ten calls.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from botocore.credentials import Credentials

from reconciler.aws import clients
from reconciler.aws.clients import TRANSFER, Clients, new_session
from reconciler.aws.together import Together
from tests import sessions

_of_command: ContextVar[list[Clients | Together] | None] = ContextVar("of_command", default=None)
_free: defaultdict[object, list[Any]] = defaultdict(list)
_keys: dict[int, tuple[object, Any]] = {}  # (key, client) by the client's identity
_around: dict[int, Any] = {}  # boto3's session around one of those, by its identity
_elsewhere: set[int] = set()  # S3's clients that were told of a bucket's region, which they remember


watchers: list[Callable[[Any, str], None]] = []  # called with each client that is really made, and its service
instead: dict[tuple[str, str | None], Any] = {}  # clients that are there already, by service and endpoint


@contextlib.contextmanager
def of_command() -> Iterator[None]:
    """What a command does that runs in this process. When it ends, its clients are closed and its threads end.

    A process of tests had a thousand of them, which waited for garbage to be looked for.
    """
    owners: list[Clients | Together] = []
    token = _of_command.set(owners)
    try:
        yield
    finally:
        _of_command.reset(token)
        for owner in owners:
            owner.close()


def pytest_configure(config: pytest.Config) -> None:
    """From now on all clients are made here: the only place that changes how."""
    begin, make, maker, close = Clients.__init__, Clients._make, Clients._maker, Clients.close
    begin_together = Together.__init__

    def begun(self: Clients, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        if (owners := _of_command.get()) is not None:
            owners.append(self)

    def begun_together(self: Together, workers: int) -> None:
        begin_together(self, workers)
        if (owners := _of_command.get()) is not None:
            owners.insert(0, self)  # its threads end before the clients that they use are closed

    def anew(self: Clients, service: str) -> Any:
        with sessions.TURNS:
            client = make(self, service)
        for watch in watchers:
            watch(client, service)
        return client

    def made(self: Clients, service: str) -> Any:
        if service != TRANSFER and (there := instead.get((service, self._endpoint_url))):
            return there
        _give_session(self)
        key = _key(self, service)
        if key is None:
            return anew(self, service)
        if _free[key]:
            return _free[key].pop()
        client = anew(self, service)
        _keys[id(client)] = (key, client)
        if service == "s3":
            client.meta.events.register("needs-retry.s3", lambda **said: _note(client, **said))
        return client

    def made_by(self: Clients, service: str) -> Any:
        if service == TRANSFER and sessions.is_kept(self._session):
            if id(self._session) not in _around:
                _around[id(self._session)] = maker(self, service)
            return _around[id(self._session)]
        return maker(self, service)

    def closed(self: Clients) -> None:
        held = [*self._clients.values(), *self._replaced]
        close(self)
        for client in held:
            if id(client) in _keys and id(client) not in _elsewhere:
                _free[_keys[id(client)][0]].append(client)

    Together.__init__, Clients.__init__, Clients._make = begun_together, begun, made  # type: ignore[method-assign]
    Clients._maker, Clients.close = made_by, closed  # type: ignore[method-assign]
    clients.new_session = _session


def _session(*keys: str, region: str = "") -> Any:
    """A session for a command that ran in this process is kept, where it knows its keys: that of an embedded AWS."""
    kept = bool(keys) and _of_command.get() is not None
    return sessions.kept(*keys) if kept else new_session(*keys, region=region)


def _note(client: Any, response: Any = None, **others: Any) -> None:
    if response is not None and response[0].status_code in (301, 307, 400):
        _elsewhere.add(id(client))


def _give_session(owner: Clients) -> None:
    """Give an owner of clients the kept session, where the environment itself has the keys."""
    static = "AWS_ACCESS_KEY_ID" in os.environ and "AWS_PROFILE" not in os.environ
    static = static and clients.new_session is _session  # a test may have put another there
    if owner._session is None and owner._endpoint_url is not None and static:
        owner._session = sessions.kept()


def _key(owner: Clients, service: str) -> object:
    """What clients have in common that are the same; None for one that isn't kept."""
    if service == TRANSFER or owner._endpoint_url is None or owner._session is None:
        return None
    session = getattr(owner._session, "_session", owner._session)  # boto3's has one of botocore's
    if type(keys := session._credentials) is not Credentials:
        return None
    whole = service in getattr(session.get_component("data_loader"), "whole", ())
    who = (keys.access_key, keys.secret_key, keys.token, session is owner._session, sessions.environment())
    return repr((service, owner._region, owner._endpoint_url, owner._patience, whole, who))
