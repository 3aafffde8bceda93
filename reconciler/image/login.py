"""Logging a container engine in to a registry without the token ever touching a disk or a command line.

`docker login` would write the token to config.json. Instead the engine's client gets a configuration folder of its own,
for as long as one command runs, that names a credential helper for this one registry. The client starts the helper and
speaks with it over standard input and output, as it does with the helper of a key chain; ours fetches the token from
this process over a socket in that folder, which only this user can enter. The folder holds no secret: it has the user's
own configuration but for what is secret in it (that stays only where the folder is in memory), and links to the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.core import plain_json
from reconciler.image.engine import Login

HELPER = "reconciler"
SCRIPT = """#!/bin/sh
exec "$RECONCILER_PYTHON" -I -S -c '
import socket, sys
asked = sys.stdin.read().strip()
if sys.argv[2] != "get":
    print("{}" if sys.argv[2] == "list" else "")
    sys.exit(0)
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    line.sendall(asked.encode() + b"\\n")
    answer = b"".join(iter(lambda: line.recv(65536), b""))
if not answer:
    print("credentials not found in native keychain")
    sys.exit(1)
sys.stdout.buffer.write(answer)
' "$RECONCILER_SOCKET" "$@"
"""


@contextlib.contextmanager
def logged_in(login: Login | None, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment with which docker or podman is logged in to `login.registry`; unchanged without a login."""
    if login is None:
        yield dict(environment)
        return
    folder, in_memory = _folder(environment)
    try:
        _write_config(folder, login.registry, environment, secrets=in_memory)
        helper = folder / f"docker-credential-{HELPER}"
        helper.write_text(SCRIPT)
        helper.chmod(0o700)
        with _serving(folder / "socket", login):
            yield {
                **environment,
                "DOCKER_CONFIG": str(folder),
                "REGISTRY_AUTH_FILE": str(folder / "config.json"),  # the same for podman
                "PATH": f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}",
                "RECONCILER_PYTHON": sys.executable,
                "RECONCILER_SOCKET": str(folder / "socket"),
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(environment: Mapping[str, str]) -> tuple[Path, bool]:
    """A folder that only this user can enter (0700), in memory if there is a place where programs may run from."""
    for place in (environment.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108  # nosec B108
        if place and hasattr(os, "ST_NOEXEC"):
            with contextlib.suppress(OSError):
                if not os.statvfs(place).f_flag & os.ST_NOEXEC:
                    return Path(tempfile.mkdtemp(prefix="reconciler-", dir=place)), True
    return Path(tempfile.mkdtemp(prefix="reconciler-")), False


def _write_config(folder: Path, registry: str, environment: Mapping[str, str], *, secrets: bool) -> None:
    home = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "~")).expanduser() / ".docker")
    config: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        parsed = plain_json.parse((home / "config.json").read_text())
        config = parsed if isinstance(parsed, dict) else {}
    with contextlib.suppress(OSError):
        for path in home.iterdir():  # plugins (buildx), contexts, certificates
            if path.name != "config.json":
                (folder / path.name).symlink_to(path.resolve())
    if not secrets:
        config.pop("auths", None)
    config["credHelpers"] = {**(config.get("credHelpers") or {}), registry: HELPER}
    file = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as writer:
        json.dump(config, writer)


@contextlib.contextmanager
def _serving(path: Path, login: Login) -> Iterator[None]:
    """Answer the helper on a socket until the block ends."""
    answer = json.dumps({"ServerURL": login.registry, "Username": login.username, "Secret": login.password}).encode()
    server = socket.socket(socket.AF_UNIX)
    with server:
        server.bind(str(path))
        path.chmod(0o600)
        server.listen()

        def serve() -> None:
            while True:
                line, _ = server.accept()
                with line, contextlib.suppress(OSError):
                    line.settimeout(10)
                    registry = line.makefile("rb").readline().decode(errors="replace").strip()
                    if not registry:
                        return  # from stop, below
                    if registry.removeprefix("https://").split("/")[0] == login.registry:
                        line.sendall(answer)

        thread = threading.Thread(target=serve, name="registry login", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as stop:
                stop.connect(str(path))
                stop.sendall(b"\n")
            thread.join(timeout=10)
