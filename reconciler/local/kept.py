"""What outlives the embedded AWS's process: the buckets with every version of their objects, and the logs.

That is what nobody can make again: runs, their results and lines, and data. All else is made from deploy.yaml by the
next `apply`. Each bucket, version, log group and log stream is a file: a line of JSON, a line with the size of what
is in it, a line with its stamp (reconciler/local/seal.py), and what is in it. Its name is a number, so that no name of
an object is ever a path. Nothing is read from it but JSON and bytes. Where an object's content has a file of its own
(reconciler/local/s3_content.py), it stays there: the line of JSON says which, and what it must be.
"""

from __future__ import annotations

import datetime
import hmac
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from moto.core.utils import utcnow
from moto.logs.models import LogEvent, LogGroup, LogStream, logs_backends
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend, s3_backends

from reconciler.core import plain_json
from reconciler.local import s3_content, server_log
from reconciler.local.s3_content import opened
from reconciler.local.seal import FILES, KEEP, KEPT, OBJECTS, PASSING, Seal, Unsealed, read_seal

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
MADE = tuple(PRIVATE.get(name, name) for name in MADE_WITH)
made_with, state_of = attrgetter(*MADE), attrgetter(*MADE, "_value_buffer", "last_modified", "checksum_algorithm")
Head = Mapping[str, Any]  # one thing without its content, as JSON has it
Body = Callable[[], bytes]
Identity = tuple[str, ...]  # a kind and its names: what tells a thing from others
State = tuple[Any, ...]  # all that its file depends on, cheap to make
Rest = Callable[[], tuple[Head, Body]]  # what is there of a thing beside its names
Thing = tuple[Identity, State, Rest]
Put = Callable[[str, Head, bytes], None]


class File(NamedTuple):
    """A thing's file. state: the thing's when it was written; before that is known again, the head tells (line).

    content: the name of the file that has its content, where that is another.
    """

    name: str
    identity: Identity
    state: State | None
    line: str = ""
    content: str = ""


