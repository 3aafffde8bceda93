"""What outlives the embedded AWS's process: the buckets with every version of their objects, and the logs.

That is what nobody can make again: runs, their results and lines, and data. All else is made from deploy.yaml by the
next `apply`. Each bucket, version, log group and log stream is a file: a line of JSON, a line with the size of what
is in it, a line with its stamp (reconciler/local/seal.py), and what is in it. Its name is a number, so that no name of
an object is ever a path. Nothing is read from it but JSON and bytes.
"""

from __future__ import annotations

import datetime
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from moto.core.utils import utcnow
from moto.logs.models import LogEvent, LogGroup, LogsBackend, LogStream, logs_backends
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend, s3_backends

from reconciler.local.seal import FILES, KEEP, KEPT, Seal, Unsealed, read_seal

PART = ".part"
SETTLED = datetime.timedelta(seconds=5)  # a log that grows isn't written again and again,
WAITS = 60.0  # but after so many seconds it is
DIGITS = 15  # of a file's name: one with more isn't ours
# Of an object, as moto calls them: what it is made with, and what is set afterwards.
MADE_WITH = (
    "etag", "is_versioned", "version_id", "storage", "encryption", "kms_key_id", "bucket_key_enabled",
    "checksum_value", "checksum_type", "checksum_parts",
)  # fmt: skip
NAMED_BY = {
    "bucket": ("partition", "name"), "object": ("partition", "bucket", "name", "version_id"),
    "log-group": ("region", "name"), "log-stream": ("region", "group", "name"),
}  # fmt: skip
PRIVATE = {"etag": "_etag", "is_versioned": "_is_versioned", "version_id": "_version_id", "storage": "_storage_class"}
Head = Mapping[str, Any]  # one thing without its content, as JSON has it
Body = Callable[[], bytes]
Identity = str
Rest = Callable[[], tuple[Head, Body]]  # what is there of a thing beside its names
Put = Callable[[str, Head, bytes], None]


class Kept:
    """The folder, and which file has what. With RECONCILER_LOCAL_KEEP=0 it is neither read nor written, nor without the
    seal that is made before the process starts.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / KEPT
        self._files: dict[Identity, tuple[str, str]] = {}  # the head as it is written, and the file's name
        self._growing: dict[Identity, float] = {}  # since when a log waits to be written
        self._last = 0
        self._lock = threading.Lock()  # `forget` comes from another thread than `save`
        self._seal: Seal | None = None
        try:
            self._seal = read_seal(home) if os.environ.get(KEEP) != "0" else None
        except (OSError, Unsealed) as error:
            _tell(f"nothing is kept: {error}")

    def load(self, account_id: str) -> None:
        """Put into moto what is there. What can't be read is told, left out, and stays where it is."""
        if self._seal is None:
            return
        found: dict[str, dict[Identity, list[tuple[Path, Head]]]] = {kind: {} for kind in PUT}
        for path in sorted(self._folder.glob(FILES), key=lambda path: (len(path.name), path.name)):
            try:
                if path.suffix == PART:
                    path.unlink()  # it was being written when the process ended
                    continue
                self._last = max(self._last, _number(path))
                head = _head(path)
                found[head["kind"]].setdefault(_identity(head), []).append((path, head))
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                _tell(f"{path} is left out: {error}")
        for kind, those in found.items():
            for files in sorted(those.values(), key=lambda files: str(files[-1][1]["at"])):
                self._put(account_id, PUT[kind], self._seal, files)

    def _put(self, account_id: str, put: Put, seal: Seal, files: list[tuple[Path, Head]]) -> None:
        """Put the newest file of one thing that can be; the older ones were to go when the process ended."""
        while files:
            path, head = files.pop()
            try:
                put(account_id, head, _body(path, seal))
            except Exception as error:  # whatever is in a file that something else has written
                _tell(f"{path} is left out: {head['kind']} {head.get('name')}: {type(error).__name__}: {error}")
                continue
            self._files[_identity(head)] = _line(head), path.name
            for older, _ in files:
                self._remove(older.name)
            return

    def save(self, account_id: str, *, last: bool = False) -> None:
        """Write what has come, and remove what has gone. last: the process ends, so that no log is still growing."""
        if self._seal is None:
            return
        with self._lock:
            there = {_identity(named): (named, rest) for named, rest in [*_buckets(account_id), *_logs(account_id)]}
            told = ""
            for identity, (named, rest) in there.items():
                try:
                    self._keep(identity, named, rest, self._seal, last=last)
                except OSError as error:
                    told = told or f"not all of what is in it can be kept: {error}"
            if told:
                _tell(told)
            for identity in self._files.keys() - there.keys():
                self._remove(self._files.pop(identity)[1])
            self._growing = {one: since for one, since in self._growing.items() if one in there}

    def _keep(self, identity: Identity, named: Head, rest: Rest, seal: Seal, *, last: bool) -> None:
        """Write one thing, if it is another than what its file has. Raises OSError."""
        before, name = self._files.get(identity, ("", ""))
        try:
            more, body = rest()
            head = {**named, **more}
            line = _line(head)
            if line == before or not (last or self._is_settled(identity, head)):
                return
            self._files[identity] = line, self._write(line, body(), seal)
        except OSError:
            raise
        except Exception as error:  # it is changed or deleted meanwhile: next time it is written, or gone
            _tell(f"{identity} waits: {type(error).__name__}: {error}")
            return
        self._growing.pop(identity, None)
        if name:
            self._remove(name)

    def _is_settled(self, identity: Identity, head: Head) -> bool:
        """Whether it is to be written now. Only a log grows, and one that never stops is written from time to time."""
        written = head.get("last")
        if not written or datetime.datetime.fromisoformat(written) <= utcnow() - SETTLED:
            return True
        now = time.monotonic()
        return now - self._growing.setdefault(identity, now) >= WAITS

    def forget(self) -> None:
        """Nothing of it is there any more."""
        with self._lock:
            self._files, self._growing = {}, {}
            for path in self._folder.glob(FILES) if self._seal else ():
                self._remove(path.name)

    def _remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            _tell(f"{self._folder / name} can't be removed: {error}")

    def _write(self, line: str, content: bytes, seal: Seal) -> str:
        self._last += 1
        path = self._folder / f"{self._last:09d}"
        part = path.with_suffix(PART)
        part.unlink(missing_ok=True)
        stamp = seal.stamp(path.name, line.encode(), content)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(f"{line}\n{len(content)}\n{stamp}\n".encode())
                file.write(content)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return path.name


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the server's log


