"""--verbose: what goes on, as one JSON object a line on standard error. Imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from reconciler.aws.calls import Waiting
from reconciler.aws.failures import Call
from reconciler.core.text import dumps


class Log:
    """Structured events. `write` prints a line on standard error."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._log = structlog.wrap_logger(
            _Writer(write),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper("iso"),
                structlog.processors.JSONRenderer(_json),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def command(self, name: str, version: str) -> None:
        """Write that a command begins."""
        self._log.info("command", command=name, version=version)

    def ended(self, exit_code: int) -> None:
        """Write that a command has ended."""
        self._log.info("ended", exit_code=exit_code)

    def call(self, call: Call) -> None:
        """One attempt of a call to AWS, with the id by which AWS's support finds it."""
        write = self._log.warning if call.error else self._log.info
        error = {"error": call.error} if call.error else {}
        call_fields = {"service": call.service, "operation": call.operation, "request_id": call.request_id}
        write("aws", **call_fields, seconds=round(call.seconds, 3), **error)

    def waiting(self, waiting: Waiting) -> None:
        """Something that isn't so yet is waited for, or a call is tried again."""
        self._log.info("waiting", what=waiting.subject, seconds=round(waiting.seconds, 1))


def _json(event: Any, **options: Any) -> str:
    """structlog gives json's own options besides, of which `default` is ours."""
    return dumps(event)


class _Writer:
    """What structlog calls by the name of the level."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.info = self.warning = self.error = write
