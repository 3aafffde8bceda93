"""S3 objects uploaded from files: skipped when the content is the same, replaced when it differs.

An object is compared by what S3 itself says of its content: its SHA-256, of what went up in parts the SHA-256 of the
parts' SHA-256, or its ETag where that is the MD5. The content's SHA-256 is kept with the object as metadata too, for
objects without a file here; it proves nothing, since whoever writes the object over can keep it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws.calls import Aws
from reconciler.config.file_checksums import PART, as_known, as_stored, part_digests, sha256_of
from reconciler.core.errors import UserError
from reconciler.core.needs import ALL, Needs
from reconciler.core.run_paths import RUNS
from reconciler.core.spec import OWNER_TAG, Changes, Local, Observed, Spec
from reconciler.kinds.base import PRINTABLE, Kind
from reconciler.kinds.s3_versions import delete_versions

SHA256 = "sha256"  # metadata: the content's checksum
OWNER = "reconciler-deploy"  # metadata: whose it is; an object's tags would cost a read of their own
Progress = Callable[[str, int, int], None]
GONE = (FileNotFoundError, NotADirectoryError)  # of a file that was there
UPLOAD = ("s3:PutObject", "s3:AbortMultipartUpload")


class ObjectSpec(Spec):
    """An object, named BUCKET/KEY."""

    kind: ClassVar[str] = "object"
    data: ClassVar[bool] = True
    volatile: ClassVar[frozenset[str]] = frozenset({"version"})
    part_of: ClassVar[str] = "bucket"

    # To be ours it needs no tag, being part of a bucket; giving one would mean to upload it again.
    tags: Annotated[dict[str, str], Local()] = Field({})
    sha256: str = ""
    size: int = 0  # bytes
    file: Annotated[str, Local()] = ""

    @property
    def place(self) -> dict[str, str]:
        """Bucket and Key, as the API takes them."""
        bucket, _, key = self.name.partition("/")
        return {"Bucket": bucket, "Key": key}

    @property
    def metadata(self) -> dict[str, str]:
        """What is kept with it, to know it again."""
        return {SHA256: self.sha256, OWNER: self.tags.get(OWNER_TAG, "")}

    @property
    def checksum(self) -> str:
        """Its SHA-256 as the API takes it: what isn't of this content is refused by S3."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()

    @property
    def first_key(self) -> str:
        """Its key: of a folder it is the first file's."""
        return self.place["Key"]

    @property
    def content(self) -> str:
        """The hash of its content."""
        return self.sha256


class Object(Kind[ObjectSpec]):
    """Reads and uploads objects. progress is told (name, bytes sent since, bytes in all)."""

    spec: ClassVar[type[Spec]] = ObjectSpec
    needs: ClassVar[Needs] = Needs(
        create=UPLOAD, delete=("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
        fields={"sha256": UPLOAD, "tags": UPLOAD}, read=("s3:GetObject",), on=("s3:{name}",),
        elsewhere={"s3:ListBucketVersions": ("s3:{holder}",)}, pushed=ALL, listing=("s3:ListBucket",),
        unseen={"s3:AbortMultipartUpload": "asked when an upload in parts is given up"},
    )  # fmt: skip
    pattern: ClassVar[str] = rf"[A-Za-z0-9][A-Za-z0-9._-]{{2,62}}/{PRINTABLE}{{1,1024}}"

    def __init__(self, progress: Progress = lambda name, sent, size: None) -> None:
        self.progress = progress

    def read(self, aws: Aws, want: ObjectSpec) -> Observed[ObjectSpec] | None:
        """The object as it is in AWS, in one read."""
        head = aws.find("s3", "HeadObject", **want.place, ChecksumMode="ENABLED")
        if head is None:
            return None
        metadata = head.get("Metadata", {})
        owner = {OWNER_TAG: metadata[OWNER]} if OWNER in metadata else {}
        spec = ObjectSpec(
            name=want.name, sha256=checksum(head, want), size=head["ContentLength"], file=want.file, tags=owner
        )
        return Observed(spec, {"version": head["VersionId"]} if head.get("VersionId") else {})

    def create(self, aws: Aws, want: ObjectSpec) -> None:
        """Upload the file, in parts when it is big. The file must still be what the plan saw."""
        from boto3.s3.transfer import TransferConfig

        check_unchanged(want)

        def still() -> None:
            if not as_known(want.file):
                raise changed_meanwhile(want)

        # What goes as a whole goes with the checksum of the plan, as parts do with theirs: S3 refuses another content.
        whole = {"ChecksumSHA256": want.checksum}
        aws.before_write()
        aws.transfer(
            "upload_file",
            Filename=want.file,
            **want.place,
            ExtraArgs={"Metadata": want.metadata, **(whole if want.size < PART else {"ChecksumAlgorithm": "SHA256"})},
            moved=lambda sent: self.progress(want.name, sent, want.size),
            still=still,
            Digests=part_digests(want.file),
            # boto3's other client, CRT, which it takes on some machines, asks neither the lock nor for our checksums.
            Config=TransferConfig(
                multipart_threshold=PART,
                multipart_chunksize=PART,
                max_concurrency=4,
                preferred_transfer_client="classic",
            ),
        )

    def update(self, aws: Aws, want: ObjectSpec, seen: Observed[ObjectSpec], changes: Changes) -> None:
        """Upload again; in a versioned bucket the old content stays as a version."""
        self.create(aws, want)

    def delete(self, aws: Aws, seen: Observed[ObjectSpec]) -> None:
        """Delete it, in a versioned bucket with all its versions."""
        bucket, key = seen.spec.place["Bucket"], seen.spec.place["Key"]
        delete_versions(aws, bucket, key, lambda listed: listed == key, seen.spec.name)

    def inside(self, aws: Aws, holder: str) -> Iterable[str]:
        """Objects in a bucket. What runs wrote belongs to the runs, not to the plan."""
        for entry in aws.pages("s3", "ListObjectsV2", "Contents", Bucket=holder):
            if not entry["Key"].startswith(f"{RUNS}/"):
                yield f"{holder}/{entry['Key']}"


def check_unchanged(want: ObjectSpec) -> None:
    """Look whether the file is still what the plan saw; it is read only where it isn't known. Raises UserError."""
    try:
        unchanged = sha256_of(want.file) == want.sha256
    except GONE:
        unchanged = False
    if not unchanged:
        raise changed_meanwhile(want)


def changed_meanwhile(want: ObjectSpec) -> UserError:
    """The file isn't any more what the plan saw."""
    return UserError(f"{Path(want.file).name} changed while it was being deployed", hint="run the command again")


def checksum(head: Mapping[str, Any], want: ObjectSpec) -> str:
    """The SHA-256 of an object's content, or a text that is none where S3 doesn't tell. head: HeadObject's answer."""
    etag = head["ETag"].strip('"')
    stored = head.get("ChecksumSHA256", "")
    if stored and "-" not in etag:  # of an object uploaded in parts it is a checksum of the parts' checksums
        return base64.b64decode(stored).hex()
    if not want.file:
        return str(head.get("Metadata", {}).get(SHA256) or f"unknown (ETag {etag})")
    actual = base64.b64decode(stored.partition("-")[0]).hex() if stored else etag
    if head["ContentLength"] == want.size and actual == as_stored(want.file):
        return want.sha256
    return f"unknown (ETag {etag})"
