"""The data of an earlier run, in the versions that the bucket keeps.

What a record tells is the SHA-256 of each file's content, and of a folder one hash of all. So a version is found by its
content; the time of the launch only says where to look first, and all of a folder that was there then is looked at.
What isn't the newest is copied below the new run's own prefix, for a program that knows nothing of versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied, Gone, UserError
from reconciler.core.given_data import SCHEME, Listing, place_of
from reconciler.core.run_paths import input_prefix
from reconciler.kinds import FolderSpec, ObjectSpec
from reconciler.kinds.s3_object import OWNER, checksum
from reconciler.lower.given_data import read_place
from reconciler.run.run import Run

TRIED = 100  # versions of a file that are looked at
FILES = 10_000  # of a folder
VERSIONS = 20 * FILES  # of all that a place had and has
MOMENTS = 4  # seconds back from the launch at which a folder is looked at
PIECE = 2**30  # bytes of a part, where an object is copied in parts
WHOLE = 5 * 2**30  # bytes that one CopyObject takes
UNSAID = "the record doesn't say what its data was"


@dataclass(frozen=True)
class Version:
    """One object in one version. newest: whether that is what a reader of the key gets."""

    key: str
    version: str
    size: int
    newest: bool


@dataclass(frozen=True)
class OldData:
    """One of the run's data: a key, a folder's prefix with a slash, or the URI of either in another bucket.

    moved: it isn't what is there now. bucket: the other one.
    """

    key: str
    versions: tuple[Version, ...]
    moved: bool
    bucket: str = ""

    @property
    def path(self) -> str:
        """The key or prefix in the bucket that has it."""
        return place_of(self.key).path if self.bucket else self.key

    def copied(self, run_id: str) -> str:
        """What the keys of its copies begin with."""
        return input_prefix(run_id) + (f"{self.bucket}/" if self.bucket else "")

    @property
    def text(self) -> str:
        """For people: as which version it is taken."""
        if not self.moved:
            return f"{self.key}: as it is"
        if self.key.endswith("/"):
            return f"{self.key}: {len(self.versions):,} files as they were then"
        return f"{self.key}: version {self.versions[0].version}"


@dataclass(frozen=True)
class _Place:
    aws: Aws
    bucket: str
    deploy: str
    run: Run

    @property
    def launched(self) -> datetime:
        """When its first attempt was. S3 tells seconds, and the clock that wrote the record may have been another."""
        first = self.run.attempts[0].launched if self.run.attempts else self.run.created
        return datetime.fromtimestamp(int(first) + 1, UTC)

    def is_later(self, version: Mapping[str, Any]) -> bool:
        """Whether a version came after the launch."""
        return bool(version["LastModified"] > self.launched)


def old_data(aws: Aws, bucket: str, deploy: str, run: Run, keys: Iterable[str]) -> tuple[list[OldData], str]:
    """What a run's data was, and what isn't sure about it.

    keys: those that the program is given, for a run whose record doesn't tell. Raises UserError for what is gone.
    """
    place, recorded = _Place(aws, bucket, deploy, run), run.inputs.get("data")
    sure = isinstance(recorded, dict) and all(isinstance(content, str) for content in recorded.values())
    contents: dict[str, str] = dict(recorded) if sure and isinstance(recorded, dict) else dict.fromkeys(keys, "")

    def look(key: str, content: str) -> OldData:
        if key.startswith(SCHEME):
            return _given_data(place, key, content)
        return (_folder if key.endswith("/") else _file)(place, key, content)

    data = aws.each(lambda item: look(*item), sorted(contents.items()))
    return data, "" if sure or not contents else f"{UNSAID}: what the bucket had at its launch is taken"


def _given_data(place: _Place, uri: str, content: str) -> OldData:
    """Data of a bucket that isn't the deploy's: as it is, or in versions whose ETags are those of then."""
    location = place_of(uri)
    if read_place(place.aws, location).content == content:
        return OldData(uri, (), moved=False, bucket=location.bucket)
    other_place = replace(place, bucket=location.bucket)
    listed, markers = _listed(other_place, uri, location.path, alone=not location.is_folder)
    changes = {entry["LastModified"] for entry in (*listed, *markers) if not place.is_later(entry)}
    for moment in sorted(changes, reverse=True)[:TRIED]:
        entries = _versions_at(listed, markers, moment)
        _check_count(uri, len(entries))
        listing, versions = Listing(location), []
        for key, version in sorted(entries.items(), key=lambda item: item[0].encode()):
            if not key.endswith("/"):
                listing.add(version)
                versions.append(Version(key, version["VersionId"], version["Size"], bool(version["IsLatest"])))
        if listing.content == content:
            return OldData(uri, tuple(versions), moved=True, bucket=location.bucket)
    raise _gone(place, uri, "no versions are there whose ETags are those of then")


def _file(place: _Place, key: str, sha: str) -> OldData:
    params = {"Bucket": place.bucket, "Key": key}
    spec = ObjectSpec(name=f"{place.bucket}/{key}")
    head = place.aws.find("s3", "HeadObject", **params, ChecksumMode="ENABLED") if sha else None
    if head is not None and checksum(head, spec) == sha:
        return OldData(key, (Version(key, head.get("VersionId", ""), head["ContentLength"], newest=True),), moved=False)
    # Of all that begins with the key S3 lists the key itself first, and its newest version.
    listed = place.aws.pages("s3", "ListObjectVersions", "Versions", Bucket=place.bucket, Prefix=key)
    versions = list(takewhile(lambda entry: entry["Key"] == key, listed))
    for entry in sorted(versions, key=place.is_later)[:TRIED]:
        if not sha and place.is_later(entry):
            break
        version = Version(key, entry["VersionId"], entry["Size"], bool(entry["IsLatest"]))
        if not sha or _sha(place, version)[0] == sha:
            return OldData(key, (version,), moved=not version.newest)
    why = f"{len(versions)} versions are there, and none is what it was" if versions else "nothing is there"
    raise _gone(place, key, why)


def _folder(place: _Place, prefix: str, content: str) -> OldData:
    listed, markers = _listed(place, prefix, prefix)
    current_keys = {version["Key"] for version in listed if version["IsLatest"]}
    checksums: dict[Version, tuple[str, bool]] = {}  # what was asked of a version
    for back in range(MOMENTS):  # what came after the launch may be of its second
        entries = _versions_at(listed, markers, place.launched - timedelta(seconds=back))
        files = {key: version for key, version in entries.items() if not key.endswith("/")}
        _check_count(prefix, len(files))
        versions = tuple(
            Version(k, version["VersionId"], version["Size"], bool(version["IsLatest"])) for k, version in files.items()
        )
        unread = [version for version in versions if content and version not in checksums]
        checksums |= zip(unread, place.aws.each(partial(_sha, place), unread), strict=True)
        if not content or _is_content(place, prefix, content, {version: checksums[version] for version in versions}):
            changed = any(not version.newest for version in versions) or current_keys != files.keys()
            return OldData(prefix, versions, moved=changed)
    raise _gone(place, prefix, "the files of then aren't what they were")


def _is_content(place: _Place, prefix: str, content: str, checksums: Mapping[Version, tuple[str, bool]]) -> bool:
    """Whether these versions are what a folder was. checksums: of each the SHA-256, and whether it is ours."""
    for only_uploads in (True, False):  # what others put there isn't in the hash, unless it is the same as ours
        shas = {
            version.key.removeprefix(prefix): sha
            for version, (sha, owner) in checksums.items()
            if owner or not only_uploads
        }
        if FolderSpec(name=f"{place.bucket}/{prefix}", files=shas).content == content:
            return True
    return False


def _versions_at(listed: Sequence[Any], markers: Sequence[Any], moment: datetime) -> dict[str, Any]:
    """The versions that a reader got then, by key."""
    marker_ids = {id(marker) for marker in markers}
    versions: dict[str, Any] = {}
    # S3 lists the newest version of a key first, which counts where two are of one second.
    for entry in sorted([*listed, *markers], key=lambda entry: entry["LastModified"], reverse=True):
        if entry["LastModified"] <= moment:
            versions.setdefault(entry["Key"], entry)
    return {key: version for key, version in sorted(versions.items()) if id(version) not in marker_ids}


def _listed(place: _Place, name: str, prefix: str, *, alone: bool = False) -> tuple[list[Any], list[Any]]:
    """All versions and delete markers, in S3's order. alone: of the object with this key only, which S3 lists first.

    name: how it is named in an error. Raises UserError as soon as there are more than are looked at.
    """
    versions, markers, exists = list[Any](), list[Any](), dict[str, bool]()
    try:
        for page in place.aws.answers("s3", "ListObjectVersions", Bucket=place.bucket, Prefix=prefix):
            page_versions, page_markers = page.get("Versions") or [], page.get("DeleteMarkers") or []
            matching = [
                [entry for entry in part if not alone or entry["Key"] == prefix]
                for part in (page_versions, page_markers)
            ]
            versions += matching[0]
            markers += matching[1]
            for entry in sorted([*matching[0], *matching[1]], key=lambda entry: entry["LastModified"], reverse=True):
                if not place.is_later(entry) and not entry["Key"].endswith("/"):
                    # Of the launch is the newest before it; a marker has no size.
                    exists.setdefault(entry["Key"], "Size" in entry)
            _check_count(name, sum(exists.values()))
            if len(versions) + len(markers) > VERSIONS:
                raise UserError(f"{name} has more than {VERSIONS:,} versions, and no more are looked at")
            if len(matching[0]) + len(matching[1]) < len(page_versions) + len(page_markers):
                break
    except Gone:
        return [], []
    return versions, markers


def _check_count(name: str, count: int) -> None:
    if count > FILES:
        raise UserError(f"{name} had more than {FILES:,} files at the launch, and no more are looked at")


def _sha(place: _Place, version: Version) -> tuple[str, bool]:
    """The SHA-256 of a version's content, and whether the deploy uploaded it."""
    params = {"Bucket": place.bucket, "Key": version.key, "VersionId": version.version}
    try:
        head = place.aws.find("s3", "HeadObject", **params, ChecksumMode="ENABLED")
    except Denied as error:  # whose answer to HEAD has no text, and the call's name doesn't say it
        error.hint = f"allow s3:GetObjectVersion on {version.key} to whoever runs this"
        raise
    if head is None:
        return "", False
    sha = checksum(head, ObjectSpec(name=f"{place.bucket}/{version.key}"))
    return sha, head.get("Metadata", {}).get(OWNER) == place.deploy


