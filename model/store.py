"""Reading inputs and writing outputs, in S3 or in a folder.

An output is complete when, and only when, it has a ``manifest.json``: an old one is
removed first and the new one is written last, each file whole or not at all.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from model import harmless
from model.errors import InputError, ModelError

MANIFEST = "manifest.json"
T = TypeVar("T")
FOLDERS = ("plots", "predictions")
"""Folders within an output."""
_TYPES = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".parquet": "application/vnd.apache.parquet",
}


def is_s3(uri: str) -> bool:
    """True for ``s3://bucket/key``."""
    return uri.startswith("s3://")


def split_s3(uri: str) -> tuple[str, str]:
    """``s3://bucket/a/b`` as ``("bucket", "a/b")``; the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise InputError(f"{uri!r} names no bucket: write s3://bucket/key")
    return bucket, key


@functools.cache
def client(service: str) -> Any:
    """A boto3 client (AWS_ENDPOINT_URL and the usual credentials are honoured)."""
    import boto3
    from botocore.config import Config

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    session: Any = boto3.session.Session(region_name=region)
    return session.client(service, config=Config(retries={"mode": "standard", "max_attempts": 5}))


def call_aws(action: str, call: Callable[[], T]) -> T:
    """Run an AWS call; say in one line what failed.

    Raises:
        InputError: the thing isn't there, or access or credentials are missing.
        ModelError: anything else that AWS or the network answers.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    try:
        return call()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ("404", "NoSuchKey", "NoSuchBucket", "ParameterNotFound", "NotFound"):
            raise InputError(f"can't {action}: it isn't there ({code})") from error
        if code in ("403", "AccessDenied", "AccessDeniedException"):
            raise InputError(f"can't {action}: access denied ({code}); the task role needs the permission") from error
        raise ModelError(f"can't {action}: {code}: {error.response.get('Error', {}).get('Message', '')}") from error
    except NoCredentialsError as error:
        raise InputError(f"can't {action}: no AWS credentials; give the task a role or set AWS_PROFILE") from error
    except NoRegionError as error:
        raise InputError(f"can't {action}: no AWS region; set AWS_REGION") from error
    except BotoCoreError as error:
        raise ModelError(f"can't {action}: {error}") from error


@contextmanager
def fetched(uri: str, max_bytes: int = 0) -> Iterator[Path]:
    """The file behind a path or S3 URI as a local path, for the time of the block.

    Args:
        uri: of the file.
        max_bytes: an object in S3 that is larger isn't fetched; 0: no limit.

    Raises:
        InputError: there is no such file or object, or it is too large.
    """
    if not is_s3(uri):
        path = Path(uri)
        if not path.is_file():
            raise InputError(f"no data file at {uri}: check the path, or set USE_S3=true with S3_BUCKET and S3_KEY")
        yield path
        return
    bucket, key = split_s3(uri)
    if max_bytes:
        size = int(call_aws(f"read {uri}", lambda: client("s3").head_object(Bucket=bucket, Key=key))["ContentLength"])
        if size > max_bytes:
            raise InputError(
                f"{uri} has {size:,} bytes, and up to {max_bytes:,} are read: set MAX_DATA_BYTES if that is right"
            )
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        path = Path(folder) / (Path(key).name or "data")
        call_aws(f"read {uri}", lambda: client("s3").download_file(bucket, key, str(path)))
        yield path


def read_bytes(uri: str) -> bytes:
    """The whole of a small file.

    Raises:
        InputError: there is no such file or object.
    """
    if is_s3(uri):
        bucket, key = split_s3(uri)
        answer = call_aws(f"read {uri}", lambda: client("s3").get_object(Bucket=bucket, Key=key))
        return bytes(answer["Body"].read())
    try:
        return Path(uri).read_bytes()
    except OSError as error:
        raise InputError(f"can't read {uri}: {error.strerror}") from error


