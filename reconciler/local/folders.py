"""The folder of the embedded AWS is this user's alone: nothing in the way to it leads elsewhere.

A checkout can hold `.reconciler/local` as a symbolic link, or another user of the machine can have made it first.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.local.seal import KEPT, OBJECTS, PASSING

FOLDERS = ("images", "tasks", "functions", KEPT, OBJECTS, PASSING)
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
WITHIN = (*FOLDERS, "server.json", "server.log", "lock", ".gitignore")


class UnsafeFolder(Exception):
    """A folder or file that can't be trusted; the text names it and what to do."""


def safe_home(home: Path) -> None:
    """Raises UnsafeFolder unless `.reconciler`, the folder in it and what is kept there are this user's, and no links.

    home: may not be there yet. Only `.reconciler` and below are looked at: the project may be anywhere. Who could
    exchange what is in them after it was looked at can't any more: others may not write to the two folders.
    """
    above = [home.parent] if home.parent.name == ".reconciler" else []
    for path in (*above, home):
        _check(path, folder=True)
        _keep_others_out(path)
    for name in WITHIN:
        _check(home / name, folder=name in FOLDERS)


def _keep_others_out(folder: Path) -> None:
    """Take the right to write from others, as they could replace what is in it. Raises UnsafeFolder."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # not there yet, or not to be read: then nothing in it is either
    try:
        status = os.fstat(handle)
        if status.st_mode & OTHERS_WRITE and not status.st_mode & stat.S_ISVTX:
            os.fchmod(handle, stat.S_IMODE(status.st_mode) & ~OTHERS_WRITE)
    except OSError:
        raise UnsafeFolder(
            f"Other users can write to {folder} and replace the embedded AWS's files there. Take that right away with "
            f"`chmod go-w {folder}`."
        ) from None
    finally:
        os.close(handle)


def _check(path: Path, *, folder: bool) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnsafeFolder(f"The embedded AWS can't use the folder {path.parent}: {error.strerror}.") from None
    if stat.S_ISLNK(status.st_mode):
        raise UnsafeFolder(
            f"{path} is a symbolic link (to {str(path.readlink())!r}), and the embedded AWS would write and delete "
            f"there. Remove it with `rm {path}`. If you didn't make it, first look what else came with it."
        )
    if status.st_uid not in (os.getuid(), 0):
        raise UnsafeFolder(
            f"{path} belongs to another user (uid {status.st_uid}), who could read or change the embedded AWS's files "
            f"there. Remove it, or make it yours with `chown -R {os.getuid()} {path}`."
        )
    if stat.S_ISDIR(status.st_mode) != folder:
        right = "folder" if folder else "file"
        raise UnsafeFolder(f"The embedded AWS can't use the folder {path.parent}: {path.name} should be a {right}.")
    if status.st_mode & OTHERS_WRITE and path.name == "server.json":
        raise UnsafeFolder(f"Other users can write to {path}. Take that right away with `chmod go-w {path}`.")