class Kept:
    """The folder, and which file has what. With RECONCILER_LOCAL_KEEP=0 it is neither read nor written, nor without the
    seal that is made before the process starts.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / KEPT
        self._files: dict[Identity, File] = {}
        self._growing: dict[Identity, float] = {}  # since when a log waits to be written
        self._last = 0
        self._lock = threading.Lock()  # `forget` comes from another thread than `save`
        self._seal: Seal | None = None
        try:
            self._seal = read_seal(home) if os.environ.get(KEEP) != "0" else None
        except (OSError, Unsealed) as error:
            server_log.tell(f"nothing is kept: {error}")
        self._left_out = False
        self._objects = home / (PASSING if self._seal is None else OBJECTS)

    def load(self, account_id: str) -> None:
        """Put into moto what is there. What can't be read is told, left out, and stays where it is."""
        s3_content.use(self._objects)
        if self._seal is None:
            return
        by_kind: dict[str, dict[Identity, list[tuple[Path, Head]]]] = {kind: {} for kind in PUT}
        for path in sorted(self._folder.glob(FILES), key=lambda path: (len(path.name), path.name)):
            try:
                if path.suffix == PART:
                    path.unlink()  # it was being written when the process ended
                    continue
                self._last = max(self._last, _number(path))
                head = _head(path)
                by_kind[head["kind"]].setdefault(_identity(head), []).append((path, head))
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._leave_out(path, str(error))
        for kind, by_identity in by_kind.items():
            for files in sorted(by_identity.values(), key=lambda files: str(files[-1][1]["at"])):
                self._put(account_id, PUT[kind], self._seal, files)
        if not self._left_out:
            s3_content.forget_all_but({content.path for content in _contents(account_id)})

    def _leave_out(self, path: Path, why: str) -> None:
        self._left_out = True
        server_log.tell(f"{path} is left out: {why}")

    def _put(self, account_id: str, put: Put, seal: Seal, files: list[tuple[Path, Head]]) -> None:
        """Put the newest file of one thing that can be; the older ones were to go when the process ended."""
        while files:
            path, head = files.pop()
            try:
                put(account_id, head, _body(path, head, seal))
            except s3_content.Removed:  # with the object, just before the process ended
                self._remove(path.name)
                continue
            except Exception as error:  # whatever is in a file that something else has written
                self._leave_out(path, f"{head['kind']} {head.get('name')}: {type(error).__name__}: {error}")
                continue
            identity = _identity(head)
            self._files[identity] = File(path.name, identity, None, _line(head), _content(head))
            for older, _ in files:
                self._remove(older.name)
            return

    def save(self, account_id: str, *, last: bool = False) -> None:
        """Write what has come, and remove what has gone. last: the process ends, so that no log is still growing."""
        if self._seal is None:
            if last:
                shutil.rmtree(self._objects, ignore_errors=True)
            return
        with self._lock:
            identities = set()
            message = ""
            for identity, state, rest in itertools.chain(_buckets(account_id), _logs(account_id)):
                old_file = self._files.get(identity)
                identities.add(identity if old_file is None else old_file.identity)  # which is there already
                if old_file is not None and old_file.state == state:
                    continue
                try:
                    self._keep(identity, state, rest, self._seal, last=last)
                except OSError as error:
                    message = message or f"not all of what is in it can be kept: {error}"
            if message:
                server_log.tell(message)
            for identity in self._files.keys() - identities:
                self._remove(self._files.pop(identity).name)
            s3_content.release_all_but({file.content for file in self._files.values()})
            self._growing = {identity: since for identity, since in self._growing.items() if identity in identities}

    def _keep(self, identity: Identity, state: State, rest: Rest, seal: Seal, *, last: bool) -> None:
        """Write one thing, if it is another than what its file has. Raises OSError."""
        old_file = self._files.get(identity)
        try:
            details, body = rest()
            head = {"kind": identity[0], **dict(zip(NAMED_BY[identity[0]], identity[1:], strict=True)), **details}
            line = _line(head)
            if old_file is not None and line == old_file.line:
                self._files[identity] = old_file._replace(state=state, line="")
                return
            if not (last or self._is_settled(identity, head)):
                return
            file = self._write(head, line, body(), seal)
            self._files[identity] = File(file, identity, state, content=_content(head))
        except OSError:
            raise
        except Exception as error:  # it is changed or deleted meanwhile: next time it is written, or gone
            server_log.tell(f"{identity} waits: {type(error).__name__}: {error}")
            return
        self._growing.pop(identity, None)
        if old_file is not None:
            self._remove(old_file.name)

    def _is_settled(self, identity: Identity, head: Head) -> bool:
        """Whether it is to be written now. Only a log grows, and one that never stops is written from time to time."""
        last = head.get("last")
        if not last or datetime.datetime.fromisoformat(last) <= utcnow() - SETTLED:
            return True
        now = time.monotonic()
        return now - self._growing.setdefault(identity, now) >= WAITS

    def forget(self, account_id: str) -> None:
        """Nothing of what was there is there any more, nor is what was left out."""
        with self._lock:
            self._files, self._growing = {}, {}
            s3_content.release_all_but(())
            for path in self._folder.glob(FILES) if self._seal else ():
                self._remove(path.name)
            s3_content.forget_all_but({content.path for content in _contents(account_id)})

    def _remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            server_log.tell(f"{self._folder / name} can't be removed: {error}")

    def _write(self, head: Head, line: str, content: bytes, seal: Seal) -> str:
        self._last += 1
        path = self._folder / f"{self._last:09d}"
        part = path.with_suffix(PART)
        part.unlink(missing_ok=True)
        stamp = seal.stamp(path.name, line.encode(), content)
        # The content's in another file too, so that a program of before doesn't take it for empty.
        size = head["content"]["size"] if "content" in head else len(content)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(f"{line}\n{size}\n{stamp}\n".encode())
                file.write(content)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return path.name


