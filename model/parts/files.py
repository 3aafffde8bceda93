"""The files of data in parts: which there are, and reading them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from model import data, store
from model.data import Data
from model.errors import InputError
from model.reading import Reading

SUFFIX = ".parquet"
PIECE_BYTES = 8 * 2**20
"""Neighbouring files are read together up to so many bytes: some 250,000 hours."""
PIECES_A_WORKER = 4
"""Files are read together only as far as each worker still gets so many pieces."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file of the data, and what shows that it changed."""

    uri: str
    size: int
    version: str

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.uri.rpartition("/")[2]


def is_folder(uri: str) -> bool:
    """Whether the data is a folder or a prefix (``s3://bucket/prefix/``, ``s3://bucket/begins-with*``): in parts."""
    return uri.endswith(("/", "*")) if store.is_s3(uri) else Path(uri).is_dir()


def listed(uri: str) -> list[File]:
    """The Parquet files of a folder or below a prefix, by name; names that begin with a dot or ``_`` don't count.

    Raises:
        InputError: there are none, or they may not be listed.
    """
    found = [f for f in (_in_s3(uri) if store.is_s3(uri) else _in_folder(Path(uri))) if f.name.endswith(SUFFIX)]
    found = [f for f in found if not f.name.startswith((".", "_"))]
    if not found:
        raise InputError(f"no {SUFFIX} files in {uri}: data in parts is a folder or prefix of Parquet files")
    return sorted(found, key=lambda file: file.uri)


def of(uri: str) -> list[File]:
    """The files of the data: one, or those of a folder.

    Raises:
        InputError: a folder without any.
    """
    return listed(uri) if is_folder(uri) else [File(uri, 0, "")]


def _in_folder(folder: Path) -> Iterator[File]:
    for path in folder.rglob(f"*{SUFFIX}"):
        known = path.stat()
        yield File(str(path.resolve()), known.st_size, str(known.st_mtime_ns))


def _in_s3(uri: str) -> list[File]:
    bucket, prefix = store.split_s3(uri.removesuffix("*"))

    def pages() -> list[File]:
        found = store.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            File(f"s3://{bucket}/{each['Key']}", int(each["Size"]), str(each["ETag"]))
            for page in found
            for each in page.get("Contents", ())
        ]

    return store.call_aws(f"list {uri}", pages)


def fingerprint(files: Sequence[File]) -> str:
    """A checksum of what the files are, not of their content."""
    return hashlib.sha256("\n".join(f"{f.uri} {f.size} {f.version}" for f in files).encode()).hexdigest()


def grouped(files: Sequence[File], workers: int) -> list[tuple[File, ...]]:
    """Neighbouring files that are read together, so that many small ones make few pieces."""
    size = min(PIECE_BYTES, sum(f.size for f in files) // (PIECES_A_WORKER * workers))
    made: list[list[File]] = []
    for file in files:
        if not made or sum(f.size for f in made[-1]) + file.size > size:
            made.append([])
        made[-1].append(file)
    return [tuple(group) for group in made]


@contextlib.contextmanager
def fetched(files: Sequence[File], max_bytes: int) -> Iterator[list[Path]]:
    """The files as local paths, for the time of the block."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(store.fetched(file.uri, max_bytes)) for file in files]


def read(files: Sequence[File], how: Reading, now: dt.datetime, least: int = 2) -> Data:
    """Read, mend and check files that follow each other, as `data.load` does one.

    Raises:
        InputError: a file can't be used; names it.
    """
    try:
        with fetched(files, how.max_bytes) as paths:
            return data.load_files(paths, how, now, least)
    except InputError as error:
        last = f" to {files[-1].name}" if len(files) > 1 else ""
        raise InputError(f"{files[0].name}{last}: {error}") from error