def _gone(place: _Place, key: str, why: str) -> UserError:
    hint = "a bucket keeps old versions with data.bucket.versioning, for as long as the noncurrent_days of its rules"
    if key.startswith(SCHEME):
        hint = "its bucket keeps old versions where its owner has switched versioning on, for as long as its rules say"
    return UserError(f"the data of run {place.run.id} is gone: {key} ({why})", hint=hint)


def copy(aws: Aws, bucket: str, run_id: str, data: Iterable[OldData]) -> None:
    """Copy what isn't the newest any more to where the run reads it, in S3 itself. To do it again does no harm."""
    moved = [(old, version) for old in data if old.moved for version in old.versions]
    aws.each(lambda pair: _copy(aws, bucket, pair[0].copied(run_id), pair[0].bucket or bucket, pair[1]), moved)


def _copy(aws: Aws, bucket: str, to: str, home: str, version: Version) -> None:
    # botocore encodes it.
    source = f"{home}/{version.key}" + (f"?versionId={version.version}" if version.version else "")
    target = {"Bucket": bucket, "Key": f"{to}{version.key}"}
    if version.size <= WHOLE:
        aws.call("s3", "CopyObject", **target, CopySource=source, TaggingDirective="REPLACE")
        return
    upload = {**target, "UploadId": aws.call("s3", "CreateMultipartUpload", **target)["UploadId"]}
    parts = []
    try:
        for number, start in enumerate(range(0, version.size, PIECE), 1):
            piece = f"bytes={start}-{min(start + PIECE, version.size) - 1}"
            request = {**upload, "PartNumber": number, "CopySource": source, "CopySourceRange": piece}
            result = aws.call("s3", "UploadPartCopy", **request)["CopyPartResult"]
            parts.append({"PartNumber": number, "ETag": result["ETag"]})
        aws.call("s3", "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
    except BaseException:
        aws.find("s3", "AbortMultipartUpload", **upload)
        raise


def moved_text(text: str, bucket: str, run_id: str, data: Iterable[OldData]) -> tuple[str, str]:
    """A variable's value, or a command's word, with the place of the copy instead of what it names of the data; and the
    key or folder that it names, empty for none. It may be a key, or an S3 URI, alone or behind `NAME=`.
    """
    for start in (0, text.find("=") + 1):
        for old in data:
            uri = f"{SCHEME}{old.bucket or bucket}/"
            is_uri = text.startswith(uri, start)
            if not old.moved or (old.bucket and not is_uri):  # a key alone is one of the deploy's bucket
                continue
            key = text[start + len(uri) if is_uri else start :]
            folder = (not old.path or old.path.endswith("/")) and (key.startswith(old.path) or key == old.path[:-1])
            if folder or key == old.path:
                return f"{text[:start]}{f'{SCHEME}{bucket}/' if is_uri else ''}{old.copied(run_id)}{key}", old.key
    return text, ""


def moved(
    values: Mapping[str, str], bucket: str, run_id: str, data: Sequence[OldData]
) -> tuple[dict[str, str], set[str]]:
    """`moved_text` of each of these values, and the keys and folders that they name. S3_KEY and
    S3_PREFIX are in S3_BUCKET.
    """
    texts = {name: moved_text(value, bucket, run_id, data) for name, value in values.items()}
    home = values.get("S3_BUCKET", bucket)
    for name in values.keys() & {"S3_KEY", "S3_PREFIX"} if home != bucket else ():
        text, key = moved_text(f"{SCHEME}{home}/{values[name]}", bucket, run_id, data)
        if key:
            texts |= {name: (text.removeprefix(f"{SCHEME}{bucket}/"), key), "S3_BUCKET": (bucket, key)}
    return {name: text for name, (text, _) in texts.items()}, {key for _, key in texts.values() if key}
