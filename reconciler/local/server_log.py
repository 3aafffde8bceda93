"""The log of the embedded AWS's own process: `server.log`, to which its standard output and error go.

A line for which the disk has no room is lost, and nothing else: nobody's work ends for it.
"""

from __future__ import annotations

import contextlib


def tell(text: str) -> None:
    """Write a line."""
    with contextlib.suppress(OSError):
        print(text, flush=True)  # noqa: T201 - that is the log


def trace() -> None:
    """Write the traceback of the error that is being handled."""
    import traceback  # seldom needed, and not in the time that the start takes

    with contextlib.suppress(OSError):
        traceback.print_exc()
