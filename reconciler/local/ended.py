"""What it means that the embedded AWS doesn't answer: it may have ended, and then no wait helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.aws.failures import NOT_SENT
from reconciler.core.errors import AwsError, EmbeddedAwsEnded, Unreachable
from reconciler.local.lifecycle import read_record
from reconciler.local.processes import birth


def unanswered(home: Path) -> Callable[[Unreachable], AwsError]:
    """Tells of an error what it means for the server that runs in this folder now."""
    record = read_record(home)

    def meaning(error: Unreachable) -> AwsError:
        if record is not None and birth(record["pid"]) != record["birth"]:
            reason = "the embedded AWS has ended, and with it the tasks that it ran"
            hint = "`apply --local` starts it"
            return EmbeddedAwsEnded(error.service, error.operation, error.code, reason, hint=hint)
        if error.code == NOT_SENT:
            error.hint = "`local status` says whether the embedded AWS runs"
        return error

    return meaning
