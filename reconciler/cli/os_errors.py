"""What this machine refuses: a full disk, a file that may not be read, an output that is gone, a package that isn't
installed. None of it is a bug. Nothing here needs more than the standard library, since that may be all
there is.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TextIO

from reconciler.core.errors import ReconcilerError, UserError, refused_here
from reconciler.core.text import guard, line

NEEDED = {"boto3", "botocore", "pydantic", "pydantic_core", "s3transfer", "structlog", "tenacity", "urllib3", "yaml"}


def open_streams() -> None:
    """Have all three standard streams, whatever was closed by whoever called; none refuses a character it lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order, so that each takes the number of what was closed, and nothing else comes to have it.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  for the process's life
    with suppress(AttributeError):  # what stands in for it in a test
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]


def tell_harmless() -> None:
    """Have what Python itself and other packages write to standard error be harmless too: tracebacks, warnings."""
    sys.excepthook = lambda kind, error, trace: _tell(error)
    threading.excepthook = lambda args: _tell(args.exc_value)
    if "logging" in sys.modules:
        tell_harmless_logs()


def tell_harmless_logs() -> None:
    """Have what other packages log, and nobody else takes, be harmless too. Called before any of them is loaded."""
    import logging

    class LastResort(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _write(record.getMessage())

    logging.lastResort = LastResort(logging.WARNING)


def _tell(error: BaseException | None) -> None:
    import traceback

    if error is not None:
        _write("".join(traceback.format_exception(error)).rstrip("\n"))


def _write(text: str) -> None:
    with suppress(OSError, AttributeError):  # it may be closed
        sys.stderr.write("\n".join(guard(line(text_line)) for text_line in text.split("\n")) + "\n")


def silence(stream: TextIO) -> None:
    """Have what is written to a stream go nowhere, so that it fails no more, not even when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def excuse(error: Exception) -> ReconcilerError | None:
    """The error for a person, where the machine is to blame and not this program."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in NEEDED:
        return UserError(
            f"{error.name} isn't installed in the Python that runs this, {sys.executable}",
            hint="in a checkout: `make demo`, then .venv/bin/python -m reconciler; else pip install '.[local]' there",
        )
    if isinstance(error, OSError) and error.strerror:
        return refused_here(error)
    return None
