"""Copying into an image's folder, where links lead nowhere but below it, as they do in a container."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
from collections.abc import Callable
from pathlib import Path

MOST_LINKS = 40


class Outside(Exception):
    """A path that leads out of the folder."""


def beneath(root: Path, inside: str, top: str = "/") -> Path:
    """The path of `inside` below `root`, with every link in it followed as if root were the folder `top` of a system.

    What isn't there yet counts as no link. Raises Outside.
    """

    def link(path: str) -> str | None:
        here = root / path
        return str(here.readlink()) if here.is_symlink() else None

    return root.joinpath(*follow(inside, top, link))


def follow(inside: str, top: str, link: Callable[[str], str | None]) -> list[str]:
    """The parts of a path below the folder `top`, with every link followed. Raises Outside.

    link: where a path leads that is a link, else None.
    """
    todo, parts, links = inside.split("/")[::-1], list[str](), 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not parts and top != "/":  # the root's parent is the root
                raise Outside(inside)
            parts = parts[:-1]
        elif part not in ("", "."):
            to = link("/".join([*parts, part]))
            if to is None:
                parts.append(part)
                continue
            links += 1
            if links > MOST_LINKS:
                raise Outside(inside)
            if to.startswith("/"):
                to, parts = posixpath.relpath(posixpath.normpath(to), top), []
            todo += to.split("/")[::-1]
    return parts


def copy_beneath(
    source: Path, root: Path, inside: str, top: str, *, into_folder: bool, name: str | None = None
) -> list[Path]:
    """Copy a file, a link as a link, or what is in a folder. Returns what was put there. Raises Outside, OSError.

    name: of the file in a folder, if it isn't the source's.
    """
    target = beneath(root, inside, top)
    copied: list[Path] = []
    if source.is_dir() and not source.is_symlink():
        _merge(source, target, root, top, copied)
        return copied
    target = target / (name or source.name) if into_folder or target.is_dir() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    _put(source, target, copied)
    return copied


def _merge(source: Path, target: Path, root: Path, top: str, copied: list[Path]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        to = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            to = beneath(root, str(to.relative_to(root)), top)
            _merge(entry, to, root, top, copied)
            copied.append(to)
        else:
            _put(entry, to, copied)
    shutil.copystat(source, target)


def _put(source: Path, target: Path, copied: list[Path]) -> None:
    """A file or link takes the place of what is there; nothing is written through a link."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    shutil.copy2(source, target, follow_symlinks=False)
    copied.append(target)
