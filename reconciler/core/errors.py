"""Every error that reaches a user, and the exit code each ends with.

    ReconcilerError              1   something of ours failed
    ├── UserError                2   the input is wrong: fix it and run again
    ├── AwsError                 1   AWS refused or broke (service, operation, code, request id)
    │   ├── Denied               1   a permission is missing
    │   ├── AlreadyThere         1   it exists
    │   ├── Gone                 1   it doesn't exist
    │   ├── Unreachable          1   no answer
    │   └── EmbeddedAwsEnded     1   no answer any more (--local)
    ├── MissingPermissions       1   permissions are missing: all of them, told before anything was changed
    ├── PlanDrift                1   the world moved between the plan and the act
    ├── NotSettled               1   AWS took longer than the budget
    ├── Locked                   1   another run holds the lock
    └── Interrupted            130   Ctrl-C

`apply` and `watch`, which end with a task's own exit code, use reserved codes instead of 1: see docs/exit-codes.md.
Each message says what, where, why and what next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


class ReconcilerError(Exception):
    """Something of ours failed. `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(ReconcilerError):
    """The input is wrong; nothing was touched."""

    exit_code = 2


class AwsError(ReconcilerError):
    """AWS answered with an error that isn't handled. resources: the ids that it names beside its message.

    bucket_region: where S3 says that the bucket is.
    """

    bucket_region = ""

    def __init__(
        self,
        service: str,
        operation: str,
        code: str,
        message: str,
        *,
        request_id: str = "",
        hint: str = "",
        resources: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{service}:{operation} failed: {code}: {message}", hint=hint)
        self.service, self.operation, self.code, self.request_id = service, operation, code, request_id
        self.reason, self.resources = message, resources


class Denied(AwsError):
    """A permission is missing."""


class MissingPermissions(ReconcilerError):
    """Permissions are missing; nothing was changed. hint: the policy to add. first: what AWS denied, or None."""

    def __init__(self, message: str, *, hint: str = "", first: AwsError | None = None) -> None:
        super().__init__(message, hint=hint)
        self.first = first


class AlreadyThere(AwsError):
    """The resource exists: made by someone else, or by a call of ours whose answer was lost."""


class Gone(AwsError):
    """The resource doesn't exist."""


class Unreachable(AwsError):
    """AWS could not be reached, or hung up, so that nobody knows whether it did what was asked."""


class EmbeddedAwsEnded(AwsError):
    """The embedded AWS has ended, and with it the tasks that it ran: no wait brings an answer."""


def from_aws(error: ReconcilerError) -> AwsError | None:
    """AWS's own error, if that is what it is or comes from."""
    return error if isinstance(error, AwsError) else getattr(error, "first", None)


def code_of(error: Exception) -> str:
    """AWS's code of a failure, of this program's way to it or of boto3."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(getattr(error, "code", "") or response.get("Error", {}).get("Code", ""))


class PlanDrift(ReconcilerError):
    """What is there isn't what the plan showed."""


class NotSettled(ReconcilerError):
    """AWS took longer than the budget of the wait."""


class Locked(ReconcilerError):
    """Another run holds the lock."""


class Interrupted(ReconcilerError):
    """Ctrl-C or SIGTERM."""

    exit_code = 130


def refused_here(error: OSError) -> ReconcilerError:
    """The error for a person, where this machine refused something: a file that is gone, a full disk."""
    names = [str(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    place = " to ".join(names) or "the operating system refused something"
    return ReconcilerError(f"{place}: {error.strerror}", hint="put that right and run the command again")
