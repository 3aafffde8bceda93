"""The content of the embedded S3's objects: in files, which are written once, and read and sent block by block.

moto keeps what is smaller than 5 MiB in memory, puts the parts of an upload together there, several times, reads a
whole object for each range that is asked for, and never forgets an object, a part or a log's line that was deleted.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import importlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, ClassVar

from moto.core.common_models import BaseModel
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, S3ClientError
from moto.s3.models import FakeKey, FakeMultipart, MultipartChecksumBuilder, S3Backend
from moto.s3.responses import S3Response
from moto.settings import S3_UPLOAD_PART_MIN_SIZE
from moto.utilities.utils import md5_hash

from reconciler.local.correction import Correction
from reconciler.local.keep_alive import FULL

LEAST = 2**12  # bytes; what is shorter needs no less room on a disk, and stays in memory
BLOCK = 2**20
NAME = re.compile(r"[a-z0-9_]{8}")  # of a file, as `tempfile` gives it
# What moto reckons with, where it is installed: module, function, bytes of the checksum. Else it takes CRC-32.
CRCS = {"CRC64NVME": ("awscrt.checksums", "crc64nvme", 8), "CRC32C": ("crc32c", "crc32c", 4)}
SOURCE = "https://github.com/getmoto/moto/blob/master/moto/"
Mark = list[int]  # what of a file tells that nothing has written to it since
Description = Mapping[str, Any]  # file, size, mark, sha256


class DiskFull(S3ClientError):
    """No room for an object's content. AWS knows nothing like it, and another try is of no use."""

    code = "InsufficientStorage"
    status = 400

    def __init__(self, reason: str | None) -> None:
        super().__init__(f"{reason}: the embedded AWS keeps its objects in {Content.folder}. Make room there.")


class Removed(Exception):
    """An object's file isn't there any more: the object was deleted."""


class Content:
    """An object's bytes. path: the file that has them, where they aren't in memory; closed: the object is gone."""

    folder: ClassVar[Path] = Path(tempfile.gettempdir())

    def __init__(self, data: bytes = b"", path: Path | None = None, size: int = 0) -> None:
        self._data, self.path, self.closed = data, path, False
        self.size = size if path else len(data)
        self.description: Description = {}

    def __len__(self) -> int:
        return self.size

    def close(self) -> None:
        """Remove the file: the object was deleted."""
        self.closed = True
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def read(self) -> Any:
        """The bytes that are in memory, or the stretch of the file, which is open until `close`."""
        return self._data if self.path is None else Stretch(opened(self.path), 0, self.size)

    def blocks(self) -> Iterable[bytes]:
        """All of it, a little at a time."""
        return [self._data] if self.path is None else Stretch(opened(self.path), 0, self.size)

    def whole(self) -> bytes:
        """All of it in memory."""
        return self._data if self.path is None else self.path.read_bytes()

    def described(self) -> Description:
        """What tells the file's content again: `recalled` takes it. The first time it reads all. Raises Removed."""
        if not self.description:
            assert self.path is not None, "what is in memory needs no description"
            with _there(self.path) as file:
                self.description = {
                    "file": self.path.name, "size": self.size, "mark": _mark(file),
                    "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
                }  # fmt: skip
        return self.description


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
    """Have the files there from now on. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    Content.folder = folder


def forget_all_but(paths: Collection[Path | None]) -> None:
    """Remove the files that a process has left which ended without a word."""
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
    found = Content(path=Content.folder / of["file"], size=of["size"])
    found.description = of
    with _there(found.folder / of["file"]) as file:
        if (mark := _mark(file)) == of["mark"]:
            return found
        if hashlib.file_digest(file, "sha256").hexdigest() != of["sha256"]:
            raise ValueError("its content is another than what was written")
    found.description = {**of, "mark": mark}
    return found


def _there(path: Path) -> BufferedReader:
    try:
        return opened(path)
    except FileNotFoundError:
        raise Removed(path.name) from None


def _mark(file: BufferedReader) -> Mark:
    """No program can set the time of a file's last change (ctime) but by the machine's clock."""
    found = os.fstat(file.fileno())
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _written(blocks: Iterable[bytes]) -> Content:
    """A new file with these bytes. Raises DiskFull, OSError."""
    try:
        handle, name = tempfile.mkstemp(prefix="", dir=Content.folder)
        size = 0
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                for block in blocks:
                    size += _write(file, block)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(error.strerror) from None
        raise
    return Content(path=Path(name), size=size)


def _write(file: Any, block: bytes) -> int:
    left = memoryview(block)
    while left:
        left = left[file.write(left) :]  # a file takes less than it is given where room ends
    return len(block)


def _md5(blocks: Iterable[bytes]) -> str:
    found = md5_hash()
    for block in blocks:
        found.update(block)
    return str(found.hexdigest())


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
        if self._etag is None:
            self._etag = _md5([new] if isinstance(new, bytes) else new)
        if isinstance(new, Stretch) or len(new) >= LEAST:
            new = new if isinstance(new, Content) else _written([new] if isinstance(new, bytes) else new)
        self._value_buffer = new if isinstance(new, Content) else Content(new)
        self.contentsize = len(new)

    FakeKey.value = property(value, put)  # type: ignore[assignment,method-assign]


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

    def text(self) -> str:
        raw = self._value.to_bytes(self._size, "big") if self._sha is None else self._sha.digest()
        return binascii.b2a_base64(raw, newline=False).decode()


class _Checksum(MultipartChecksumBuilder):
    """moto's, without a copy of all bytes where the checksum is of them all."""

    _whole: _Running | None = None

    def addPart(self, part: bytes) -> None:  # noqa: N802 - moto's name
        if self.checksum_type == "COMPOSITE":
            super().addPart(part)
            return
        self._whole = self._whole or _Running(self.checksum_algorithm)
        self._whole.add(part)

    def build(self) -> Any:
        return super().build() if self._whole is None else (self.checksum_type, self._whole.text(), 1)


