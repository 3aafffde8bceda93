"""Start, find, stop and reset the server process of the embedded AWS.

The folder `home` holds what is known about it: `server.json` (pid, its birth, port, access key), `server.log`,
`images/` and `tasks/`. A server counts as ours only when it proves that it has the secret in `server.json`, which is
never sent, so a foreign process on a reused port is never taken for it. A process is ended only when it was born when
the server was, so one that has got its pid since isn't.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core import plain_json
from reconciler.local.folders import UnsafeFolder, safe_home
from reconciler.local.idle import IDLE, BadSpan, idle_seconds, spelled
from reconciler.local.keys import NONCE_HEADER, PROOF_HEADER, Keys, client_proof, new_nonce, same, server_proof
from reconciler.local.processes import birth, is_ours, listener
from reconciler.local.refusals import REFUSALS
from reconciler.local.seal import KEEP, KEPT, OBJECTS, PASSING, Unsealed, keeps, open_seal

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 5.0  # for what the server says of itself
LOG_LINES = 8  # of a server that did not start
RECORD: dict[str, type | tuple[type, ...]] = {
    "pid": int, "port": int, "birth": str, "started_at": (int, float), "access_key_id": str, "secret_access_key": str,
}  # fmt: skip
# Where programs, files and a Docker engine are, and how text and time are written. Nothing that could hold a password,
# as the addresses of proxies do.
PASSED_ON = frozenset((
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG",
    "RECONCILER_LOCAL_ENGINE", "RECONCILER_LOCAL_REGISTRY", IDLE, KEEP, REFUSALS,
))  # fmt: skip
MODULE = "reconciler.local.server"
MOST_ANSWER = 65536  # bytes
NEEDED_MODULES = ("moto", "flask", "flask_cors", "werkzeug", "boto3")


class LocalError(Exception):
    """The embedded AWS could not do what was asked; the text is for the user."""


@dataclass(frozen=True)
class LocalAws:
    """A running embedded AWS. started_at: seconds since the epoch; runner: how tasks run; idle: seconds
    without use after which it ends, 0 for never; keys: its owner's.
    """

    endpoint_url: str
    pid: int
    home: Path
    started_at: float
    runner: str
    idle: float
    keys: Keys = field(repr=False)


def ensure_running(home: Path, say: Callable[[str], None] = lambda text: None) -> LocalAws:
    """The embedded AWS of `home`, started if it isn't running, which is said first.

    Returns as soon as the server answers; it finishes loading while the caller goes on, and holds back requests
    until it has. Raises LocalError if it can't be started.
    """
    running = status(home)
    if running is not None:
        return running
    try:
        idle = idle_seconds(os.environ)
    except BadSpan as error:
        raise LocalError(str(error)) from None
    ends = f"; it ends when nothing has used it for {spelled(idle)}" if idle else ""
    kept_text = ", with the runs, results, data and logs of before" if keeps(home) else ""
    say(f"starting the embedded AWS{kept_text}{ends}")
    home = _make_home(home)
    with _locked(home):
        running = status(home)  # another command may have started it while this one waited for the lock
        return running if running is not None else _start(home)


def status(home: Path) -> LocalAws | None:
    """The running embedded AWS of `home`, or None. Takes a few milliseconds. Raises LocalError for an unsafe folder."""
    record = read_record(home)
    if record is None:
        return None
    keys = Keys(record["access_key_id"], record["secret_access_key"])
    if listener(record["port"]) not in (os.getuid(), 0, None):
        return None  # whoever put the record there knows the secret in it
    answer = _identify(record["port"], keys)
    if answer is None or answer.get("pid") != record["pid"]:
        return None
    return LocalAws(
        endpoint_url=f"http://127.0.0.1:{record['port']}",
        pid=record["pid"],
        home=home.absolute(),
        started_at=float(record["started_at"]),
        runner=str(answer.get("runner", "process")),
        idle=float(answer.get("idle", 0)),
        keys=keys,
    )


def stop(home: Path) -> bool:
    """End the tasks that run and the server. False if none was running. Raises LocalError if it won't end."""
    _check(home)
    if not home.is_dir():
        return False
    with _locked(home):
        record = read_record(home)
        alive = record is not None and is_ours(record["pid"]) and birth(record["pid"]) == record["birth"] != ""
        if record is not None and alive:
            _end_process(record["pid"], record["birth"])
        (home / "server.json").unlink(missing_ok=True)
        return alive


def homes() -> list[Path]:
    """The folders of the embedded AWSs of this user that run on this machine, sorted."""
    import psutil

    folders = set()
    for process in psutil.process_iter(["cmdline", "uids"]):
        words, uids = process.info["cmdline"] or [], process.info["uids"]
        if MODULE in words[:-1] and uids is not None and uids.real == os.getuid():
            folders.add(Path(words[words.index(MODULE) + 1]))
    return sorted(home for home in folders if home.is_dir())


