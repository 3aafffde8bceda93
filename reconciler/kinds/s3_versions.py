"""How objects of S3 are deleted with all their versions, which several kinds do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Gone, ReconcilerError

MOST = 1000  # keys that one DeleteObjects takes


def delete_versions(aws: Aws, bucket: str, prefix: str, is_ours: Callable[[str], bool], place: str) -> None:
    """Delete all versions of the objects below a prefix with keys that are `is_ours`; absent is fine.

    place: what they are, for messages. Raises Interrupted before the next thousand, ReconcilerError for what stays.
    """
    listed: list[dict[str, str]] = []
    with contextlib.suppress(Gone):
        for page in aws.answers("s3", "ListObjectVersions", Bucket=bucket, Prefix=prefix):
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            listed += [{name: v[name] for name in ("Key", "VersionId")} for v in versions if is_ours(v["Key"])]
    for begin in range(0, len(listed), MOST):
        aws.check_interrupted()
        batch = {"Objects": listed[begin : begin + MOST], "Quiet": True}
        check_deleted(aws.find("s3", "DeleteObjects", Bucket=bucket, Delete=batch) or {}, place)


def check_deleted(answer: Mapping[str, Any], place: str, *, most: int = 0) -> None:
    """DeleteObjects answers 200 with a body that says what stays. most: so many may. Raises ReconcilerError."""
    errors: list[Any] = answer.get("Errors") or []
    if len(errors) > most:
        error = errors[0]
        raise ReconcilerError(
            f"objects of {place} stay, such as {error.get('Key')}: {error.get('Code')}: {error.get('Message')}",
            hint="a retention (object lock), MFA delete or a policy may hold them; end that, then run it again",
        )
