"""Which files a folder or a pattern of `data:` names. Reads names only, never a file's content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.config.storage import DataFile
from reconciler.core.errors import UserError
from reconciler.core.limits import OBJECT_KEY
from reconciler.core.run_paths import is_run_id
from reconciler.core.text import has_control
from reconciler.core.wildcard import matches

MOST = 100_000  # files of one entry


@dataclass(frozen=True)
class Here:
    """A file of this machine. key: its name in the bucket."""

    key: str
    path: Path


class Refused(UserError):
    """A file that can't be uploaded. `message` names it."""


def files_of(data: DataFile, base: Path, results: str | None) -> list[Here]:
    """The files that one entry names, in the order in which S3 lists their keys.

    base: the folder of deploy.yaml; results: the folder in it that results are copied to. The folders of runs in it
    are left out unless the entry names one: what one run wrote isn't the data of the next. Names that begin with a
    dot are left out unless the pattern has that dot, as in a shell. A link counts as the file that it leads to, if
    that is below the same folder. What no name of the pattern can be in isn't looked into. Raises Refused.
    """
    if not data.tree:
        return [Here(str(data.key), base / data.file)]
    top = base / data.folder
    walk = _walk(top, data.pattern.split("/"), _below(top, base / results) if results else "")
    files = [Here(data.prefix + name, top / name) for name in islice(walk, MOST + 1)]
    if len(files) > MOST:
        raise Refused(f"it names more than {MOST:,} files", hint="pack them into archives")
    for file in files:
        _check(file, top)
    return sorted(files, key=lambda file: os.fsencode(file.key))


def _below(top: Path, folder: Path) -> str:
    """The path of a folder from the top, as their names are; empty where it isn't below."""
    path = Path(os.path.relpath(folder, top))
    return "" if path.parts[:1] in ((), (os.pardir,)) else str(path)


def _walk(top: Path, words: Sequence[str], left_out: str) -> Iterator[str]:
    """The names below the top that a pattern is of. words: the pattern, split at its slashes; left_out: where
    folders of runs aren't looked into. No link to a folder is followed: one that the pattern leads into is refused.
    """
    waiting = [("", _begin(words, {0}))]
    while waiting:
        inside, at = waiting.pop()
        try:
            with os.scandir(top / inside) as entries:
                for entry in entries:
                    if left_out and inside == f"{left_out}/" and is_run_id(entry.name):
                        continue
                    if left_out and inside + entry.name == left_out and entry.is_symlink():
                        continue
                    after = _after(words, at, entry.name)
                    further = any(place < len(words) for place in after)
                    if entry.is_dir(follow_symlinks=False):
                        if further:
                            waiting.append((f"{inside}{entry.name}/", after))
                    elif len(words) in after:
                        yield inside + entry.name
                    elif further and _is_folder(entry):
                        raise _link_to_folder(ascii(entry.path)[1:-1])
        except OSError as error:
            reason = f"{ascii(str(top / inside))[1:-1]} can't be read: {error.strerror}"
            raise Refused(reason, hint="allow reading it, or name the files by a pattern that leaves it out") from None


def _begin(words: Sequence[str], places: set[int]) -> set[int]:
    """These places of a pattern, and those that follow where `**` stands for no folder."""
    for place in sorted(places):
        while place < len(words) - 1 and words[place] == "**":
            place += 1
            places.add(place)
    return places


def _after(words: Sequence[str], at: set[int], name: str) -> set[int]:
    """Where in a pattern one is after a name, from these places; its length: at the end."""
    places = set()
    for place in at:
        if place < len(words) and is_of(words[place], name):
            places.add(place + 1)
            if words[place] == "**":
                places.add(place)
    return _begin(words, places)


def is_of(word: str, name: str) -> bool:
    """Whether a name is one of a word of a pattern: `*` and `?` stand for anything but a dot at its beginning."""
    return (word.startswith(".") or not name.startswith(".")) and matches(word, name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _link_to_folder(printable_path: str) -> Refused:
    return Refused(f"{printable_path} is a link to a folder", hint="put the files there, or remove the link")


def _check(file: Here, top: Path) -> None:
    printable_path = ascii(str(file.path))[1:-1]
    try:
        size = len(file.key.encode())
    except UnicodeEncodeError:
        raise Refused(f"the name of {printable_path} isn't UTF-8, which S3 needs", hint="rename it") from None
    if has_control(file.key):
        raise Refused(
            f"the name of {printable_path} has control characters, or others that are never seen", hint="rename it"
        )
    if size > OBJECT_KEY.most:
        raise Refused(
            f"{printable_path} makes a key of {size} bytes, and S3 takes {OBJECT_KEY.most}",
            hint="rename it, or give a shorter key:",
        )
    if file.path.is_symlink():
        target = Path(os.path.realpath(file.path))  # resolve() raises for a link to itself
        if not target.is_relative_to(top.resolve()):
            raise Refused(
                f"{printable_path} is a link that leads out of the folder",
                hint="put the file there, or name it by itself in data:",
            )
        if target.is_dir():
            raise _link_to_folder(printable_path)
        if not target.exists():
            raise Refused(f"{printable_path} is a link to a file that doesn't exist", hint="remove it")
    if not file.path.is_file():
        raise Refused(f"{printable_path} is not a regular file", hint="remove it, or name the files by a pattern")