def parse_json(text: bytes | str, source: str) -> Any:
    """What a JSON text says.

    Raises:
        InputError: it isn't JSON, or is nested too deeply; names `source`.
    """
    try:
        return harmless.loads(text)
    except ValueError as error:
        raise InputError(f"{source}: not valid JSON: {error}") from error


class TooLarge(InputError):
    """A file that has more bytes than are read."""


def _within(size: int, max_bytes: int, uri: str) -> None:
    if max_bytes and size > max_bytes:
        raise TooLarge(f"{uri} has {size:,} bytes, and up to {max_bytes:,} are read")


def read_versioned(uri: str, max_bytes: int = 0) -> tuple[bytes | None, str]:
    """A small file with its version (the ETag; of a local file its checksum), or None and an empty version.

    S3 answers 403 for a missing object to whoever may not list the whole bucket. Listing this one key then tells a
    missing object from a forbidden one.

    Args:
        uri: of the file.
        max_bytes: that are read; 0: no limit.

    Raises:
        TooLarge: it has more.
        InputError: it may not be read, or there is no such bucket.
    """
    if not is_s3(uri):
        try:
            _within(Path(uri).stat().st_size, max_bytes, uri)
            raw = Path(uri).read_bytes()
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            raise InputError(f"can't read {uri}: {error.strerror}") from error
        return raw, hashlib.sha256(raw).hexdigest()
    from botocore.exceptions import ClientError

    bucket, key = split_s3(uri)

    def read() -> tuple[bytes | None, str]:
        try:
            answer = client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code == "NoSuchKey" or (code in ("AccessDenied", "403") and _is_missing(bucket, key)):
                return None, ""
            raise
        with answer["Body"] as body:
            _within(int(answer["ContentLength"]), max_bytes, uri)
            return bytes(body.read()), str(answer["ETag"])

    return call_aws(f"read {uri}", read)


def _is_missing(bucket: str, key: str) -> bool:
    """Whether a list of the bucket, which may be allowed for this key alone, is without it; False if not allowed."""
    from botocore.exceptions import ClientError

    try:
        answer = client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except ClientError:
        return False
    return all(entry["Key"] != key for entry in answer.get("Contents", ()))


def write_versioned(uri: str, content: bytes, version: str) -> bool:
    """Write a small file if it still has this version (empty: if it isn't there); False if it hasn't.

    In S3 by a conditional request, in a folder under a lock.

    Raises:
        InputError: it can't be written.
    """
    if not is_s3(uri):
        return _write_locked(Path(uri), content, version)
    from botocore.exceptions import ClientError

    bucket, key = split_s3(uri)
    condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}

    def write() -> bool:
        try:
            client("s3").put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json", **condition)
        except ClientError as error:
            # The object is another (412), is being written (409), or is gone (404 to If-Match).
            code = error.response.get("Error", {}).get("Code")
            if code in ("PreconditionFailed", "ConditionalRequestConflict") or (version and code == "NoSuchKey"):
                return False
            raise
        return True

    return call_aws(f"write {uri}", write)


def _write_locked(path: Path, content: bytes, version: str) -> bool:
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if read_versioned(str(path))[1] != version:
                return False
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(content)
            part.replace(path)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}") from error
    return True


def check_writable(uri: str, place: str) -> None:
    """See that a local folder is there and can be written, making it if need be; of S3 nothing is known before.

    Raises:
        InputError: it can't; `place` names it.
    """
    if is_s3(uri):
        return
    folder = Path(uri)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for inner in (folder, *(folder / name for name in FOLDERS if (folder / name).exists())):
            with tempfile.NamedTemporaryFile(dir=inner, prefix=".model-"):
                pass
    except OSError as error:
        raise InputError(f"can't write to {place} {error.filename or uri}: {error.strerror}") from error


def join(base: str, name: str) -> str:
    """A file's URI under a folder or prefix.

    Raises:
        InputError: an S3 URI that names no bucket.
    """
    if is_s3(base):
        split_s3(base)
    return f"{base.rstrip('/')}/{name}"


