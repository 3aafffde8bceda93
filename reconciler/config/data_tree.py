"""Which files a folder or a pattern of `data:` names. Reads names only, never a file's content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.config.storage import DataFile
from reconciler.core.errors import UserError
from reconciler.core.limits import OBJECT_KEY

MOST = 100_000  # files of one entry


@dataclass(frozen=True)
class Here:
    """A file of this machine. key: its name in the bucket."""

    key: str
    path: Path


class Refused(UserError):
    """A file that can't be uploaded. `message` names it."""


def files_of(data: DataFile, base: Path) -> list[Here]:
    """The files that one entry names, in the order in which S3 lists their keys.

    base: the folder of deploy.yaml. Names that begin with a dot are left out unless the pattern has that dot, as in a
    shell. A link counts as the file that it leads to, if that is below the same folder. Raises Refused.
    """
    if not data.tree:
        return [Here(str(data.key), base / data.file)]
    top, wanted = base / data.folder, _pattern(data.pattern)
    named = (name for name in _walk(top) if wanted.fullmatch(name))
    files = [Here(data.prefix + name, top / name) for name in islice(named, MOST + 1)]
    if len(files) > MOST:
        raise Refused(f"it names more than {MOST:,} files", hint="pack them into archives")
    for file in files:
        _check(file, top)
    return sorted(files, key=lambda file: os.fsencode(file.key))


def _walk(top: Path) -> Iterator[str]:
    """What isn't a folder, as paths below the top with slashes. No link to a folder is followed."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(top / inside) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{inside}{entry.name}/")
                    else:
                        yield inside + entry.name
        except OSError as error:
            reason = f"{ascii(str(top / inside))[1:-1]} can't be read: {error.strerror}"
            raise Refused(reason, hint="allow reading it, or name the files by a pattern that leaves it out") from None


def _check(file: Here, top: Path) -> None:
    shown = ascii(str(file.path))[1:-1]
    try:
        size = len(file.key.encode())
    except UnicodeEncodeError:
        raise Refused(f"the name of {shown} isn't UTF-8, which S3 needs", hint="rename it") from None
    if not file.key.isprintable():
        raise Refused(f"the name of {shown} has characters that can't be shown", hint="rename it")
    if size > OBJECT_KEY.most:
        raise Refused(
            f"{shown} makes a key of {size} bytes, and S3 takes {OBJECT_KEY.most}",
            hint="rename it, or give a shorter key:",
        )
    if file.path.is_symlink():
        target = Path(os.path.realpath(file.path))  # resolve() raises for a link to itself
        if not target.is_relative_to(top.resolve()):
            raise Refused(
                f"{shown} is a link that leads out of the folder",
                hint="put the file there, or name it by itself in data:",
            )
        if target.is_dir():
            raise Refused(f"{shown} is a link to a folder", hint="put the files there, or remove the link")
        if not target.exists():
            raise Refused(f"{shown} is a link to a file that doesn't exist", hint="remove it")
    if not file.path.is_file():
        raise Refused(f"{shown} is not a regular file", hint="remove it, or name the files by a pattern")


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of paths: `*` and `?` within a name, `**` for any folders; none of them for a dot at a beginning."""
    parts, words = [], text.split("/")
    for i, word in enumerate(words):
        last = i == len(words) - 1
        if word == "**":
            parts.append(r"(?:[^./][^/]*/)*" + (r"[^./][^/]*" if last else ""))
        else:
            inner = "".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in re.sub(r"\*+", "*", word))
            parts.append(("" if word.startswith(".") else r"(?!\.)") + inner + ("" if last else "/"))
    return re.compile("".join(parts), re.DOTALL)
