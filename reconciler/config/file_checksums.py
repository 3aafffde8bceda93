"""Checksums of the files that are uploaded, kept below `.reconciler` so that no plan reads again what didn't change.

A file is taken as unchanged as git takes it by its index: by size, times and inode, and only where it was old already
when it was read. A file that is written twice within one tick of its file system's clock has the same times, so what
was young when it was read is read again (git's "racy" entries: https://git-scm.com/docs/racy-git). The time of a
change (ctime) is compared too, which no program can set back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from reconciler.core import plain_json

LARGE = 1 << 20  # bytes; what is smaller is read as fast as it would be looked up
TICK = 2_000_000_000  # nanoseconds: the coarsest times of a file system in use (FAT)
MOST = 1 << 28  # bytes of what is kept
BLOCK = 1 << 20
MUCH = 1 << 26  # bytes; what is less is read before threads would have begun
PART = 1 << 24  # bytes; from this size on a file is uploaded in parts
MOST_PARTS = 10_000  # S3's limit
VERSION = 2


class Checksums(NamedTuple):
    """Of a file's content, in hex."""

    sha256: str
    as_stored: str  # what S3 tells of it as it is uploaded: the MD5, or if in parts the SHA-256 of the parts' SHA-256


class _Stamp(NamedTuple):
    size: int  # bytes
    modified: int  # nanoseconds since the epoch
    changed: int  # nanoseconds since the epoch
    inode: int


class _Known(NamedTuple):
    stamp: _Stamp
    sums: Checksums
    settled: bool  # it was old when it was read, so its times tell of any later change
    parts: tuple[bytes, ...] = ()  # the SHA-256 of each part, as long as this process lasts


_known: dict[str, _Known] = {}  # by absolute path, for as long as this process lasts


def checksums(file: Path | str) -> Checksums:
    """The checksums of a file; it is read only if it isn't known or isn't as it was. Raises OSError."""
    path = Path(file).absolute()
    known = _known.get(str(path))
    if known is None or known.stamp != _stamp(path.stat()):
        known = _known[str(path)] = _read(path)
    return known.sums


def read_all(files: Iterable[Path]) -> None:
    """Read those of these files that aren't known, if they are much, with all processors. Raises OSError."""
    unknown = [file for file in files if not as_known(file)]
    workers = min(os.cpu_count() or 1, len(unknown))
    if workers < 2 or sum(file.stat().st_size for file in unknown) < MUCH:
        return  # they are read when their checksums are asked for
    with ThreadPoolExecutor(workers) as pool:  # hashing a large block lets other threads go on
        for _ in pool.map(_checksums_of, (unknown[first::workers] for first in range(workers))):
            pass


def _checksums_of(files: Iterable[Path]) -> list[Checksums]:
    return [checksums(file) for file in files]


def part_digests(file: Path | str) -> tuple[bytes, ...]:
    """The SHA-256 of each part in which a file is uploaded; none where it wasn't read by this process."""
    known = _known.get(str(Path(file).absolute()))
    return known.parts if known else ()


def as_known(file: Path | str) -> bool:
    """Whether a file is still as it was when its checksums were read or looked up. It isn't read."""
    path = Path(file).absolute()
    known = _known.get(str(path))
    try:
        return known is not None and known.stamp == _stamp(path.stat())
    except OSError:
        return False


def part_size(size: int) -> int:
    """The bytes of each part in which a file of this size is uploaded: what s3transfer makes of PART."""
    part = PART
    while -(-size // part) > MOST_PARTS:
        part *= 2
    return part


def forget(files: Iterable[Path]) -> None:
    """Have these files read anew."""
    for file in files:
        _known.pop(str(file.absolute()), None)


def recall(base: Path, deploy: str) -> None:
    """Know what `keep` kept for a deploy. base: the folder of deploy.yaml. What can't be read, or is no such thing,
    costs the files being read again.
    """
    kept = _kept(base, deploy)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        if not _safe(kept):
            return
        with kept.open("rb") as file:
            content = plain_json.read(file.read(MOST + 1), MOST)
        if content["version"] != VERSION:
            return
        for name, (size, modified, changed, inode, sha256, as_stored) in content["files"].items():
            stamp = _Stamp(int(size), int(modified), int(changed), int(inode))
            if _is_hex(sha256, 64) and _is_hex(as_stored, 64 if stamp.size >= PART else 32):
                _known.setdefault(name, _Known(stamp, Checksums(sha256, as_stored), settled=True))


def keep(base: Path, deploy: str, files: Iterable[Path]) -> None:
    """Keep what is known of these files for the next command. Where it can't be written they are read again then."""
    entries = {}
    for file in files:
        path = str(file.absolute())
        known = _known.get(path)
        if known is not None and known.settled and known.stamp.size >= LARGE:
            entries[path] = [*known.stamp, *known.sums]
    kept = _kept(base, deploy)
    if not entries and not kept.exists():
        return
    with contextlib.suppress(OSError, UnicodeError):
        _write(kept, json.dumps({"version": VERSION, "files": entries}, indent=0))


def _kept(base: Path, deploy: str) -> Path:
    return base / ".reconciler" / "checksums" / f"{deploy}.json"


def _safe(kept: Path) -> bool:
    """Somebody else's checkout could have it lead elsewhere, or to something that never ends."""
    places = (kept.parent.parent, kept.parent, kept)
    return not any(place.is_symlink() for place in places) and (not kept.exists() or stat.S_ISREG(kept.stat().st_mode))


def _write(kept: Path, text: str) -> None:
    if not _safe(kept) or (kept.exists() and kept.read_bytes() == text.encode()):
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    ignore = kept.parent / ".gitignore"
    if not ignore.exists() and not ignore.is_symlink():
        ignore.write_text("*\n", encoding="utf-8")
    handle, part = tempfile.mkstemp(dir=kept.parent, prefix=f"{kept.stem}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).replace(kept)
    except BaseException:
        Path(part).unlink()
        raise


def _read(path: Path) -> _Known:
    now = time.time_ns()
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with os.fdopen(handle, "rb") as file:
            before = _stamp(os.fstat(file.fileno()))
            sums, parts = _sums(file, before.size)
            after = _stamp(os.fstat(file.fileno()))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # reading names no file
    settled = before == after and max(before.modified, before.changed) + TICK < now
    return _Known(before, sums, settled, parts)


def _sums(file: BufferedReader, size: int) -> tuple[Checksums, tuple[bytes, ...]]:
    if size < PART:
        content = file.read()
        md5 = hashlib.md5(content, usedforsecurity=False)
        return Checksums(hashlib.sha256(content).hexdigest(), md5.hexdigest()), ()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_of_parts, file.fileno(), part_size(size))
        whole = hashlib.file_digest(file, "sha256").hexdigest()
        parts = reading.result()
    return Checksums(whole, hashlib.sha256(b"".join(parts)).hexdigest()), parts


def _of_parts(descriptor: int, part: int) -> tuple[bytes, ...]:
    """The SHA-256 of each part, which is so many whole blocks."""
    digests: list[bytes] = []
    offset = 0
    while True:
        digest, begin = hashlib.sha256(), offset
        while offset < begin + part and (block := os.pread(descriptor, BLOCK, offset)):
            digest.update(block)
            offset += len(block)
        if offset > begin:
            digests.append(digest.digest())
        if offset < begin + part:
            return tuple(digests)


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _is_hex(text: object, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and not set(text) - set("0123456789abcdef")
