"""`local`: the embedded AWS behind --local, and the way to it for other tools."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from reconciler.cli.answer import ABSENT, Answer
from reconciler.cli.options import Output
from reconciler.cli.target import LOCAL_HOME, local_home
from reconciler.cli.terminal import Terminal, seconds
from reconciler.config import load
from reconciler.config.reader import content_of
from reconciler.core.errors import ReconcilerError, UserError
from reconciler.local import LocalAws, LocalError, homes, keeps, reset, status, stop
from reconciler.local.idle import spelled


@dataclass(frozen=True)
class Arguments(Output):
    """What `local` is asked. action: `status`, `env`, `list`, `stop` or `reset`; all: every one."""

    action: str
    file: Path
    all: bool


@dataclass(frozen=True)
class Running(Answer):
    """`local status`"""

    action: Literal["status"]
    running: Annotated[bool, "whether the embedded AWS runs"]
    endpoint_url: Annotated[str | None, "where"]
    pid: Annotated[int | None, "its process"]


@dataclass(frozen=True)
class Environment(Answer):
    """`local env`"""

    action: Literal["env"]
    set: Annotated[Mapping[str, str], "the environment with which AWS tools reach it, including its key"]
    unset: Annotated[Sequence[str], "variables that would direct them elsewhere"]


@dataclass(frozen=True)
class Server:
    """An embedded AWS that runs."""

    home: Annotated[str, "its folder"]
    endpoint_url: Annotated[str, "where"]
    pid: Annotated[int, "its process"]
    idle: Annotated[float, "seconds without use after which it ends; 0 for never"]


@dataclass(frozen=True)
class Listed(Answer):
    """`local list`"""

    action: Literal["list"]
    servers: Annotated[Sequence[Server], "this user's running embedded AWSs"]


@dataclass(frozen=True)
class Over(Answer):
    """`local stop` and `local reset`"""

    action: Literal["stop", "reset"]
    was_running: Annotated[bool, "until now"]
    homes: Annotated[Sequence[str], "with --all: the folders of those that were running"] = ABSENT


ANSWERS = (Running, Environment, Listed, Over)


def run(options: Arguments, terminal: Terminal) -> int:
    """Say whether it runs or how other tools reach it, stop it, or make it forget everything."""
    if options.all and options.action != "stop":
        raise UserError("--all is for `local stop`")
    try:
        if options.action == "list":
            return _list(terminal, options.json)
        if options.all:
            return _stop_all(terminal, options.json)
        _check_file(options)
        home = local_home(options.file)
        if options.action == "env":
            return _env(options.file, home, terminal, options.json)
        return _run(options.action, home, terminal, options.json)
    except LocalError as error:
        raise ReconcilerError(str(error)) from None


def _check_file(options: Arguments) -> None:
    """Refuse a folder, beside which another deploy's embedded AWS may be; to empty one, its file must be there.

    Raises ConfigErrors.
    """
    empties_beside_file = options.action == "reset" and not os.environ.get(LOCAL_HOME)
    if options.file.is_dir() or empties_beside_file:
        content_of(options.file)


def _list(terminal: Terminal, as_json: bool) -> int:
    """Every embedded AWS of this user, with its folder."""
    running = [server for home in homes() if (server := status(home)) is not None]
    if as_json:
        servers = [Server(str(server.home), server.endpoint_url, server.pid, server.idle) for server in running]
        terminal.json(Listed("list", servers))
        return 0
    for server in running:
        age = seconds(time.time() - server.started_at)
        terminal.print(f"{server.home}  {server.endpoint_url}  process {server.pid}, for {age}{_ends(server)}")
    if not running:
        terminal.print("none runs")
    return 0


def _stop_all(terminal: Terminal, as_json: bool) -> int:
    """End every embedded AWS of this user."""
    stopped_homes = [str(home) for home in homes() if stop(home)]
    if as_json:
        terminal.json(Over("stop", bool(stopped_homes), stopped_homes))
        return 0
    for home in stopped_homes:
        terminal.print(f"stopped {home}; {_left(Path(home))}")
    if not stopped_homes:
        terminal.print("none was running")
    return 0


def _left(home: Path) -> str:
    if keeps(home):
        return "runs, results, data and logs are kept: `local reset` deletes them"
    return "everything in it is deleted"


def _ends(server: LocalAws) -> str:
    return f"; ends after {spelled(server.idle)} without use" if server.idle else ""


SERVICE_ENDPOINT = re.compile("AWS_ENDPOINT_URL_[A-Z0-9_]+")
# What would lead an AWS tool elsewhere, or have it send something that doesn't go with the key.
MISLEADING = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)  # fmt: skip


def _env(file: Path, home: Path, terminal: Terminal, as_json: bool) -> int:
    """Print what a POSIX shell has to run so that AWS tools reach the embedded AWS as its owner. Starts nothing."""
    server = status(home)
    if server is None:
        raise ReconcilerError("the embedded AWS isn't running", hint="`apply --local` starts it")
    region = _region(file)
    variables = {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.keys.secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    unset = [*MISLEADING, *sorted(name for name in os.environ if SERVICE_ENDPOINT.fullmatch(name))]
    if as_json:
        terminal.json(Environment("env", variables, unset), with_secrets=True)
        return 0
    for name in unset:
        terminal.print(f"unset {name}")
    for name, value in variables.items():
        terminal.print(f"export {name}={shlex.quote(value)}")
    return 0


def _region(file: Path) -> str:
    """The file's region; where there is no good file, the one that most tools take for granted."""
    with contextlib.suppress(ReconcilerError):
        if file.is_file():
            return load(file, environ=os.environ).region
    return "us-east-1"


def _run(action: str, home: Path, terminal: Terminal, as_json: bool) -> int:
    if action == "stop":
        was_running = stop(home)
        if as_json:
            terminal.json(Over("stop", was_running))
            return 0
        terminal.print(f"stopped; {_left(home)}" if was_running else "it wasn't running")
    elif action == "reset":
        running = status(home) is not None
        reset(home)
        if as_json:
            terminal.json(Over("reset", running))
            return 0
        terminal.print("reset: it is empty now" if running else "it wasn't running; it is empty now")
    else:
        server = status(home)
        if as_json:
            address, pid = (server.endpoint_url, server.pid) if server else (None, None)
            terminal.json(Running("status", server is not None, address, pid))
        elif server is None:
            terminal.print("not running; `apply --local` starts it")
        else:
            age = seconds(time.time() - server.started_at)
            text = f"running at {server.endpoint_url} (process {server.pid}, for {age}); tasks run as {server.runner}"
            text += _ends(server)
            terminal.print(terminal.fold("", text))
    return 0
