"""Which process a process id means, since ids are used again, and whose a port is."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

LISTENING = "0A"  # in /proc/net/tcp


def birth(pid: int) -> str:
    """A text that no other process of this machine has had; empty for one that has ended or is a zombie."""
    if sys.platform == "linux":
        return _birth_by_proc(pid)
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        words = subprocess.run(  # noqa: S603 - fixed arguments and a number
            ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={"LC_ALL": "C", "TZ": "UTC"},
        ).stdout.split(maxsplit=1)
        if len(words) == 2 and not words[0].startswith("Z"):
            return words[1].strip()
    return ""


def _birth_by_proc(pid: int) -> str:
    try:
        # After the name, which may have blanks and parentheses: the state first, and the start 19 fields later.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return "" if fields[0] in (b"Z", b"X") else f"{boot}/{int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""


def is_ours(pid: int) -> bool:
    """Whether a process runs as this user."""
    try:
        os.kill(pid, 0)
        return sys.platform != "linux" or Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def listener(port: int) -> int | None:
    """The uid that listens on this port of 127.0.0.1; -1 where nobody does, None where the system doesn't say."""
    address = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}:{port:04X}"
    try:
        # Line by line: who listens is listed first, and of what was connected there may be thousands.
        with Path("/proc/self/net/tcp").open() as lines:
            rows = (line.split() for line in lines)
            return next((int(row[7]) for row in rows if row[1] == address and row[3] == LISTENING), -1)
    except OSError:
        return None
