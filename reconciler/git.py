"""The commit of the folder that deploy.yaml is in."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit(folder: Path) -> str | None:
    """The full hash of HEAD, with `-dirty` when tracked or new files differ from it; None without git or a commit."""
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if not head:
        return None
    # New files count too: a build sends them as it sends the others.
    changes = _git(folder, "status", "--porcelain")
    return f"{head}-dirty" if changes or changes is None else head


def _git(folder: Path, *arguments: str) -> str | None:
    # Without optional locks, since reading must not write the index.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