def _line(head: Head) -> str:
    return json.dumps(head, sort_keys=True)


def _identity(head: Head) -> Identity:
    """What tells a thing from others. Two files of one identity are that thing at two times."""
    return json.dumps([head["kind"], *(head[name] for name in NAMED_BY[head["kind"]])])


def _number(path: Path) -> int:
    if not (path.name.isdecimal() and path.name.isascii() and len(path.name) <= DIGITS):
        raise ValueError("its name is none of ours")
    return int(path.name)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _head(path: Path) -> Head:
    with _opened(path) as file:
        head: Head = json.loads(file.readline())
    if head["kind"] not in PUT or not isinstance(head["at"], str):
        raise ValueError("it isn't whole")
    return head


def _body(path: Path, seal: Seal) -> bytes:
    """What is in a file. Raises ValueError if it isn't what was written under this name."""
    with _opened(path) as file:
        line, size, stamp, body = file.readline(), int(file.readline()), file.readline(), file.read()
    if len(body) != size:
        raise ValueError("it isn't whole")
    if not hmac.compare_digest(stamp.strip(), seal.stamp(path.name, line.removesuffix(b"\n"), body).encode()):
        raise ValueError("this embedded AWS hasn't written it")
    return body


def _buckets(account_id: str) -> Iterator[tuple[Head, Rest]]:
    for backend in list(s3_backends[account_id].values()):
        for bucket in list(backend.buckets.values()):
            named = {"kind": "bucket", "partition": backend.partition, "name": bucket.name}
            yield named, partial(_bucket, backend, bucket)
            for versions in list(dict.values(bucket.keys)):
                for version in list(versions):
                    named = {
                        "kind": "object", "partition": backend.partition, "bucket": bucket.name,
                        "name": version.name, "version_id": version.version_id,
                    }  # fmt: skip
                    yield named, partial(_version, backend, version)


def _bucket(backend: S3Backend, bucket: FakeBucket) -> tuple[Head, Body]:
    return {
        "at": bucket.creation_date.isoformat(), "region": bucket.region_name, "versioning": bucket.versioning_status,
        "tags": backend.tagger.get_tag_dict_for_resource(bucket.arn),
    }, bytes  # fmt: skip


def _version(backend: S3Backend, version: Any) -> tuple[Head, Body]:
    at = version.last_modified.isoformat()
    if isinstance(version, FakeDeleteMarker):
        return {"at": at, "deleted": True}, bytes
    _ = version.etag  # it is reckoned when it is asked for
    return {
        "at": at,
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


def _logs(account_id: str) -> Iterator[tuple[Head, Rest]]:
    for region, backend in list(logs_backends[account_id].items()):
        for group in list(backend.groups.values()):
            yield {"kind": "log-group", "region": region, "name": group.name}, partial(_group, backend, group)
            for name, stream in list(group.streams.items()):
                yield (
                    {"kind": "log-stream", "region": region, "group": group.name, "name": name},
                    partial(_stream, stream),
                )


def _group(backend: LogsBackend, group: LogGroup) -> tuple[Head, Body]:
    return {
        "at": group.creation_time.isoformat(), "retention": group.retention_in_days,
        "tags": backend.list_tags_for_resource(group.arn),
    }, bytes  # fmt: skip


def _stream(stream: LogStream) -> tuple[Head, Body]:
    events = list(stream.events)
    return {
        "at": stream.creation_time.isoformat(), "lines": len(events),
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


PUT: dict[str, Put] = {
    "bucket": _put_bucket, "object": _put_object, "log-group": _put_group, "log-stream": _put_stream,
}  # fmt: skip
