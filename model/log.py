"""Logging: one JSON object a line in a container, readable lines at a terminal.

Everything goes to standard error; standard output is for results (`predict`, `compare`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import structlog

from model.errors import InputError
from model.harmless import dumps, line


def _as_text(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """``12:00:01 event  key=value``; floats short; no colour, so that a pipe reads the same."""
    clock = str(event.pop("timestamp", ""))[11:19]
    level = event.pop("level", "info")
    text = str(event.pop("event", ""))
    pairs = "  ".join(f"{k}={v:.5g}" if isinstance(v, float) else f"{k}={v}" for k, v in event.items())
    mark = "" if level == "info" else f"{level.upper()}: "
    return line(f"{clock} {mark}{text}" + (f"  {pairs}" if pairs else ""))


def _as_json(event: Any, **_options: Any) -> str:
    return dumps(event)


def configure(env: Mapping[str, str]) -> None:
    """Set structlog up from LOG_FORMAT (``json`` | ``plain``; by default plain at a terminal).

    Raises:
        InputError: LOG_FORMAT is something else.
    """
    form = env.get("LOG_FORMAT", "").strip().lower() or ("plain" if sys.stderr.isatty() else "json")
    if form not in ("json", "plain"):
        raise InputError(f"LOG_FORMAT is {form!r}: use json or plain")
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(_as_json) if form == "json" else _as_text
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get() -> Any:
    """The logger: ``get().info("event", key=value)``."""
    return structlog.get_logger()
