"""The checkpoint of a run: what an attempt left for the next, in the bucket below `runs/RUN/checkpoint`.

The program writes it and reads it. We look at it before another attempt, remove it once the run has succeeded, and mark
what an unsuccessful run left, so that the bucket's lifecycle rule removes that: such a rule has no `*` in its prefix,
and `runs/` holds records too. It needs nothing but Python's own library: the function of the schedule does it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.core.pages import pages
from reconciler.core.run_paths import CHECKPOINT_MARK, checkpoint_prefix

LONGEST = 200  # characters of a name that are shown


@dataclass(frozen=True)
class Checkpoint:
    """What there was when an attempt was launched. bytes: of all files; newest: the path of the file that was written
    last, below the checkpoint's; written: when, in seconds since the epoch.
    """

    files: int
    bytes: int
    newest: str = ""
    written: float | None = None

    @property
    def text(self) -> str:
        """For people: from where the attempt went on."""
        if not self.files:
            return "started from the beginning: there was no checkpoint"
        size = f"{self.bytes / 2**20:,.1f} MiB" if self.bytes >= 2**20 else f"{self.bytes:,} bytes"
        moment = datetime.fromtimestamp(self.written or 0.0, UTC)
        newest = f", the newest {self.newest[:LONGEST]}" if self.newest else ""
        files = f"{self.files:,} file{'s'[: self.files != 1]}"
        return f"continued from the checkpoint of {moment:%Y-%m-%d %H:%M:%S} UTC ({files}, {size}{newest})"


def variables(output: str, attempt: int) -> dict[str, str]:
    """What the program is told of it. output: the run's, beside which it is; attempt: its number."""
    return {"CHECKPOINT_URI": f"{output.rpartition('/')[0]}/checkpoint", "RUN_ATTEMPT": str(attempt)}


def look(calls: Any, bucket: str, run_id: str) -> Checkpoint:
    """What the checkpoint holds now. calls: as in `reconciler/run/stored.py`, and whatever they raise."""
    objects = [
        s3_object
        for page in _pages(calls, "ListObjectsV2", bucket, run_id)
        for s3_object in _entries(run_id, page, "Contents")
    ]
    if not objects:
        return Checkpoint(0, 0)
    newest = max(objects, key=lambda s3_object: (s3_object["LastModified"], s3_object["Key"]))  # S3 tells seconds
    path = newest["Key"].removeprefix(checkpoint_prefix(run_id)).lstrip("/")
    return Checkpoint(
        len(objects), sum(s3_object["Size"] for s3_object in objects), path, newest["LastModified"].timestamp()
    )


def remove(calls: Any, bucket: str, run_id: str) -> list[str]:
    """Remove the checkpoint with all its versions. Returns what S3 says of those that stay."""
    why: list[str] = []
    for page in _pages(calls, "ListObjectVersions", bucket, run_id):
        why += _delete(calls, bucket, [*_entries(run_id, page, "Versions"), *_entries(run_id, page, "DeleteMarkers")])
    return why


def leave(calls: Any, bucket: str, run_id: str) -> list[str]:
    """Mark what there is, so that the lifecycle rule removes it, and remove what was overwritten. Returns
    what S3 says of versions that can't be removed.
    """
    why: list[str] = []
    key, value = CHECKPOINT_MARK
    for page in _pages(calls, "ListObjectVersions", bucket, run_id):
        versions, markers = _entries(run_id, page, "Versions"), _entries(run_id, page, "DeleteMarkers")
        why += _delete(calls, bucket, [version for version in versions if not version["IsLatest"]] + markers)
        for version in versions:
            if version["IsLatest"]:
                tags = {"TagSet": [{"Key": key, "Value": value}]}
                calls.find("s3", "PutObjectTagging", Bucket=bucket, Key=version["Key"], Tagging=tags)
    return why


def _pages(calls: Any, operation: str, bucket: str, run_id: str) -> Iterator[Mapping[str, Any]]:
    """The pages of a listing; none where there is no bucket."""
    marks = {"ContinuationToken": "NextContinuationToken"}
    if operation == "ListObjectVersions":
        marks = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
    params = {"Bucket": bucket, "Prefix": checkpoint_prefix(run_id)}
    return pages(lambda continuation: calls.find("s3", operation, **params, **continuation), marks)


def _entries(run_id: str, page: Mapping[str, Any], part: str) -> list[Any]:
    """What is the checkpoint's: the object of that name, and all below it."""
    prefix = checkpoint_prefix(run_id)
    return [entry for entry in page.get(part) or () if entry["Key"] == prefix or entry["Key"].startswith(f"{prefix}/")]


def _delete(calls: Any, bucket: str, versions: list[Any]) -> list[str]:
    if not versions:
        return []
    keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
    answer = calls.call("s3", "DeleteObjects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    return [f"{failure['Key']} ({failure.get('Code')})" for failure in answer.get("Errors") or ()]
