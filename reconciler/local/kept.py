"""What outlives the embedded AWS's process: the buckets with every version of their objects, and the logs.

That is what nobody can make again: runs, their results and lines, and data. All else is made from deploy.yaml by the
next `apply`. Each bucket, version, log group and log stream is a file, of one line of JSON and what is in it; its name
is a number, so that no name of an object is ever a path. Nothing is read from it but JSON and bytes.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow
from moto.logs.models import LogEvent, LogGroup, LogStream, logs_backends
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend, s3_backends

from reconciler.local.seal import FILES, KEEP, KEPT

PART = ".part"
SETTLED = datetime.timedelta(seconds=5)  # a log that grows isn't written again and again
# Of an object, as moto calls them: what it is made with, and what is set afterwards.
MADE_WITH = (
    "etag", "is_versioned", "version_id", "storage", "encryption", "kms_key_id", "bucket_key_enabled",
    "checksum_value", "checksum_type", "checksum_parts",
)  # fmt: skip
PRIVATE = {"etag": "_etag", "is_versioned": "_is_versioned", "version_id": "_version_id", "storage": "_storage_class"}
Head = Mapping[str, Any]  # one thing without its content, as JSON has it
Body = Callable[[], bytes]


class Kept:
    """The folder, and which file has what. With RECONCILER_LOCAL_KEEP=0 it is neither read nor written."""

    def __init__(self, home: Path) -> None:
        self._folder = home / KEPT
        self._files: dict[str, str] = {}  # by the head, as it is written
        self._last = 0
        self._on = os.environ.get(KEEP) != "0"

    def load(self, account_id: str) -> None:
        """Put into moto what is there. What can't be read is told, and left out."""
        found: list[tuple[Head, bytes]] = []
        for path in sorted(self._folder.glob(FILES)) if self._on else ():
            try:
                if path.suffix == PART:
                    path.unlink()  # it was being written when the process ended
                    continue
                self._last = max(self._last, int(path.name))
                head, body = _read(path)
                found.append((head, body))
                self._files[_line(head)] = path.name
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                _tell(f"{path} is left out: {error}")
        for kind, put in PUT.items():
            for head, body in sorted((one for one in found if one[0]["kind"] == kind), key=lambda one: one[0]["at"]):
                try:
                    put(account_id, head, body)
                except Exception as error:  # whatever is in a file that something else has written
                    _tell(f"{kind} {head.get('name')} is left out: {type(error).__name__}: {error}")

    def save(self, account_id: str, *, last: bool = False) -> None:
        """Write what has come, and remove what has gone. last: the process ends, so that no log is still growing."""
        if not self._on:
            return
        try:
            files = {}
            for head, body in [*_buckets(account_id), *_logs(account_id, utcnow() if last else utcnow() - SETTLED)]:
                line = _line(head)
                files[line] = self._files.get(line) or self._write(line, body)
            for name in set(self._files.values()) - set(files.values()):
                (self._folder / name).unlink(missing_ok=True)
            self._files = files
        except OSError as error:
            _tell(f"what is in it can't be kept: {error}")

    def forget(self) -> None:
        """Nothing of it is there any more."""
        self._files = {}
        if self._on:
            for path in self._folder.glob(FILES):
                path.unlink(missing_ok=True)

    def _write(self, line: str, body: Body) -> str:
        self._last += 1
        path = self._folder / f"{self._last:09d}"
        part = path.with_suffix(PART)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            content = body()
            file.write(f"{line}\n{len(content)}\n".encode())
            file.write(content)
        part.replace(path)
        return path.name


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the server's log


def _line(head: Head) -> str:
    return json.dumps(head, sort_keys=True)


def _read(path: Path) -> tuple[Head, bytes]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        head, size = json.loads(file.readline()), int(file.readline())
        body = file.read()
    if len(body) != size or head["kind"] not in PUT or not isinstance(head["at"], str):
        raise ValueError("it isn't whole")
    return head, body


def _buckets(account_id: str) -> Iterator[tuple[Head, Body]]:
    for backend in list(s3_backends[account_id].values()):
        for bucket in list(backend.buckets.values()):
            yield {
                "kind": "bucket", "at": bucket.creation_date.isoformat(), "name": bucket.name,
                "partition": backend.partition, "region": bucket.region_name, "versioning": bucket.versioning_status,
                "tags": backend.tagger.get_tag_dict_for_resource(bucket.arn),
            }, bytes  # fmt: skip
            for versions in list(dict.values(bucket.keys)):
                yield from (_version(backend, bucket, version) for version in list(versions))


