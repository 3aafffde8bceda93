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
from collections.abc import Callable, Iterable
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


class _Stamp(NamedTuple):
    size: int  # bytes
    modified: int  # nanoseconds since the epoch
    changed: int  # nanoseconds since the epoch
    inode: int


class _Checksums(NamedTuple):
    stamp: _Stamp
    sha256: str  # in hex, as what follows
    as_stored: str  # empty for a small file until it is asked for
    settled: bool  # it was old when it was read, so its times tell of any later change
    parts: tuple[bytes, ...] = ()  # the SHA-256 of each part, as long as this process lasts


_cache: dict[str, _Checksums] = {}  # by absolute path, for as long as this process lasts


def sha256_of(file: Path | str) -> str:
    """The SHA-256 of a file's content, in hex; it is read only if it isn't known or isn't as it was. Raises OSError."""
    return _current(Path(file).absolute()).sha256


def as_stored(file: Path | str) -> str:
    """What S3 tells of a file that it has, in hex: the MD5, or if it went up in parts the SHA-256 of their SHA-256.

    Of a small file the MD5 is read when it is first asked for. Empty where the file changes meanwhile, or is gone.
    Raises OSError.
    """
    path = Path(file).absolute()
    try:
        entry = _current(path)
        if entry.as_stored:
            return entry.as_stored
        tag = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        return tag if told(path, entry.sha256, tag) else ""
    except (FileNotFoundError, NotADirectoryError):
        return ""


def told(file: Path | str, sha256: str, tag: str) -> bool:
    """Know what S3 tells of a file's content of this SHA-256. Returns whether that is what the file still has."""
    path = Path(file).absolute()
    entry = _cache.get(str(path))
    if entry is None or entry.sha256 != sha256 or entry.stamp != _stamp(path.stat()):
        return False
    _cache[str(path)] = entry._replace(as_stored=tag)
    return True


def read_all(files: Iterable[Path], reader: Callable[[Path], str] = sha256_of) -> None:
    """Read those of these files that aren't known, if they are much, with all processors. Raises OSError.

    reader: `sha256_of` or `as_stored`, whatever is to be known.
    """
    unknown = [file for file in files if not as_known(file) or not (reader is sha256_of or _current(file).as_stored)]
    workers = min(os.cpu_count() or 1, len(unknown))
    if workers < 2 or sum(file.stat().st_size for file in unknown) < MUCH:
        return  # they are read when their checksums are asked for
    with ThreadPoolExecutor(workers) as pool:  # hashing a large block lets other threads go on
        for _ in pool.map(lambda some: [reader(file) for file in some], (unknown[n::workers] for n in range(workers))):
            pass


def _current(path: Path) -> _Checksums:
    entry = _cache.get(str(path))
    if entry is None or entry.stamp != _stamp(path.stat()):
        entry = _cache[str(path)] = _read(path)
    return entry


def part_digests(file: Path | str) -> tuple[bytes, ...]:
    """The SHA-256 of each part in which a file is uploaded; none where it wasn't read by this process."""
    entry = _cache.get(str(Path(file).absolute()))
    return entry.parts if entry else ()


def as_known(file: Path | str) -> bool:
    """Whether a file is still as it was when its checksums were read or looked up. It isn't read."""
    path = Path(file).absolute()
    entry = _cache.get(str(path))
    try:
        return entry is not None and entry.stamp == _stamp(path.stat())
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
        _cache.pop(str(file.absolute()), None)


def recall(base: Path, deploy: str) -> None:
    """Know what `keep` kept for a deploy. base: the folder of deploy.yaml. What can't be read, or is no such thing,
    costs the files being read again.
    """
    cache_file = _kept(base, deploy)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        if not _safe(cache_file):
            return
        with cache_file.open("rb") as file:
            content = plain_json.read(file.read(MOST + 1), MOST)
        if content["version"] != VERSION:
            return
        for name, (size, modified, changed, inode, sha256, tag) in content["files"].items():
            stamp = _Stamp(int(size), int(modified), int(changed), int(inode))
            if _is_hex(sha256, 64) and _is_hex(tag, 64 if stamp.size >= PART else 32):
                _cache.setdefault(name, _Checksums(stamp, sha256, tag, settled=True))


def keep(base: Path, deploy: str, files: Iterable[Path]) -> None:
    """Keep what is known of these files for the next command. Where it can't be written they are read again then."""
    entries = {}
    for file in files:
        path = str(file.absolute())
        entry = _cache.get(path)
        if entry is not None and entry.settled and entry.stamp.size >= LARGE:
            entries[path] = [*entry.stamp, entry.sha256, entry.as_stored]
    cache_file = _kept(base, deploy)
    if not entries and not cache_file.exists():
        return
    with contextlib.suppress(OSError, UnicodeError):
        _write(cache_file, json.dumps({"version": VERSION, "files": entries}, indent=0))


def _kept(base: Path, deploy: str) -> Path:
    return base / ".reconciler" / "checksums" / f"{deploy}.json"


def _safe(cache_file: Path) -> bool:
    """Somebody else's checkout could have it lead elsewhere, or to something that never ends."""
    places = (cache_file.parent.parent, cache_file.parent, cache_file)
    return not any(place.is_symlink() for place in places) and (
        not cache_file.exists() or stat.S_ISREG(cache_file.stat().st_mode)
    )


def _write(cache_file: Path, text: str) -> None:
    if not _safe(cache_file) or (cache_file.exists() and cache_file.read_bytes() == text.encode()):
        return
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    ignore = cache_file.parent / ".gitignore"
    if not ignore.exists() and not ignore.is_symlink():
        ignore.write_text("*\n", encoding="utf-8")
    handle, part = tempfile.mkstemp(dir=cache_file.parent, prefix=f"{cache_file.stem}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).replace(cache_file)
    except BaseException:
        Path(part).unlink()
        raise


def _read(path: Path) -> _Checksums:
    now = time.time_ns()
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with os.fdopen(handle, "rb") as file:
            before = _stamp(os.fstat(file.fileno()))
            sha256, tag, parts = _read_checksums(file, before.size)
            after = _stamp(os.fstat(file.fileno()))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # reading names no file
    settled = before == after and max(before.modified, before.changed) + TICK < now
    return _Checksums(before, sha256, tag, settled, parts)


def _read_checksums(file: BufferedReader, size: int) -> tuple[str, str, tuple[bytes, ...]]:
    """The SHA-256, what S3 tells of it as far as it is reckoned by now, and the SHA-256 of each part."""
    if size < PART:
        content = file.read()
        # Of what is small the MD5 takes most of the time, and isn't needed where nothing is in S3 yet.
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() if size >= LARGE else ""
        return hashlib.sha256(content).hexdigest(), md5, ()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_of_parts, file.fileno(), part_size(size))
        whole = hashlib.file_digest(file, "sha256").hexdigest()
        parts = reading.result()
    return whole, hashlib.sha256(b"".join(parts)).hexdigest(), parts


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
