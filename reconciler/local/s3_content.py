"""The content of the embedded S3's objects: in files, which are written once, and read and sent block by block.

moto keeps what is smaller than 5 MiB in memory, puts the parts of an upload together there, several times, reads a
whole object for each range that is asked for, and never forgets an object, a part or a log's line that was deleted.
"""

from __future__ import annotations

import binascii
import contextlib
import errno
import hashlib
import importlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from moto.core.common_models import BaseModel
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, MissingKey, NoSuchUpload, S3ClientError
from moto.s3.models import FakeKey, FakeMultipart, MultipartChecksumBuilder, S3Backend
from moto.s3.responses import S3Response
from moto.settings import S3_UPLOAD_PART_MIN_SIZE
from moto.utilities.utils import md5_hash
from werkzeug.datastructures import Headers

from reconciler.core.files import FULL_DISK
from reconciler.local.correction import Correction
from reconciler.local.received import Received

LEAST = 2**12  # bytes; what is shorter needs no less room on a disk, and stays in memory
BLOCK = 2**20
NAME = re.compile(r"[a-z0-9_]{8}")  # of a file, as `tempfile` gives it
# What moto reckons with, where it is installed: module, function, bytes of the checksum. Else it takes CRC-32.
CRCS = {"CRC64NVME": ("awscrt.checksums", "crc64nvme", 8), "CRC32C": ("crc32c", "crc32c", 4)}
# What is asked for beside the key, of an object and of a part.
OF_UPLOADS = (frozenset[str](), frozenset({"uploadId", "partNumber"}))
PRESIGNED = ("awsaccesskeyid", "signature", "expires")  # of version 2 of signatures; all others begin with X-
# What a file system answers that can't copy within itself, or only sometimes: https://man7.org/linux/man-pages/man2/copy_file_range.2.html
NO_COPY = frozenset((errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")  # of whose bodies moto takes a part
SOURCE = "https://github.com/getmoto/moto/blob/master/moto/"
Piece = tuple[int, str]
Mark = list[int]  # what of a file tells that nothing has written to it since
Description = Mapping[str, Any]  # file, size, mark, pieces: (size, SHA-256) of each, one after the other


class DiskFull(S3ClientError):
    """No room for an object's content. AWS knows nothing like it, and another try is of no use."""

    code = "InsufficientStorage"
    status = 400

    def __init__(self, reason: str | None) -> None:
        super().__init__(f"{reason}: the embedded AWS keeps its objects in {Content.folder}. Make room there.")


class Removed(Exception):
    """An object's file isn't there any more: the object was deleted."""


class Content:
    """An object's bytes. path: the file that has them, where they aren't in memory; closed: the object is gone;
    replaced: another of the same version ID was written over it (reconciler/local/s3_versions.py).

    kept: those whose files a record on disk names (reconciler/local/kept.py), by the files' names.
    """

    folder: ClassVar[Path] = Path(tempfile.gettempdir())
    kept: ClassVar[dict[str, Content]] = {}

    def __init__(self, data: bytes = b"", path: Path | None = None, size: int = 0) -> None:
        self._data, self.path, self.closed, self.replaced = data, path, False, False
        self.size = size if path else len(data)
        self.description: Description = {}  # what tells the file's content again: `recalled` takes it

    def __len__(self) -> int:
        return self.size

    @property
    def piece(self) -> Piece:
        """Size and SHA-256 of a content that was written at once, as a piece of another content."""
        if self.path is None:
            return self.size, hashlib.sha256(self._data).hexdigest()
        [(size, sha256)] = self.description["pieces"]
        return size, sha256

    def close(self) -> None:
        """Remove the file: the object was deleted. One that was replaced has it until the new one has a record, so that
        no end of the process takes both.
        """
        self.closed = True
        if self.path is not None and not (self.replaced and self.path.name in Content.kept):
            self.path.unlink(missing_ok=True)

    def hold(self) -> bytes:
        """Have the file named by a record, which has nothing of it itself. Raises Removed."""
        assert self.path is not None, "what is in memory is in the record"
        Content.kept[self.path.name] = self  # first: `close` sees it, or is seen
        if self.closed:
            raise Removed(self.path.name)
        return b""

    def read(self) -> Any:
        """The bytes that are in memory, or the stretch of the file, which is open until `close`."""
        return self._data if self.path is None else Stretch(opened(self.path), 0, self.size)

    def blocks(self) -> Iterator[bytes]:
        """All bytes, a block at a time."""
        if self.path is None:
            yield self._data
            return
        with opened(self.path) as file:
            yield from Stretch(file, 0, self.size)

    def whole(self) -> bytes:
        """All bytes at once, in memory."""
        return self._data if self.path is None else self.path.read_bytes()


class Stretch:
    """Bytes of a file from `begin` to `end`, which aren't in memory: an answer's body, or the source of a copy."""

    def __init__(self, file: BufferedReader, begin: int, end: int) -> None:
        self._file, self._begin, self._end = file, begin, end

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, part: slice) -> Stretch:
        begin, end, _ = part.indices(len(self))
        return Stretch(self._file, self._begin + begin, self._begin + max(begin, end))

    def __iter__(self) -> Iterator[bytes]:
        at = self._begin
        while at < self._end:
            block = os.pread(self._file.fileno(), min(BLOCK, self._end - at), at)
            if not block:
                raise OSError("an object's file is shorter than it was")
            at += len(block)
            yield block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def use(folder: Path) -> None:
    """Keep the content's files in this folder from now on. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    Content.folder = Received.folder = folder
    Content.kept.clear()


def release_all_but(names: Collection[str]) -> None:
    """Remove the files of closed contents which no record names any more: names are those that records still name."""
    for name in Content.kept.keys() - names:
        content = Content.kept.pop(name)
        if content.closed:
            content.close()


def forget_all_but(paths: Collection[Path | None]) -> None:
    """Remove the files that were left by a process which ended without cleaning up."""
    for path in Content.folder.iterdir():
        if path not in paths:
            with contextlib.suppress(OSError):  # a folder is none of ours, and in nobody's way
                path.unlink()


def opened(path: Path) -> BufferedReader:
    """A file that is no link, to be read."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def recalled(of: Description) -> Content:
    """The content that was described. It is read again only when something may have written to its file since.

    Raises Removed; ValueError where it is another; OSError.
    """
    if NAME.fullmatch(of["file"]) is None:
        raise ValueError("its content's name is none of ours")
    content = Content(path=Content.folder / of["file"], size=of["size"])
    content.description = of
    try:
        file = opened(content.folder / of["file"])
    except FileNotFoundError:
        raise Removed(of["file"]) from None
    with file:
        if (mark := _mark(file.fileno())) != of["mark"]:
            if not _has(file, of.get("pieces") or [[of["size"], of["sha256"]]]):  # before 0.2: of the whole
                raise ValueError("its content is another than what was written")
            content.description = {**of, "mark": mark}
    content.hold()
    return content


def _mark(handle: int) -> Mark:
    """No program can set the time of a file's last change (ctime) but by the machine's clock. Of which disk it is says
    nothing: with some file systems that is another number after each start of the machine.
    """
    status = os.fstat(handle)
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _has(file: BufferedReader, pieces: Iterable[tuple[int, str]]) -> bool:
    """Whether a file has these pieces and nothing more."""
    for size, digest in pieces:
        checksum = hashlib.sha256()
        while size > 0 and (block := file.read(min(BLOCK, size))):
            checksum.update(block)
            size -= len(block)
        if size or checksum.hexdigest() != digest:
            return False
    return not file.read(1)


def _received(body: Received) -> Content:
    """The content that a request has brought into a file, which is its own from now on."""
    assert body.path is not None
    body.take()
    content = Content(path=body.path, size=body.size)
    content.description = _description(body.path, body.fileno(), [(body.size, body.sha256)])
    return content


def _description(path: Path, handle: int, pieces: Sequence[Piece]) -> Description:
    return {"file": path.name, "size": sum(size for size, _ in pieces), "mark": _mark(handle), "pieces": pieces}


def _written(blocks: Iterable[bytes], *hashes: Any) -> Content:
    """A new file with these bytes, each of which the hashes get, too. Raises DiskFull, OSError."""
    sha256, size = hashlib.sha256(), 0

    def fill(file: FileIO) -> list[Piece]:
        nonlocal size
        for block in blocks:
            _write(file, block)
            size += len(block)
            for hashed in (*hashes, sha256):
                hashed.update(block)
        return [(size, sha256.hexdigest())]

    return _new(fill)


def _new(fill: Callable[[FileIO], Sequence[Piece]]) -> Content:
    """A new file, with what is written into it. Raises DiskFull, OSError."""
    try:
        handle, name = tempfile.mkstemp(prefix="", dir=Content.folder)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                pieces = fill(file)
                content = Content(path=Path(name), size=file.tell())
                content.description = _description(Path(name), file.fileno(), pieces)
                return content
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in FULL_DISK:
            raise DiskFull(error.strerror) from None
        raise


def _write(file: Any, block: bytes) -> None:
    pending = memoryview(block)
    while pending:
        pending = pending[file.write(pending) :]  # a file takes less than it is given where room ends


def objects_are_on_disk() -> None:
    """What an object or a part has is written once. Its ETag is reckoned then, and not when it is first asked for."""

    def value(self: Any) -> bytes:
        content: Content = self._value_buffer
        if content.closed:
            raise ValueError("the object is deleted")
        return content.whole()

    def put(self: Any, new: Any) -> None:
        if isinstance(new, str):
            new = new.encode()
        if isinstance(new, Received):
            self._etag = self._etag or new.md5
            new = _received(new)
        elif not isinstance(new, Content):
            blocks, md5 = [new] if isinstance(new, bytes) else new, md5_hash()
            if isinstance(new, Stretch) or len(new) >= LEAST:
                new = _written(blocks, md5)
            else:
                md5.update(new)
                new = Content(new)
            self._etag = self._etag or md5.hexdigest()
        self._value_buffer = new
        self.contentsize = len(new)

    FakeKey.value = property(value, put)  # type: ignore[assignment,method-assign]


def _what_comes_into_a_file_is_not_copied() -> None:
    """moto reads an upload into memory, several times over, and writes it from there."""
    original: Any = S3Response.setup_class

    def setup_class(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        environ = request.environ
        body = environ.get("wsgi.input")
        as_file = _is_content(environ, body)
        trailer = getattr(body, "trailer", None)
        if not as_file and trailer is None:
            original(self, request, *args, **kwargs)
            return
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(), "0"
        original(self, request, *args, **kwargs)
        self.body = body if as_file else body.read()
        self.raw_body = trailer or b""  # where moto looks for a checksum

    S3Response.setup_class = setup_class  # type: ignore[method-assign]


def _is_content(environ: Mapping[str, Any], body: object) -> bool:
    """Whether the body is in a file, and is as it stands what an object or a part will have."""
    if environ["REQUEST_METHOD"] != "PUT" or not isinstance(body, Received) or body.path is None:
        return False
    query_names = {name for name, _ in parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)}
    query_names = {name for name in query_names if not name.lower().startswith("x-") and name.lower() not in PRESIGNED}
    if (
        query_names not in OF_UPLOADS
        or "HTTP_X_AMZ_COPY_SOURCE" in environ
        or "/" not in environ["PATH_INFO"].strip("/")
    ):
        return False
    if body.trailer is None and str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")).startswith("STREAMING-"):
        return False
    if str(environ.get("CONTENT_TYPE", "")).lower().startswith(FORMS):
        return False
    algorithm = str(environ.get("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", "")).upper()
    # Else moto reckons it of the body.
    return not algorithm or bool(body.trailer) or f"HTTP_X_AMZ_CHECKSUM_{algorithm}" in environ


def _objects_come_and_stay_on_disk() -> None:
    objects_are_on_disk()
    _what_comes_into_a_file_is_not_copied()


class _Running:
    """A checksum as moto reckons it of a whole content, block by block."""

    def __init__(self, algorithm: str) -> None:
        self._sha = hashlib.new(algorithm, usedforsecurity=False) if algorithm.startswith("SHA") else None
        self._value, self._reckon, self._size = 0, binascii.crc32, 4
        module, name, size = CRCS.get(algorithm, ("", "", 0))
        with contextlib.suppress(ImportError):
            if module:
                self._reckon, self._size = getattr(importlib.import_module(module), name), size

    def add(self, block: bytes) -> None:
        if self._sha is not None:
            self._sha.update(block)
        else:
            self._value = self._reckon(block, self._value)

    def raw(self) -> bytes:
        return self._value.to_bytes(self._size, "big") if self._sha is None else self._sha.digest()

    def text(self) -> str:
        return binascii.b2a_base64(self.raw(), newline=False).decode()


class _Checksum(MultipartChecksumBuilder):
    """moto's checksum of an upload: it gets each part block by block, or the part's SHA-256 where that is enough."""

    _running: _Running | None = None

    @property
    def needs_no_more(self) -> bool:
        """Whether the parts' SHA-256 are enough."""
        return bool(self.checksum_type == "COMPOSITE" and self.checksum_algorithm == "SHA256")

    def known(self, sha256: str) -> None:
        """Note the SHA-256 of a part that was reckoned before."""
        self.checksum.extend(bytes.fromhex(sha256))
        self.part_count += 1

    def passed(self, part: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks of a part, each after it was added to the checksum."""
        composite = self.checksum_type == "COMPOSITE"
        if composite or self._running is None:
            self._running = _Running(self.checksum_algorithm)
        for block in part:
            self._running.add(block)
            yield block
        if composite:
            self.checksum.extend(self._running.raw())
            self.part_count += 1

    def build(self) -> Any:
        if self.checksum_type == "COMPOSITE" or self._running is None:
            return super().build()
        return self.checksum_type, self._running.text(), 1


class _Unread:
    """An object as moto asks it for its content, which isn't read yet, and is there until it is sent. Raises
    FileNotFoundError where it was deleted or replaced just now.
    """

    def __init__(self, key: Any) -> None:
        self._key, self.value = key, key._value_buffer.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


def _unread(find: Callable[[], tuple[Any, bool]]) -> tuple[_Unread, bool]:
    """What is found, or what has replaced it meanwhile. Raises MissingKey, and what `find` raises."""
    while True:
        key, not_modified = find()
        try:
            return _Unread(key), not_modified
        except FileNotFoundError:
            if not key._value_buffer.closed:  # none of our own removed the file
                raise MissingKey(key=key.name) from None


def _objects_are_sent_and_copied_in_blocks() -> None:
    find: Any = S3Response._get_key
    copy: Any = S3Backend.copy_object

    def get_key(self: Any, *args: Any, **kwargs: Any) -> tuple[Any, bool]:
        return _unread(lambda: find(self, *args, **kwargs))

    def copy_object(self: Any, src_key: Any, *args: Any, **kwargs: Any) -> None:
        copy(self, source(self, src_key.bucket_name, src_key.name, src_key.version_id), *args, **kwargs)

    def source(self: Any, bucket_name: str, name: str, version_id: str | None) -> _Unread:
        def found() -> tuple[Any, bool]:
            key = self.get_object(bucket_name, name, version_id=version_id)
            if key is None:
                raise MissingKey(key=name)
            return key, False

        return _unread(found)[0]

    def upload_part_copy(
        self: Any,
        dest_bucket_name: str,
        multipart_id: str,
        part_id: int,
        src_bucket_name: str,
        src_key_name: str,
        src_version_id: str | None,
        start_byte: int | None,
        end_byte: int,
    ) -> Any:
        upload = self.get_bucket(dest_bucket_name).multiparts[multipart_id]
        value = source(self, src_bucket_name, src_key_name, src_version_id).value
        return upload.set_part(part_id, value if start_byte is None else value[start_byte : end_byte + 1])

    S3Response._get_key = get_key  # type: ignore[method-assign]
    S3Backend.copy_object = copy_object  # type: ignore[method-assign]
    S3Backend.upload_part_copy = upload_part_copy  # type: ignore[method-assign]


def _append(file: FileIO, part: Content, checksum: _Checksum) -> None:
    """Write a part behind what is there: the system copies what nothing here has to look at."""
    if checksum.needs_no_more and part.path is not None and hasattr(os, "copy_file_range"):
        begin = file.tell()
        try:
            with opened(part.path) as source:
                _copied(source, file, part.size)
        except OSError as error:
            if error.errno not in NO_COPY:
                raise
            file.seek(begin)
            file.truncate()
        else:
            checksum.known(part.piece[1])
            return
    for block in checksum.passed(part.blocks()):
        _write(file, block)


def _copied(source: BufferedReader, file: FileIO, size: int) -> None:
    while size > 0:
        copied = os.copy_file_range(source.fileno(), file.fileno(), size)
        if copied == 0:
            raise OSError("a part's file is shorter than it was")
        size -= copied


def _parts_are_put_together_on_disk() -> None:
    """A part goes as soon as it is in the whole, so that they need no room twice."""

    def complete(self: Any, body: Iterator[tuple[int, str]]) -> tuple[Content, str, Any]:
        parts, md5s = list[Any](), md5_hash()
        for number, etag in body:
            part = self.parts.get(number)
            if part is None or part.disposed or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            md5s.update(bytes.fromhex(part.etag.strip('"')))
            parts.append(part)
        if not parts:
            raise MalformedXML
        algorithm, kind = (self.metadata.get(f"x-amz-checksum-{name}") for name in ("algorithm", "type"))
        checksum = _Checksum(algorithm, kind)

        def fill(file: FileIO) -> list[Piece]:
            for part in parts:
                _append(file, part._value_buffer, checksum)
                part.dispose()
            return [part._value_buffer.piece for part in parts]

        try:
            self.whole = _new(fill)
        except FileNotFoundError:  # it was uploaded again meanwhile, or the upload given up
            raise InvalidPart from None
        self.dispose()  # the parts that it doesn't have
        return self.whole, f"{md5s.hexdigest()}-{len(parts)}", checksum.build()

    FakeMultipart.complete = complete  # type: ignore[assignment,method-assign]


def _an_upload_is_completed_once() -> None:
    """moto answers 500 to a second request to complete an upload that comes while the first is under way."""
    original: Any = S3Backend.complete_multipart_upload

    def complete(self: Any, bucket_name: str, multipart_id: str, body: Any) -> Any:
        bucket = self.get_bucket(bucket_name)
        upload = bucket.multiparts.get(multipart_id)
        if upload is None:
            raise NoSuchUpload(upload_id=multipart_id)
        with vars(upload).setdefault("completing", threading.Lock()):
            if multipart_id in bucket.multiparts:
                return _completed(upload, bucket, partial(original, self, bucket_name, multipart_id, body))
        for key in bucket.keys.getlist(upload.key_name, []):
            if getattr(key, "multipart", None) is upload:
                return key
        raise NoSuchUpload(upload_id=multipart_id)

    S3Backend.complete_multipart_upload = complete  # type: ignore[method-assign]


def _completed(upload: Any, bucket: Any, complete: Callable[[], Any]) -> Any:
    """The object that `complete` makes. If it isn't made, the content that was put together for it is removed."""
    try:
        return complete()
    except BaseException:
        together = getattr(upload, "whole", None)
        contents = (getattr(key, "_value_buffer", None) for key in bucket.keys.getlist(upload.key_name, []))
        if together is not None and all(content is not together for content in contents):
            together.close()
        raise


def _listings_of_versions_read_no_content() -> None:
    """moto copies all of a bucket for each, content and all."""

    def twin(self: Any, _: object) -> Any:
        copied: Any = object.__new__(FakeKey)
        vars(copied).update(vars(self), _value_buffer=Content(), multipart=None, disposed=True)
        return copied

    FakeKey.__deepcopy__ = twin  # type: ignore[attr-defined]


def _a_copy_has_a_checksum_of_its_own() -> None:
    """moto gives it that of its source, which may be of parts that the copy doesn't have: boto3 refuses to read it. One
    that is asked for it reckons of the whole in memory.
    """
    answer: Any = S3Response.copy_object
    copy: Any = S3Backend.copy_object
    algorithm_of_request = ContextVar("asked", default="")  # the algorithm that the request names

    def answered(self: Any) -> Any:
        self.headers = Headers(self.headers)
        reset = algorithm_of_request.set(self.headers.pop("x-amz-checksum-algorithm", ""))
        try:
            return answer(self)
        finally:
            algorithm_of_request.reset(reset)

    def copy_object(self: Any, src_key: Any, dest_bucket_name: str, dest_key_name: str, **kwargs: Any) -> None:
        copy(self, src_key, dest_bucket_name, dest_key_name, **kwargs)
        new_object = self.get_object(dest_bucket_name, dest_key_name)
        of_parts = new_object.checksum_value and src_key.checksum_type == "COMPOSITE"
        if algorithm := algorithm_of_request.get() or (new_object.checksum_algorithm if of_parts else ""):
            checksum = _Running(algorithm)
            for block in new_object._value_buffer.blocks():
                checksum.add(block)
            new_object.checksum_algorithm, new_object.checksum_type, new_object.checksum_value = (
                algorithm,
                "FULL_OBJECT",
                checksum.text(),
            )

    S3Response.copy_object = answered  # type: ignore[method-assign]
    S3Backend.copy_object = copy_object  # type: ignore[assignment,method-assign]


def _what_is_deleted_is_forgotten() -> None:
    """moto lists each thing that it ever made, for a page of its own which nobody here can see."""

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return super(BaseModel, cls).__new__(cls)  # some are dicts, too

    BaseModel.__new__ = staticmethod(new)  # type: ignore[method-assign]


CORRECTIONS = (
    Correction("objects are on disk", f"{SOURCE}s3/models.py", _objects_come_and_stay_on_disk),
    Correction(
        "objects are sent and copied in blocks", f"{SOURCE}s3/responses.py", _objects_are_sent_and_copied_in_blocks
    ),
    Correction("parts are put together on disk", f"{SOURCE}s3/models.py#complete", _parts_are_put_together_on_disk),
    Correction("an upload is completed once", f"{SOURCE}s3/models.py#upload", _an_upload_is_completed_once),
    Correction(
        "listings of versions read no content", f"{SOURCE}s3/models.py#versions", _listings_of_versions_read_no_content
    ),
    Correction(
        "a copy has a checksum of its own",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html",
        _a_copy_has_a_checksum_of_its_own,
    ),
    Correction("what is deleted is forgotten", f"{SOURCE}core/common_models.py", _what_is_deleted_is_forgotten),
)