def _version(backend: S3Backend, bucket: FakeBucket, version: Any) -> tuple[Head, Body]:
    head = {
        "kind": "object", "at": version.last_modified.isoformat(), "name": version.name, "bucket": bucket.name,
        "partition": backend.partition, "version_id": version.version_id,
    }  # fmt: skip
    if isinstance(version, FakeDeleteMarker):
        return head | {"deleted": True}, bytes
    _ = version.etag  # it is reckoned when it is asked for
    return head | {
        "made": {name: getattr(version, PRIVATE.get(name, name)) for name in MADE_WITH},
        "metadata": dict(version.metadata),
        "checksum_algorithm": version.checksum_algorithm,
        "tags": backend.tagger.get_tag_dict_for_resource(version.arn),
    }, lambda: bytes(version.value)


def _put_bucket(account_id: str, head: Head, _: bytes) -> None:
    backend = s3_backends[account_id][head["partition"]]
    bucket = backend.create_bucket(head["name"], head["region"])
    bucket.creation_date = datetime.datetime.fromisoformat(head["at"])
    bucket.versioning_status = head["versioning"]
    backend.put_bucket_tagging(head["name"], head["tags"])


def _put_object(account_id: str, head: Head, body: bytes) -> None:
    backend = s3_backends[account_id][head["partition"]]
    bucket = backend.buckets[head["bucket"]]
    made: Mapping[str, Any] = head.get("made", {})
    with_: dict[str, Any] = {name: made.get(name) for name in MADE_WITH}
    key = FakeKey(head["name"], body, account_id, bucket.region_name, bucket_name=bucket.name, **with_)
    version: Any = key
    if head.get("deleted"):
        version = FakeDeleteMarker(key)
        version._version_id = head["version_id"]
    else:
        key.set_metadata(dict(head["metadata"]), replace=False)
        key.checksum_algorithm = head["checksum_algorithm"]
        backend.tagger.tag_resource(key.arn, [{"Key": name, "Value": value} for name, value in head["tags"].items()])
    version.last_modified = datetime.datetime.fromisoformat(head["at"])
    bucket.keys.setlist(key.name, [*bucket.keys.getlist(key.name, []), version])


def _logs(account_id: str, until: datetime.datetime) -> Iterator[tuple[Head, Body]]:
    for region, backend in list(logs_backends[account_id].items()):
        for group in list(backend.groups.values()):
            at = group.creation_time.isoformat()
            yield {
                "kind": "log-group", "at": at, "name": group.name, "region": region,
                "retention": group.retention_in_days, "tags": backend.list_tags_for_resource(group.arn),
            }, bytes  # fmt: skip
            for stream in list(group.streams.values()):
                if stream.last_ingestion_time is None or stream.last_ingestion_time <= until:
                    yield _stream(group, stream)


def _stream(group: LogGroup, stream: LogStream) -> tuple[Head, Body]:
    events = list(stream.events)
    return {
        "kind": "log-stream", "at": stream.creation_time.isoformat(), "name": stream.log_stream_name,
        "group": group.name, "region": group.region, "lines": len(events),
        "last": stream.last_ingestion_time and stream.last_ingestion_time.isoformat(),
    }, lambda: json.dumps([(one.timestamp, one.ingestion_time, one.message) for one in events]).encode()  # fmt: skip


def _put_group(account_id: str, head: Head, _: bytes) -> None:
    group = logs_backends[account_id][head["region"]].create_log_group(head["name"], head["tags"])
    group.creation_time = datetime.datetime.fromisoformat(head["at"])
    group.retention_in_days = head["retention"]


def _put_stream(account_id: str, head: Head, body: bytes) -> None:
    group = logs_backends[account_id][head["region"]].groups[head["group"]]
    group.create_log_stream(head["name"])
    stream = group.streams[head["name"]]
    stream.events = [LogEvent(came, {"timestamp": at, "message": text}) for at, came, text in json.loads(body)]
    stream.creation_time = datetime.datetime.fromisoformat(head["at"])
    stream.last_ingestion_time = datetime.datetime.fromisoformat(head["last"]) if head["last"] else None
    stream.stored_bytes = sum(len(one.message) for one in stream.events)


PUT: dict[str, Callable[[str, Head, bytes], None]] = {
    "bucket": _put_bucket, "object": _put_object, "log-group": _put_group, "log-stream": _put_stream,
}  # fmt: skip
