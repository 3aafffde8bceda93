"""Who may talk to the embedded AWS: it runs programs as this user, so not a web page and not another user."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]", "host.docker.internal")
STARTS_PROGRAMS = (".RunTask", ".StartTask")


def refusal(environ: dict[str, Any]) -> str | None:
    """Why a request is refused, or None.

    A browser says where a page comes from (Origin), and a name rebound to this machine shows in Host; neither
    belongs to an AWS SDK. What starts programs or controls the server must come from a process of this user: on
    Linux the kernel's socket table tells, elsewhere the port's being on loopback has to do.
    """
    host = str(environ.get("HTTP_HOST", "127.0.0.1")).lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in LOOPBACK_NAMES and not name.endswith(".localhost"):
        return f"requests for the host {name!r} are not answered here"
    if "HTTP_ORIGIN" in environ:
        return "web pages may not use the embedded AWS"
    sensitive = str(environ.get("HTTP_X_AMZ_TARGET", "")).endswith(STARTS_PROGRAMS) or (
        environ["REQUEST_METHOD"] != "GET" and environ["PATH_INFO"].startswith(("/_reconciler/", "/moto-api/"))
    )
    if sensitive and (uid := peer_user(environ)) is not None and uid not in (0, os.getuid()):
        return "only the user who started the embedded AWS may do this"
    return None


def peer_user(environ: dict[str, Any]) -> int | None:
    """The user id of the process at the other end of a loopback connection; None where it can't be told."""
    if not sys.platform.startswith("linux"):
        return None
    ends = (int(environ.get("REMOTE_PORT") or 0), int(environ.get("SERVER_PORT") or 0))
    try:
        with Path("/proc/net/tcp").open() as table:
            for line in table:
                fields = line.split()
                if len(fields) > 7 and fields[1] == f"0100007F:{ends[0]:04X}" and fields[2].endswith(f":{ends[1]:04X}"):
                    return int(fields[7])
    except (OSError, ValueError):
        pass
    return None