def reset(home: Path) -> None:
    """Forget every resource, run, log and image, ending the tasks that run; the server keeps running.

    When none is running, only the folder's images and task folders are removed. Raises LocalError.
    """
    _check(home)
    if not home.is_dir():
        return
    with _locked(home):
        running = status(home)
        if running is None:
            import shutil

            for name in ("images", "tasks", KEPT, OBJECTS, PASSING):
                shutil.rmtree(home / name, ignore_errors=True)
            return
        from reconciler.local.signing import request

        try:
            code, _ = request(running.endpoint_url, running.keys, "POST", "/_reconciler/reset", timeout=60.0)
        except (OSError, ValueError, http.client.HTTPException):
            code = 0
        if code != 200:
            raise LocalError(f"The embedded AWS did not reset. Its log is {home / 'server.log'}.")


def _check(home: Path) -> None:
    """Raises LocalError for a folder that leads elsewhere or that somebody else can write to."""
    try:
        safe_home(home)
    except UnsafeFolder as error:
        raise LocalError(str(error)) from None


def _make_home(home: Path) -> Path:
    _check(home)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        _check(home)  # again: until now others could write to a folder above that was just made
        if not (ignore := home / ".gitignore").exists():
            ignore.write_text("*\n", encoding="utf-8")  # so that `git add .` takes none of it
    except OSError as error:
        raise LocalError(f"The embedded AWS can't use the folder {home}: {error.strerror}.") from None
    return home


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the folder's lock: one command at a time starts or stops the server."""
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(f"The embedded AWS can't use the folder {home}: {error.strerror}.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_record(home: Path) -> dict[str, Any] | None:
    """What server.json says; None for one that others can read, which no server here has made: its secret is none."""
    _check(home)
    try:
        with os.fdopen(
            os.open(home / "server.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8"
        ) as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                return None
            record = plain_json.parse(file.read())
    except (OSError, ValueError):
        return None
    complete = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in RECORD.items())
    return record if complete and record["pid"] > 1 and 0 < record["port"] < 65536 else None


def _identify(port: int, keys: Keys) -> dict[str, Any] | None:
    """What the server says of itself, once it has proved that it has the secret; else None. The secret isn't sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    nonce = new_nonce()
    headers = {NONCE_HEADER: nonce, PROOF_HEADER: client_proof(keys, nonce)}
    try:
        connection.request("GET", "/_reconciler/identity", headers=headers)
        response = connection.getresponse()
        body = response.read(MOST_ANSWER)
        if not same(server_proof(keys, nonce, body), response.getheader(PROOF_HEADER, "")):
            return None
        answer = json.loads(body)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def _start(home: Path) -> LocalAws:
    missing = [name for name in NEEDED_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(
            f"--local needs {', '.join(missing)}, which this Python does not have. "
            f"Run: {sys.executable} -m pip install 'reconciler[local]'"
        )
    import shutil

    environment = _server_environment() | _kept(home)
    (home / "server.json").unlink(missing_ok=True)
    # Of a server that knows nothing of them any more, or a checkout's.
    for name in ("images", "tasks", "functions", PASSING):
        shutil.rmtree(home / name, ignore_errors=True)
    log_file = home / "server.log"
    handle = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "ab") as log:
        position = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(  # noqa: S603 - this very Python, with our own arguments
            [sys.executable, "-P", "-m", MODULE, str(home.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env=environment,
            start_new_session=True,  # no Ctrl-C and no hang-up of this terminal reaches it
        )
    try:
        code = process.wait(START_SECONDS)  # of the process in between, which ends once the server serves
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its session, the server included
        process.wait()
        raise LocalError(
            f"The embedded AWS gave no answer in {START_SECONDS:.0f} s.{_log_tail(log_file, position)}"
        ) from None
    running = status(home) if code == 0 else None
    if running is None:
        raise LocalError(f"The embedded AWS did not start.{_log_tail(log_file, position)}")
    return running


def _kept(home: Path) -> dict[str, str]:
    """Make the folder of what is kept ready; where it can't be, nothing is kept. Raises LocalError."""
    try:
        if os.environ.get(KEEP) != "0":
            open_seal(home)
    except Unsealed as error:
        raise LocalError(str(error)) from None
    except OSError:
        return {KEEP: "0"}
    return {}


def _server_environment() -> dict[str, str]:
    """The server's own environment, which its tasks can see: of the user's, no more than it needs, and no secret."""
    keep = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith("LC_")}
    root = str(Path(__file__).resolve().parents[2])
    keep |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)  # moto would read them
    return keep | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}  # for the sake of memory


def _log_tail(log_file: Path, position: int) -> str:
    try:
        with log_file.open("rb") as log:
            log.seek(position)
            text = log.read().decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    tail = "\n".join("  " + line for line in text.splitlines()[-LOG_LINES:])
    return f" The end of its log, {log_file}:\n{tail}" if tail else f" Its log is {log_file}."


def _end_process(pid: int, born: str) -> None:
    """SIGTERM, on which the server ends its tasks; SIGKILL when that takes too long. Waits for the end."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            if birth(pid) == born:
                os.kill(pid, number)
        while time.monotonic() < deadline:
            if birth(pid) != born:
                return
            time.sleep(0.01)
    raise LocalError(f"The embedded AWS (process {pid}) does not end.")
