"""Folders of files in S3, as one resource each: a plan, the record and policies have one line for any number of files.

Whether a file is as wanted is told by one listing of the folder, which says each object's ETag. That is the content's
MD5 for what went up in one piece, unless a KMS key encrypts it. What a listing doesn't prove is asked for by itself,
as `Object` does: files of 16 MiB and more, and all in a bucket with a KMS key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws.calls import TRANSFERS, Aws
from reconciler.aws.clients import CONNECTIONS
from reconciler.config.data_tree import Here
from reconciler.config.file_checksums import as_stored, forget, read_all, sha256_of, told
from reconciler.config.storage import DataFile
from reconciler.core.errors import AwsError
from reconciler.core.needs import ALL, Needs
from reconciler.core.spec import Changes, Local, Observed, Spec
from reconciler.kinds.base import PRINTABLE, Kind
from reconciler.kinds.s3_object import GONE, UPLOAD, Object, ObjectSpec, Progress, changed_meanwhile, check_unchanged
from reconciler.kinds.s3_versions import delete_versions

SMALL = 1024 * 1024  # bytes
# Bytes of small files that are under way at a time: as many as a gigabit a second carries in 50 ms. More requests than
# these need, or than there are connections, are no faster, and cost who answers them.
UNDER_WAY = 6 * 2**20
OTHER_CONTENT = "BadDigest"  # how S3 refuses what the checksum isn't of


class FolderSpec(Spec):
    """The files below a prefix, named BUCKET/PREFIX/."""

    kind: ClassVar[str] = "folder"
    data: ClassVar[bool] = True
    part_of: ClassVar[str] = "bucket"
    marked: ClassVar[bool] = False  # its objects are; one listing doesn't say so

    tags: Annotated[dict[str, str], Local()] = Field({})
    files: dict[str, str] = Field({})  # SHA-256 of each, by its key after the prefix
    size: int = 0  # bytes, of all of them
    paths: Annotated[dict[str, str], Local()] = Field({})  # the file here, by its key after the prefix
    others: Annotated[tuple[str, ...], Local()] = ()  # keys after the prefix that are there and aren't in `files`

    @property
    def place(self) -> dict[str, str]:
        """Bucket and Prefix, as the API takes them."""
        bucket, _, prefix = self.name.partition("/")
        return {"Bucket": bucket, "Prefix": prefix}

    @property
    def first_key(self) -> str:
        """The key of its first file, in the order in which S3 lists them."""
        return self.place["Prefix"] + min(self.files, key=str.encode, default="")

    @property
    def content(self) -> str:
        """One hash of all names and contents."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def object(self, key: str) -> ObjectSpec:
        """One of its files, as an object. key: what comes after the prefix."""
        path = self.paths.get(key, "")
        sha256 = self.files.get(key, "")
        return ObjectSpec(name=self.name + key, sha256=sha256, size=_size(path), file=path, tags=self.tags)


def folder_of(name: str, data: DataFile, files: Sequence[Here], tags: Mapping[str, str]) -> FolderSpec:
    """A folder with the files of this machine, read as far as they aren't known. Raises OSError."""
    paths = {file.key.removeprefix(data.prefix): file.path for file in files}
    return FolderSpec(
        name=name,
        files={key: sha256_of(path) for key, path in paths.items()},
        size=sum(path.stat().st_size for path in paths.values()),
        paths={key: str(path) for key, path in paths.items()},
        tags=dict(tags),
    )


