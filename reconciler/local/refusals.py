"""Where the embedded AWS notes what it refuses as AWS would, for whoever tests with it: a line of JSON for each."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable

REFUSALS = "RECONCILER_LOCAL_REFUSALS"  # in the environment: the file; nothing is noted without it


def note(service: str, operation: str, texts: Iterable[str]) -> None:
    """Add a refused request to the file, whoever else adds to it."""
    if not (file := os.environ.get(REFUSALS)):
        return
    line = json.dumps({"service": service, "operation": operation, "problems": list(texts)})
    with contextlib.suppress(FileNotFoundError):  # whoever tested is gone
        handle = os.open(file, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(handle, "wb") as out:
            out.write(f"{line}\n".encode())
