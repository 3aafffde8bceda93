"""Start, find, stop and reset the server process of the embedded AWS.

The folder `home` holds what is known about it: `server.json` (pid, port, identity), `server.log`, `images/` and
`tasks/`. A server counts as ours only when it says over HTTP the random identity that `server.json` names, so a
foreign process on a reused port or pid is never taken for it, nor stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 20.0
STOP_SECONDS = 20.0
NEEDED_MODULES = ("moto", "flask", "flask_cors", "werkzeug", "boto3")


class LocalError(Exception):
    """The embedded AWS could not do what was asked; the text is for the user."""


@dataclass(frozen=True)
class LocalAws:
    """A running embedded AWS. `started_at` is in seconds since the epoch; `runner` says how tasks are run."""

    endpoint_url: str
    pid: int
    home: Path
    started_at: float
    runner: str


def ensure_running(home: Path) -> LocalAws:
    """The embedded AWS of `home`, started if it isn't running.

    Returns as soon as the server answers; it finishes loading while the caller goes on, and holds back requests
    until it has. Raises LocalError if it can't be started.
    """
    found = status(home)
    if found is not None:
        return found
    home = _make_home(home)
    with _locked(home):
        found = status(home)  # another command may have started it while this one waited for the lock
        return found if found is not None else _start(home)


def status(home: Path) -> LocalAws | None:
    """The running embedded AWS of `home`, or None. Takes a few milliseconds."""
    record = _read_record(home)
    if record is None:
        return None
    answer = _ask(record, "GET", "/_reconciler/identity", timeout=5.0)
    if answer is None or answer.get("identity") != record["identity"]:
        return None
    return LocalAws(
        endpoint_url=f"http://127.0.0.1:{record['port']}",
        pid=int(record["pid"]),
        home=home.absolute(),
        started_at=float(record["started_at"]),
        runner=str(answer.get("runner", "process")),
    )


def stop(home: Path) -> bool:
    """End the tasks that run and the server. False if none was running. Raises LocalError if it won't end."""
    if not home.is_dir():
        return False
    with _locked(home):
        found = status(home)
        if found is not None:
            _end_process(found.pid)
        (home / "server.json").unlink(missing_ok=True)
        return found is not None


def reset(home: Path) -> None:
    """Forget every resource, run, log and image, ending the tasks that run; the server keeps running.

    When none is running, only the folder's images and task folders are removed. Raises LocalError.
    """
    if not home.is_dir():
        return
    with _locked(home):
        record = _read_record(home)
        if status(home) is None or record is None:
            import shutil

            for name in ("images", "tasks"):
                shutil.rmtree(home / name, ignore_errors=True)
            return
        answer = _ask(record, "POST", "/_reconciler/reset", timeout=60.0)
        if answer is None or not answer.get("reset"):
            raise LocalError(f"The embedded AWS did not reset. Its log is {home / 'server.log'}.")


def _make_home(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        if not (ignore := home / ".gitignore").exists():
            ignore.write_text("*\n", encoding="utf-8")  # so that `git add .` takes none of it
    except OSError as error:
        raise LocalError(f"The embedded AWS can't use the folder {home}: {error.strerror}.") from None
    return home


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the folder's lock: one command at a time starts or stops the server."""
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(f"The embedded AWS can't use the folder {home}: {error.strerror}.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_record(home: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((home / "server.json").read_text())
    except (OSError, ValueError):
        return None
    complete = isinstance(record, dict) and {"pid", "port", "identity", "started_at"} <= record.keys()
    return record if complete else None


def _ask(record: dict[str, Any], method: str, path: str, timeout: float) -> dict[str, Any] | None:
    """The JSON answer of the server's control endpoint, or None when it isn't there."""
    connection = http.client.HTTPConnection("127.0.0.1", int(record["port"]), timeout=timeout)
    try:
        connection.request(method, path, headers={"X-Reconciler-Identity": record["identity"]})
        response = connection.getresponse()
        body = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if isinstance(body, dict) else None


def _start(home: Path) -> LocalAws:
    missing = [name for name in NEEDED_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(
            f"--local needs {', '.join(missing)}, which this Python does not have. "
            f"Run: {sys.executable} -m pip install 'reconciler[local]'"
        )
    (home / "server.json").unlink(missing_ok=True)
    identity = secrets.token_hex(16)
    log_file = home / "server.log"
    log_file.touch(mode=0o600)
    with log_file.open("ab") as log:
        position = log.tell()
        process = subprocess.Popen(  # noqa: S603 - this very Python, with our own arguments
            [sys.executable, "-P", "-m", "reconciler.local.server", str(home.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env=_server_environment(identity),
            start_new_session=True,  # no Ctrl-C and no hang-up of this terminal reaches it
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = status(home)
        if found is not None and found.pid == process.pid:
            process.returncode = 0  # it outlives us on purpose: no warning about an unfinished child
            return found
        if process.poll() is not None:
            raise LocalError(f"The embedded AWS did not start.{_log_tail(log_file, position)}")
        time.sleep(0.01)
    process.kill()
    process.wait()
    raise LocalError(f"The embedded AWS gave no answer in {START_SECONDS:.0f} s.{_log_tail(log_file, position)}")


def _server_environment(identity: str) -> dict[str, str]:
    """The server's own environment: the user's without AWS settings and moto's, and where to find this package."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_", "PYTHON"))}
    root = str(Path(__file__).resolve().parents[2])
    return keep | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", "RECONCILER_LOCAL_IDENTITY": identity}


def _log_tail(log_file: Path, position: int, lines: int = 8) -> str:
    try:
        with log_file.open("rb") as log:
            log.seek(position)
            text = log.read().decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    tail = "\n".join("  " + line for line in text.splitlines()[-lines:])
    return f" The end of its log, {log_file}:\n{tail}" if tail else f" Its log is {log_file}."


def _end_process(pid: int) -> None:
    """SIGTERM, on which the server ends its tasks; SIGKILL when that takes too long. Waits for the end."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _alive(pid):
                return
            time.sleep(0.01)
    raise LocalError(f"The embedded AWS (process {pid}) does not end.")


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # when this very process started it, it must be reaped
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
