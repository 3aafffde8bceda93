"""Copy what a run wrote from the bucket to a folder of its own.

The keys are the program's: they may name anything. Each becomes a file below the run's folder or isn't copied, and
every folder and file is opened from the one above it, never through a link, whoever put that there.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, Gone, Unreachable
from reconciler.core.run_paths import is_run_id, output_prefix
from reconciler.core.text import has_control
from reconciler.run.run import Run
from reconciler.run.run_record import Runs

NOTE = "NOT-COPIED.txt"  # in the run's folder while not all is copied: which keys, and why
UNSEEN = re.compile("[\u200c-\u200f]")  # what HFS+ looks past, of what a key may have
UNFINISHED = "The copy of these results was not finished.\n"
# What would make a folder a repository: its settings name commands, which are run for whoever works there.
REPOSITORIES = (".git", ".hg", ".sl", ".jj", ".bzr", ".pijul", "_darcs")
# git takes any folder with these for one, whatever it is called.
BARE = ({"head", "objects", "refs"}, {"head", "commondir"})


@dataclass(frozen=True)
class Copied:
    """What became of the results. folder: where they are; files: paths in it; missed: (key, why it isn't copied); gone:
    the bucket is, with them.
    """

    folder: Path
    files: list[str] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    gone: bool = False

    @property
    def count(self) -> int:
        """The bytes of all results."""
        return len(self.files) + len(self.missed)


COMMANDS = "it would make its folder a repository, whose settings can run commands"


class _Unsafe(OSError):
    """A key is no name of a file here; the text says why."""


def fetch(aws: Aws, runs: Runs, run: Run, folder: Path) -> Copied:
    """Copy a run's output to `folder`/ID. What can't be copied is said in the result, and in a file there.

    Raises AwsError where the results can't be listed; OSError where the run's folder can't be made, or is a link.
    """
    if not is_run_id(run.id):
        raise ValueError(run.id)
    prefix = f"{output_prefix(run.id)}/"
    objects = aws.find_all("s3", "ListObjectsV2", "Contents", Bucket=runs.bucket, Prefix=prefix)
    if objects is None:
        raise Gone("s3", "ListObjectsV2", "NoSuchBucket", f"there is no bucket {runs.bucket} any more")
    # S3's console marks a folder with an empty object.
    markers = {s3_object["Key"] for s3_object in objects if s3_object["Key"].endswith("/") and not s3_object["Size"]}
    names = [s3_object["Key"].removeprefix(prefix) for s3_object in objects if s3_object["Key"] not in markers]
    copied = Copied(folder / run.id)
    if not names and not (folder / run.id).exists():
        return copied
    folder.mkdir(parents=True, exist_ok=True)
    with _open(os.open(folder, os.O_RDONLY | os.O_DIRECTORY)) as base, _inside(base, run.id) as top:
        _say(top, UNFINISHED)
        bare = _repositories(names)
        files: set[str] = set()
        own_files: set[tuple[int, int]] = set()
        for number, name in enumerate(names):
            get = partial(_download, aws, runs.bucket, prefix + name)
            try:
                parts = _parts(name, bare)
                _write(top, parts, get, own_files)
            except AwsError as error:
                copied.missed.append((name, str(error)))
                if isinstance(error, Unreachable):
                    copied.missed.extend((skipped, "AWS can't be reached") for skipped in names[number + 1 :])
                    break
            except OSError as error:
                copied.missed.append((name, error.strerror or str(error)))
            else:
                files.add("/".join(parts))
        copied.files.extend(sorted(files))
        _say(top, _listed(copied) if copied.missed else "")
    return copied


def _download(aws: Aws, bucket: str, key: str, file: BinaryIO) -> None:
    aws.transfer("download_fileobj", Bucket=bucket, Key=key, Fileobj=file)


def is_whole(folder: Path) -> bool | None:
    """Whether a run's folder has all its results; None where there is none."""
    if not folder.is_dir() or folder.is_symlink():
        return None
    return not os.path.lexists(folder / NOTE)


def shown(key: str) -> str:
    """A key for people, on one line and without anything that a terminal would do."""
    text = ascii(key)
    return text if len(text) <= 120 else f"{text[:100]}…{text[-19:]}"


def _listed(copied: Copied) -> str:
    lines = [f"{len(copied.files)} of {copied.count} results are copied. These are only in the bucket:", ""]
    return "\n".join([*lines, *(f"{shown(name)}: {why}" for name, why in copied.missed)]) + "\n"


def _repositories(names: Iterable[str]) -> set[str]:
    """The folders, as `_folded` has them, that would be repositories if all of these files were in them."""
    inside: dict[str, set[str]] = defaultdict(set)
    for name in names:
        parts = [part for part in _folded(name).split("/") if part not in ("", ".")]
        for at, part in enumerate(parts):
            if any(part in telling for telling in BARE):
                inside["/".join(parts[:at])].add(part)
    return {folder for folder, present in inside.items() if any(telling <= present for telling in BARE)}


def _folded(name: str) -> str:
    """A name as a file system compares it that takes upper and lower case for the same, or looks past what joins."""
    return UNSEEN.sub("", name).casefold()


def _parts(name: str, bare: Container[str]) -> list[str]:
    """The folders and the file that a key names. bare: what `_repositories` gives. Raises _Unsafe."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _Unsafe("`..` leads out of a folder")
    if name.endswith("/"):
        raise _Unsafe("it names a folder, and has content")
    if has_control(name):
        raise _Unsafe("a name with control characters")
    if parts and _folded(parts[0]) == _folded(NOTE):
        raise _Unsafe("the name of the list of what isn't copied")
    if any(_folded(part).rstrip(". ") in REPOSITORIES for part in parts):
        raise _Unsafe("the folder of a repository, whose settings can run commands")
    if parts and _folded(parts[-1]) == "head" and _folded("/".join(parts[:-1])) in bare:
        raise _Unsafe(COMMANDS)
    if not parts:
        raise _Unsafe("it names no file")
    return parts


def _check_no_repository(folder: int, name: str) -> None:
    """Raises _Unsafe where this name completes a repository in an open folder: with what an earlier copy has left."""
    for telling in BARE:
        if _folded(name) in telling and all(_is_in(folder, other) for other in telling - {_folded(name)}):
            raise _Unsafe(COMMANDS)


def _is_in(folder: int, name: str) -> bool:
    try:
        os.stat(name if name != "head" else "HEAD", dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write(top: int, parts: list[str], get: Callable[[BinaryIO], object], own_files: set[tuple[int, int]]) -> None:
    """Write a file in a folder, whole or not at all; what is there by this name is replaced, and never written to.

    own_files: the files of this copy, which aren't replaced: two keys may be one name to a file system that takes upper
    and lower case, or two ways to write an accent, for the same.
    """
    *folders, name = parts
    with contextlib.ExitStack() as opened:
        parent = top
        for folder in folders:
            parent = opened.enter_context(_inside(parent, folder))
        _check_no_repository(parent, name)
        with contextlib.suppress(FileNotFoundError):
            existing = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(existing.st_mode):
                raise _Unsafe("there is a folder of this name")
            if (existing.st_dev, existing.st_ino) in own_files:
                raise _Unsafe("another key has the same name here")
        part = f".{uuid.uuid4().hex}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(part, flags, 0o666, dir_fd=parent), "wb") as file:
                get(file)
                status = os.fstat(file.fileno())
            os.replace(part, name, src_dir_fd=parent, dst_dir_fd=parent)
            own_files.add((status.st_dev, status.st_ino))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=parent)
            raise


@contextlib.contextmanager
def _inside(above: int, name: str) -> Iterator[int]:
    """A folder in an open one, which is made if it isn't there. Raises OSError, also for a link or a file."""
    _check_no_repository(above, name)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    except OSError as error:
        kind = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
        obstacle = "a symbolic link" if stat.S_ISLNK(kind) else "" if stat.S_ISDIR(kind) else "no folder"
        raise OSError(error.errno, f"{shown(name)} is {obstacle}" if obstacle else error.strerror) from None
    with _open(descriptor):
        yield descriptor


@contextlib.contextmanager
def _open(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _say(top: int, text: str) -> None:
    """Have the file that says what isn't copied say this; empty takes it away."""
    if text:
        _write(top, [NOTE], lambda file: file.write(text.encode()), set())
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NOTE, dir_fd=top)
