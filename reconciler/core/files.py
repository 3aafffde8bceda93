"""Reading a file that somebody else has put there: a link to a device has no end, and a pipe may have no beginning."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

FULL_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))  # why a file can't be written: there is no room
MOST = 1 << 24  # bytes: more than any Dockerfile or list of patterns has


def read_file(path: Path, most: int = MOST) -> bytes:
    """The content of a regular file, or of one that a link leads to. most: bytes.

    Raises OSError, also for anything but a regular file and for one with more in it; waits for nobody.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    with os.fdopen(handle, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20} MiB", str(path))
    return content
