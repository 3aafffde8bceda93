"""Data that is in S3 already and isn't the deploy's: where it is, and what its listing says. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

SCHEME = "s3://"
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")  # storage classes whose objects can't be read as they are

OWN_BUCKET = "it is in the deploy's own bucket, which `destroy --delete-data` deletes with all that is in it"
OTHER_BUCKET = "put the data into a bucket of its own, or name another for the deploy under data.bucket.name"


class Place(NamedTuple):
    """A place in S3. path: an object's key, or what the keys of a folder begin with, with its slash; empty for all."""

    bucket: str
    path: str

    @property
    def uri(self) -> str:
        """As it is written."""
        return f"{SCHEME}{self.bucket}/{self.path}"

    @property
    def is_folder(self) -> bool:
        """Whether it names all that begins so."""
        return self.path == "" or self.path.endswith("/")

    @property
    def paths(self) -> tuple[str, ...]:
        """What may be read of it, as paths of policies. Without a slash at its end it is an object or a folder."""
        return (f"{self.path}*",) if self.is_folder else (self.path, f"{self.path}/*")

    def arns(self, partition: str) -> tuple[str, list[str]]:
        """Of its bucket, and of what may be read of it."""
        bucket = f"arn:{partition}:s3:::{self.bucket}"
        return bucket, [f"{bucket}/{path}" for path in self.paths]

    @property
    def prefixes(self) -> dict[str, dict[str, list[str]]]:
        """The condition under which its bucket is listed; none for all of a bucket."""
        return {"StringLike": {"s3:prefix": list(self.paths)}} if self.path else {}


def place_of(uri: str) -> Place:
    """The place that an S3 URI names."""
    bucket, _, path = uri.removeprefix(SCHEME).partition("/")
    return Place(bucket, path)


@dataclass(frozen=True)
class GivenData:
    """What was found. place: an object, or a folder with its slash.

    size: bytes. newest: when it was changed last. content: a hash of its keys, sizes and ETags; empty for what wasn't
    looked at. trouble, fix: why it can't be used, and what to do.
    """

    place: Place
    first_key: str = ""
    objects: int = 0
    size: int = 0
    newest: datetime | None = None
    content: str = ""
    trouble: str = ""
    fix: str = ""

    @property
    def text(self) -> str:
        """What was found, for people."""
        newest = f", the newest of {self.newest:%Y-%m-%d %H:%M} UTC" if self.newest else ""
        return f"{self.objects:,} object{'' if self.objects == 1 else 's'}, {self.size:,} bytes{newest}"


@dataclass
class Listing:
    """Objects of a listing, in the order of their keys, as they are added."""

    place: Place
    first_key: str = ""
    objects: int = 0
    size: int = 0
    newest: datetime | None = None
    archived: str = ""  # a key that can't be read as it is
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an object, as a listing of objects or of versions has it. A folder of the console's is none."""
        key = str(entry["Key"])
        if key.endswith("/"):
            return
        size = int(entry["Size"])
        line = [key.removeprefix(self.place.path), size, str(entry["ETag"])]
        self._hash.update(json.dumps(line).encode() + b"\n")
        self.first_key = self.first_key or key
        self.objects += 1
        self.size += size
        last_modified = entry["LastModified"]
        self.newest = max(self.newest or last_modified, last_modified)
        if entry.get("StorageClass") in ARCHIVES and "RestoreExpiryDate" not in entry.get("RestoreStatus", {}):
            self.archived = self.archived or key

    @property
    def content(self) -> str:
        """The hash of all, as 64 hex digits: of the ETags it has what tells an object's content from another's."""
        return str(self._hash.hexdigest())

    def data(self) -> GivenData:
        """What was found so."""
        newest = self.newest.astimezone(UTC) if self.newest else None
        return GivenData(self.place, self.first_key, self.objects, self.size, newest, self.content)