def lies_in(uri: str, place: str) -> bool:
    """Whether a path or S3 URI is the same as another, or lies in it."""
    inner, outer = (name if is_s3(name) else os.path.realpath(name) for name in (uri, place))
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/")


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_named(manifest: Path) -> frozenset[str]:
    """The files that a manifest names; none where it isn't there or isn't that of a run."""
    try:
        files = harmless.loads(manifest.read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(files) if isinstance(files, dict) else frozenset()


UNFINISHED = b'{"complete": false}\n'
"""The manifest of a run that hasn't ended: it lacks everything that a reader asks for."""


class Output:
    """Where a run's files go. Use `begin`, then `write` as often as needed, then `finish`."""

    latest: Output | None = None
    """The one that was begun last."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/") or "."
        self.written: dict[str, str] = {}
        """Name to SHA-256 of what has been written so far."""
        self.begun = False
        """An earlier manifest is gone."""
        self._earlier: frozenset[str] = frozenset()
        """Files that this manifest named."""

    def standing(self) -> str:
        """What is there, in a sentence, for whoever stopped the run."""
        if MANIFEST in self.written:
            return f"{self.uri} is complete: all {len(self.written)} files and the manifest were written"
        files = f"files of this run: {', '.join(self.written)}" if self.written else "no file of this run"
        if not self.begun:
            return f"in {self.uri}: {files}"
        return f"{self.uri} is not complete, it has no valid manifest.json; {files}; others are of an earlier run"

    def begin(self) -> None:
        """Make sure that the place can be written, and that nothing there looks complete.

        Raises:
            InputError: it can't be written.
        """
        self.prepare()
        self.begun = True
        if is_s3(self.uri):
            bucket, key = split_s3(join(self.uri, MANIFEST))
            # Overwritten and not deleted: who may write here need not be allowed to delete.
            call_aws(
                f"write {self.uri}",
                lambda: client("s3").put_object(
                    Bucket=bucket, Key=key, Body=UNFINISHED, ContentType="application/json"
                ),
            )
            return
        path = Path(self.uri) / MANIFEST
        self._earlier = _files_named(path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"can't write to OUTPUT_URI {self.uri}: {error.strerror}") from error

    def prepare(self, place: str = "OUTPUT_URI") -> None:
        """Make a folder if there is none, and see that it can be written; an object store only shows when it is.

        Args:
            place: its name in a refusal.

        Raises:
            InputError: it can't be written.
        """
        Output.latest = self
        check_writable(self.uri, place)

    def write(self, name: str, content: bytes) -> None:
        """Write one file, whole or not at all."""
        if is_s3(self.uri):
            bucket, key = split_s3(join(self.uri, name))
            kind = _TYPES.get(Path(name).suffix, "application/octet-stream")
            call_aws(
                f"write {join(self.uri, name)}",
                lambda: client("s3").put_object(Bucket=bucket, Key=key, Body=content, ContentType=kind),
            )
        else:
            path = Path(self.uri) / name
            part = path.with_name(f".{path.name}.part")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content)
                part.replace(path)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise ModelError(f"can't write {path}: {error.strerror}") from error
        self.written[name] = hashlib.sha256(content).hexdigest()

    def drop_earlier(self, *patterns: str) -> None:
        """Remove from a folder what the manifest of an earlier run named, and nothing of anybody else's.

        In S3 the right to write need not be one to delete: there the manifest says which files are of this run.
        """
        if is_s3(self.uri):
            return
        folder = Path(self.uri)
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            name = path.relative_to(folder).as_posix()
            if name in self._earlier and name not in self.written:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise ModelError(f"can't remove {path} of an earlier run: {error.strerror}") from error

    def finish(self, manifest: bytes) -> None:
        """Write the manifest, which makes the output complete."""
        self.write(MANIFEST, manifest)
