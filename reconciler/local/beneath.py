"""Copying into an image's folder, where links lead nowhere but below it, as they do in a container."""

from __future__ import annotations

import posixpath
import shutil
from pathlib import Path

MOST_LINKS = 40


class Outside(Exception):
    """A path that leads out of the folder."""


def beneath(root: Path, inside: str, top: str = "/") -> Path:
    """The path of `inside` below `root`, with every link in it followed as if root were the folder `top` of a system.

    What isn't there yet counts as no link. Raises Outside.
    """
    todo, parts, links = inside.split("/")[::-1], list[str](), 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not parts:
                raise Outside(inside)
            parts.pop()
        elif part not in ("", "."):
            path = root.joinpath(*parts, part)
            if not path.is_symlink():
                parts.append(part)
                continue
            links += 1
            to = str(path.readlink())
            if links > MOST_LINKS:
                raise Outside(inside)
            if to.startswith("/"):
                to, parts = posixpath.relpath(posixpath.normpath(to), top), []
            todo += to.split("/")[::-1]
    return root.joinpath(*parts)


def copy_beneath(source: Path, root: Path, inside: str, top: str, *, into_folder: bool) -> None:
    """Copy a file, a link as a link, or what is in a folder. Raises Outside, OSError."""
    target = beneath(root, inside, top)
    if source.is_dir() and not source.is_symlink():
        _merge(source, target, root, top)
        return
    target = target / source.name if into_folder or target.is_dir() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    _put(source, target)


def _merge(source: Path, target: Path, root: Path, top: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        to = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            _merge(entry, beneath(root, str(to.relative_to(root)), top), root, top)
        else:
            _put(entry, to)
    shutil.copystat(source, target)


def _put(source: Path, target: Path) -> None:
    """A file or link takes the place of what is there; nothing is written through a link."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)