class Folder(Kind[FolderSpec]):
    """Reads and uploads folders. progress is told (name, bytes sent since, bytes in all)."""

    spec: ClassVar[type[Spec]] = FolderSpec
    needs: ClassVar[Needs] = Needs(
        create=UPLOAD, delete=("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
        fields={"files": UPLOAD, "size": UPLOAD}, read=("s3:ListBucket", "s3:GetObject"), on=("s3:{name}*",),
        elsewhere={"s3:ListBucket": ("s3:{holder}",), "s3:ListBucketVersions": ("s3:{holder}",)}, pushed=ALL,
        unseen={
            "s3:AbortMultipartUpload": "asked when an upload in parts is given up",
            "s3:GetObject": "asked by `Object`, of what a listing doesn't prove",
        },
    )  # fmt: skip
    # Each file goes with its checksum, by which S3 refuses another content, and S3 shows at once what was written:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
    proved: ClassVar[bool] = True
    pattern: ClassVar[str] = rf"[A-Za-z0-9][A-Za-z0-9._-]{{2,62}}/{PRINTABLE}{{1,1023}}/"

    def __init__(self, progress: Progress = lambda name, sent, size: None) -> None:
        self.progress = progress

    def read(self, aws: Aws, want: FolderSpec) -> Observed[FolderSpec] | None:
        """One listing, and a read of each file that it doesn't prove."""
        if not want.name.endswith("/"):
            return None
        listed = aws.find_all("s3", "ListObjectsV2", "Contents", **want.place) or []
        start = len(want.place["Prefix"])
        entries = {
            entry["Key"][start:]: entry for entry in listed if not entry["Key"].endswith("/")
        }  # a console's folder
        wanted_entries = {key: entry for key, entry in entries.items() if key in want.files}
        others = tuple(sorted(entries.keys() - wanted_entries.keys()))
        if not wanted_entries and (want.files or not others):
            return None
        provable = [key for key, entry in wanted_entries.items() if _may_prove(entry, want.paths.get(key, ""))]
        read_all([Path(want.paths[key]) for key in provable], as_stored)
        proved = {key for key in provable if wanted_entries[key]["ETag"].strip('"') == as_stored(want.paths[key])}
        unproved = [key for key in wanted_entries if key not in proved]
        heads = dict(zip(unproved, aws.each(lambda key: self._head(aws, want, key), unproved), strict=True))
        files = {key: heads.get(key, want.files[key]) for key in wanted_entries}
        spec = FolderSpec(
            name=want.name,
            files={key: value for key, value in files.items() if value is not None},
            size=sum(entry["Size"] for entry in wanted_entries.values()),
            paths=want.paths,
            others=others,
        )
        return Observed(spec)

    def _head(self, aws: Aws, want: FolderSpec, key: str) -> str | None:
        observed = Object().read(aws, want.object(key))
        return observed.spec.sha256 if observed else None

    def create(self, aws: Aws, want: FolderSpec) -> None:
        """Upload all files, several at a time."""
        self._upload(aws, want, want.files)

    def update(self, aws: Aws, want: FolderSpec, seen: Observed[FolderSpec], changes: Changes) -> None:
        """Upload what isn't there with this content."""
        stored = seen.spec.files
        self._upload(aws, want, {key: sha for key, sha in want.files.items() if stored.get(key) != sha})

    def delete(self, aws: Aws, seen: Observed[FolderSpec]) -> None:
        """Delete its files, in a versioned bucket with all their versions; what else is there stays."""
        bucket, prefix = seen.spec.place["Bucket"], seen.spec.place["Prefix"]
        delete_versions(aws, bucket, prefix, lambda key: key[len(prefix) :] in seen.spec.files, seen.spec.name)

    def _upload(self, aws: Aws, want: FolderSpec, files: Mapping[str, str]) -> None:
        objects = [want.object(key) for key in files]
        total = sum(spec.size for spec in objects)
        kind = _File(lambda name, sent, size: self.progress(want.name, sent, total))
        aws.each(lambda spec: kind.create(aws, spec), objects, at_once=_at_once(objects))


class _File(Object):
    """A file of very many: a small one is sent by one call, since boto3's transfer manager starts threads for each."""

    def create(self, aws: Aws, want: ObjectSpec) -> None:
        """Upload it. To send the same twice, where an answer is lost, does no harm."""
        if want.size >= SMALL:
            super().create(aws, want)
            return
        aws.check_interrupted()
        check_unchanged(want)
        try:
            content = Path(want.file).read_bytes()
            answer = aws.put_object(**want.place, Body=content, Metadata=want.metadata, ChecksumSHA256=want.checksum)
        except GONE:
            raise changed_meanwhile(want) from None
        except AwsError as error:
            if error.code == OTHER_CONTENT:  # it changed within a tick of the file system's clock, or on its way
                forget([Path(want.file)])
                check_unchanged(want)
            raise
        with contextlib.suppress(*GONE):
            told(want.file, want.sha256, answer["ETag"].strip('"'))
        self.progress(want.name, len(content), want.size)


def _size(path: str) -> int:
    """Bytes of a file; 0 for none, as for one that is gone since it was planned."""
    try:
        return Path(path).stat().st_size if path else 0
    except GONE:
        return 0


def _at_once(objects: Sequence[ObjectSpec]) -> int:
    """How many files are uploaded at the same time."""
    small = sum(min(spec.size, SMALL) for spec in objects)
    return max(TRANSFERS, min(CONNECTIONS, UNDER_WAY * len(objects) // max(small, 1)))


def _may_prove(listed: Mapping[str, Any], path: str) -> bool:
    """Whether a listing's line can say that the object is this file."""
    return bool(path and "-" not in listed["ETag"] and listed["Size"] == _size(path))