def _line(head: Head) -> str:
    return json.dumps(head, sort_keys=True)


def _content(head: Head) -> str:
    return str(head["content"]["file"]) if "content" in head else ""


def _identity(head: Head) -> Identity:
    """Two files of one identity are that thing at two times. Raises TypeError for a name that is none."""
    names = [head[name] for name in NAMED_BY[head["kind"]]]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a name isn't a text")
    return head["kind"], *names


def _number(path: Path) -> int:
    if not (path.name.isdecimal() and path.name.isascii() and len(path.name) <= DIGITS):
        raise ValueError("its name is none of ours")
    return int(path.name)


def _head(path: Path) -> Head:
    with opened(path) as file:
        head: Head = plain_json.parse(file.readline())
    if head["kind"] not in PUT or not isinstance(head["at"], str):
        raise ValueError("it isn't whole")
    return head


def _body(path: Path, head: Head, seal: Seal) -> bytes:
    """What is in a file. Raises ValueError if it isn't what was written under this name."""
    with opened(path) as file:
        line, size, stamp, body = file.readline(), int(file.readline()), file.readline(), file.read()
    if len(body) != (0 if "content" in head else size):
        raise ValueError("it isn't whole")
    if not hmac.compare_digest(stamp.strip(), seal.stamp(path.name, line.removesuffix(b"\n"), body).encode()):
        raise ValueError("this embedded AWS hasn't written it")
    return body


def _buckets(account_id: str) -> Iterator[Thing]:
    for backend, bucket in _every_bucket(account_id):
        tags = backend.tagger.get_tag_dict_for_resource(bucket.arn)
        state = bucket, bucket.creation_date, bucket.versioning_status, tags
        yield ("bucket", backend.partition, bucket.name), state, partial(_bucket, bucket, tags)
        place, arn, tagged = ("object", backend.partition, bucket.name), f"{bucket.arn}/", backend.tagger.tags
        for versions in list(dict.values(bucket.keys)):
            for version in list(versions):
                version_key = version.name, version.version_id
                state = _state(version, tagged.get(f"{arn}{version_key[0]}/{version_key[1]}"))
                yield (*place, *version_key), state, partial(_version, backend, version)


def _every_bucket(account_id: str) -> Iterator[tuple[S3Backend, FakeBucket]]:
    for backend in list(s3_backends[account_id].values()):
        for bucket in list(backend.buckets.values()):
            yield backend, bucket


def _contents(account_id: str) -> Iterator[s3_content.Content]:
    """The content of every version of every object."""
    for _, bucket in _every_bucket(account_id):
        for versions in list(dict.values(bucket.keys)):
            for version in versions:
                content: Any = getattr(version, "_value_buffer", None)
                if content is not None:
                    yield content


def _bucket(bucket: FakeBucket, tags: Mapping[str, str]) -> tuple[Head, Body]:
    return {
        "at": bucket.creation_date.isoformat(),
        "region": bucket.region_name,
        "versioning": bucket.versioning_status,
        "tags": tags,
    }, bytes


def _state(version: Any, tags: Mapping[str, Any] | None) -> State:
    """There may be a hundred thousand of them, and each is looked at again and again."""
    if isinstance(version, FakeDeleteMarker):
        return version, version.last_modified
    metadata = getattr(version._metadata, "store", version._metadata)  # of moto's own kind of mapping, which is slow
    return *state_of(version), tuple(metadata.items()), tuple(tags.items()) if tags else ()


def _version(backend: S3Backend, version: Any) -> tuple[Head, Body]:
    at = version.last_modified.isoformat()
    if isinstance(version, FakeDeleteMarker):
        return {"at": at, "deleted": True}, bytes
    content: s3_content.Content = version._value_buffer
    head = {
        "at": at,
        "made": dict(zip(MADE_WITH, made_with(version), strict=True)),
        "metadata": dict(version.metadata),
        "checksum_algorithm": version.checksum_algorithm,
        "tags": backend.tagger.get_tag_dict_for_resource(version.arn),
    }
    if content.path is None:
        return head, lambda: bytes(version.value)
    return {**head, "content": content.description}, content.hold