class _Unread:
    """An object as moto asks it for its content, which isn't read yet."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> Any:
        return self._key._value_buffer.read()


def _objects_are_sent_and_copied_in_blocks() -> None:
    find: Any = S3Response._get_key
    copy: Any = S3Backend.copy_object

    def get_key(self: Any, *args: Any, **kwargs: Any) -> tuple[Any, bool]:
        key, not_modified = find(self, *args, **kwargs)
        return _Unread(key), not_modified

    def copy_object(self: Any, src_key: Any, *args: Any, **kwargs: Any) -> None:
        copy(self, _Unread(src_key), *args, **kwargs)

    def upload_part_copy(
        self: Any, dest_bucket_name: str, multipart_id: str, part_id: int, src_bucket_name: str, src_key_name: str,
        src_version_id: str | None, start_byte: int | None, end_byte: int,
    ) -> Any:  # fmt: skip
        upload = self.get_bucket(dest_bucket_name).multiparts[multipart_id]
        source = _Unread(self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)).value
        return upload.set_part(part_id, source if start_byte is None else source[start_byte : end_byte + 1])

    S3Response._get_key = get_key  # type: ignore[method-assign]
    S3Backend.copy_object = copy_object  # type: ignore[method-assign]
    S3Backend.upload_part_copy = upload_part_copy  # type: ignore[method-assign]


def _parts_are_put_together_on_disk() -> None:
    """A part goes as soon as it is in the whole, so that they need no room twice."""

    def complete(self: Any, body: Iterator[tuple[int, str]]) -> tuple[Content, str, Any]:
        parts, md5s = list[Any](), md5_hash()
        for number, etag in body:
            part = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            md5s.update(bytes.fromhex(part.etag.strip('"')))
            parts.append(part)
        if not parts:
            raise MalformedXML
        algorithm, kind = (self.metadata.get(f"x-amz-checksum-{name}") for name in ("algorithm", "type"))
        checksum = _Checksum(algorithm, kind)

        def contents() -> Iterator[bytes]:
            for part in parts:
                data = part.value
                checksum.addPart(data)
                yield data
                part.dispose()

        return _written(contents()), f"{md5s.hexdigest()}-{len(parts)}", checksum.build()

    FakeMultipart.complete = complete  # type: ignore[assignment,method-assign]


def _a_copy_has_a_checksum_of_its_own() -> None:
    """moto gives it that of its source, which may be of parts that the copy doesn't have: boto3 refuses to read it."""
    copy: Any = S3Backend.copy_object

    def copy_object(self: Any, src_key: Any, dest_bucket_name: str, dest_key_name: str, **kwargs: Any) -> None:
        copy(self, src_key, dest_bucket_name, dest_key_name, **kwargs)
        made = self.get_object(dest_bucket_name, dest_key_name)
        if made.checksum_value and src_key.checksum_type == "COMPOSITE":
            made.checksum_type, whole = "FULL_OBJECT", _Running(made.checksum_algorithm)
            for block in made._value_buffer.blocks():
                whole.add(block)
            made.checksum_value = whole.text()

    S3Backend.copy_object = copy_object  # type: ignore[assignment,method-assign]


def _what_is_deleted_is_forgotten() -> None:
    """moto lists each thing that it ever made, for a page of its own which nobody here can see."""
    BaseModel.__new__ = staticmethod(lambda cls, *args, **kwargs: object.__new__(cls))  # type: ignore[method-assign]


CORRECTIONS = (
    Correction("objects are on disk", f"{SOURCE}s3/models.py", objects_are_on_disk),
    Correction(
        "objects are sent and copied in blocks", f"{SOURCE}s3/responses.py", _objects_are_sent_and_copied_in_blocks
    ),
    Correction("parts are put together on disk", f"{SOURCE}s3/models.py#complete", _parts_are_put_together_on_disk),
    Correction(
        "a copy has a checksum of its own",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html",
        _a_copy_has_a_checksum_of_its_own,
    ),
    Correction("what is deleted is forgotten", f"{SOURCE}core/common_models.py", _what_is_deleted_is_forgotten),
)
