"""Which requests the embedded AWS doesn't even look at: those that a web page could send.

Who may ask for something is decided by the request's signature (`signatures`): there is nothing that another user of
the machine, a container or a web page could sign with.
"""

from __future__ import annotations

from typing import Any

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]", "host.docker.internal")


def refusal(environ: dict[str, Any]) -> str | None:
    """Why a request is refused, or None.

    A browser says where a page comes from (Origin), and a name rebound to this machine shows in Host; neither
    belongs to an AWS SDK.
    """
    host = str(environ.get("HTTP_HOST", "127.0.0.1")).lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in LOOPBACK_NAMES and not name.endswith(".localhost"):
        return f"requests for the host {name!r} are not answered here"
    if "HTTP_ORIGIN" in environ:
        return "web pages may not use the embedded AWS"
    return None
