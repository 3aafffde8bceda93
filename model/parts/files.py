"""The files of data in parts: which there are, and which are read together."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from model import store
from model.errors import InputError

SUFFIX = ".parquet"
PIECE_BYTES = 8 * 2**20
"""Neighbouring files are read together up to so many bytes: some 160,000 hours, packed twice as many."""
PIECES_A_WORKER = 4
"""Files are read together only as far as each worker still gets so many pieces."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file of the data, and what shows that it changed."""

    uri: str
    size: int
    version: str
    folder: str = ""
    """In which the file was looked for, with a slash at its end."""

    @property
    def name(self) -> str:
        """Below the folder."""
        return self.uri.removeprefix(self.folder)


def is_folder(uri: str) -> bool:
    """Whether the data is a folder or a prefix (``s3://bucket/prefix/``, ``s3://bucket/begins-with*``): in parts."""
    return uri.endswith(("/", "*")) if store.is_s3(uri) else Path(uri).is_dir()


def is_hidden(name: str) -> bool:
    """Whether a file's name, or that of a folder which it is in, begins with a dot or ``_``: it isn't data."""
    return any(part.startswith((".", "_")) for part in name.split("/"))


def _counts(name: str) -> bool:
    return name.endswith(SUFFIX) and not is_hidden(name)


def listed(uri: str) -> list[File]:
    """The Parquet files of a folder or below a prefix, by name; hidden ones don't count.

    Raises:
        InputError: there are none, a folder may not be listed, or a file is a link that leads nowhere.
    """
    below = _in_s3(uri) if store.is_s3(uri) else _in_folder(Path(uri).resolve())
    files = [file for file in below if _counts(file.name)]
    if not files:
        raise InputError(f"no {SUFFIX} files in {uri}: data in parts is a folder or prefix of Parquet files")
    return sorted(files, key=lambda file: file.uri)


def of(uri: str) -> list[File]:
    """The files of the data: one, or those of a folder.

    Raises:
        InputError: a folder without any.
    """
    return listed(uri) if is_folder(uri) else [File(uri, 0, "")]


def _in_folder(folder: Path) -> Iterator[File]:
    """The files that count; links to folders are followed, and each folder is taken once."""
    top, seen = f"{str(folder).rstrip('/')}/", set()

    def refuse(error: OSError) -> None:
        raise InputError(f"can't list {error.filename}: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            names.clear()
            folders.clear()
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for path in (Path(place, name) for name in names if _counts(name)):
            if not path.exists():
                raise InputError(f"{path} is a link that leads nowhere: remove it, or bring the file back")
            status = path.stat()
            yield File(str(path), status.st_size, str(status.st_mtime_ns), top)


def _in_s3(uri: str) -> list[File]:
    bucket, prefix = store.split_s3(uri.removesuffix("*"))
    folder = f"s3://{bucket}/{prefix[: prefix.rfind('/') + 1]}"

    def pages() -> list[File]:
        answers = store.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            File(f"s3://{bucket}/{entry['Key']}", int(entry["Size"]), str(entry["ETag"]), folder)
            for page in answers
            for entry in page.get("Contents", ())
        ]

    return store.call_aws(f"list {uri}", pages)


def fingerprint(files: Sequence[File]) -> str:
    """A checksum of what the files are, not of their content."""
    return hashlib.sha256("\n".join(f"{f.uri} {f.size} {f.version}" for f in files).encode()).hexdigest()


def grouped(files: Sequence[File], workers: int) -> list[tuple[File, ...]]:
    """Neighbouring files that are read together, so that many small ones make few pieces."""
    size = min(PIECE_BYTES, sum(f.size for f in files) // (PIECES_A_WORKER * workers))
    groups: list[list[File]] = []
    for file in files:
        if not groups or sum(f.size for f in groups[-1]) + file.size > size:
            groups.append([])
        groups[-1].append(file)
    return [tuple(group) for group in groups]