def _put_bucket(account_id: str, head: Head, _: bytes) -> None:
    backend = s3_backends[account_id][head["partition"]]
    bucket = backend.create_bucket(head["name"], head["region"])
    bucket.creation_date = datetime.datetime.fromisoformat(head["at"])
    bucket.versioning_status = head["versioning"]
    backend.put_bucket_tagging(head["name"], head["tags"])


def _put_object(account_id: str, head: Head, body: bytes) -> None:
    backend = s3_backends[account_id][head["partition"]]
    bucket = backend.buckets[head["bucket"]]
    settings: Mapping[str, Any] = head.get("made", {})
    with_: dict[str, Any] = {name: settings.get(name) for name in MADE_WITH}
    key: Any = FakeKey(head["name"], b"", account_id, bucket.region_name, bucket_name=bucket.name, **with_)
    version: Any = key
    if head.get("deleted"):
        version = FakeDeleteMarker(key)
        version._version_id = head["version_id"]
    else:
        key.set_metadata(dict(head["metadata"]), replace=False)
        key.checksum_algorithm = head["checksum_algorithm"]
        backend.tagger.tag_resource(key.arn, [{"Key": name, "Value": value} for name, value in head["tags"].items()])
    version.last_modified = datetime.datetime.fromisoformat(head["at"])
    # Last: with an object that can't be put together its content would go.
    key.value = s3_content.recalled(head["content"]) if "content" in head else body
    bucket.keys.setlist(key.name, [*bucket.keys.getlist(key.name, []), version])


def _logs(account_id: str) -> Iterator[Thing]:
    for region, backend in list(logs_backends[account_id].items()):
        for group in list(backend.groups.values()):
            tags = backend.list_tags_for_resource(group.arn)
            state = group, group.creation_time, group.retention_in_days, tags
            yield ("log-group", region, group.name), state, partial(_group, group, tags)
            for name, stream in list(group.streams.items()):
                grown = stream, len(stream.events), stream.last_ingestion_time
                yield ("log-stream", region, group.name, name), grown, partial(_stream, stream)


def _group(group: LogGroup, tags: Mapping[str, str]) -> tuple[Head, Body]:
    return {"at": group.creation_time.isoformat(), "retention": group.retention_in_days, "tags": tags}, bytes


def _stream(stream: LogStream) -> tuple[Head, Body]:
    events = list(stream.events)
    return {
        "at": stream.creation_time.isoformat(),
        "lines": len(events),
        "last": stream.last_ingestion_time and stream.last_ingestion_time.isoformat(),
    }, lambda: json.dumps([(e.timestamp, e.ingestion_time, e.message) for e in events]).encode()


def _put_group(account_id: str, head: Head, _: bytes) -> None:
    group = logs_backends[account_id][head["region"]].create_log_group(head["name"], head["tags"])
    group.creation_time = datetime.datetime.fromisoformat(head["at"])
    group.retention_in_days = head["retention"]


def _put_stream(account_id: str, head: Head, body: bytes) -> None:
    group = logs_backends[account_id][head["region"]].groups[head["group"]]
    group.create_log_stream(head["name"])
    stream = group.streams[head["name"]]
    stream.events = [LogEvent(ingested, {"timestamp": at, "message": text}) for at, ingested, text in json.loads(body)]
    stream.creation_time = datetime.datetime.fromisoformat(head["at"])
    stream.last_ingestion_time = datetime.datetime.fromisoformat(head["last"]) if head["last"] else None
    stream.stored_bytes = sum(len(event.message) for event in stream.events)


PUT: dict[str, Put] = {
    "bucket": _put_bucket, "object": _put_object, "log-group": _put_group, "log-stream": _put_stream,
}  # fmt: skip
