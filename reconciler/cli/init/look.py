"""What is in a folder that a pipeline is to be made of: its Dockerfile, its data, its repository. Reads only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler import version as git

DATA = (".csv", ".csv.gz", ".parquet", ".feather", ".jsonl", ".ndjson")
PROGRAMS = ("train.py", "main.py", "app.py", "run.py")
SKIP = {"node_modules", "results", "output", "venv", "env", "build", "dist", "site-packages", "tests", "test"}
DEEP = 2  # folders below the first that are looked at
MANY = 5000  # files that are looked at


@dataclass(frozen=True)
class Found:
    """Paths are relative to the folder, with `/`.

    dockerfiles: sorted, those nearest first. data: files that look like data. program: a Python program that a
    Dockerfile could start, or empty. requirements: what pip would install for it. root: the folder of the git
    repository, or the folder itself. repository: OWNER/NAME on GitHub, or empty.
    project: GROUP/PROJECT on gitlab.com, or empty.
    """

    dockerfiles: tuple[str, ...]
    data: tuple[str, ...]
    program: str
    requirements: str
    root: Path
    repository: str
    project: str
    branch: str


def look(folder: Path) -> Found:
    """Look at the folder. Raises OSError when it can't be read."""
    files = [path for _, path in zip(range(MANY), _walk(folder, DEEP), strict=False)]
    here = [path.relative_to(folder).as_posix() for path in files]
    near = sorted(here, key=lambda name: (name.count("/"), name))
    names = set(near)
    root = Path(_git(folder, "rev-parse", "--show-toplevel") or folder)
    origin = _git(folder, "config", "--get", "remote.origin.url")
    head = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return Found(
        dockerfiles=tuple(name for name in near if name.rpartition("/")[2] == "Dockerfile"),
        data=tuple(name for name in near if name.lower().endswith(DATA)),
        program=next((name for name in PROGRAMS if name in names), ""),
        requirements=next((name for name in ("requirements.txt", "pyproject.toml") if name in names), ""),
        root=root,
        repository=path_on("github.com", origin, r"[^/\s]+/[^/\s]+?"),
        project=path_on("gitlab.com", origin, r"[^\s]+/[^/\s]+?"),
        branch=head.partition("/")[2] or "main",
    )


def path_on(host: str, url: str, path: str) -> str:
    """The path of a repository's address, such as OWNER/NAME; empty on any other host. path: its pattern."""
    way = r"(?:https://(?:[^/@]*@)?|ssh://git@|git@|git://)(?:www\.)?"
    match = re.fullmatch(rf"{way}{re.escape(host)}[:/]({path})(?:\.git)?/?", url)
    return match[1] if match else ""


def _walk(folder: Path, deep: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            yield Path(entry.path)
        elif deep and entry.name not in SKIP and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), deep - 1)


def _git(folder: Path, *arguments: str) -> str:
    try:
        return git.run(folder, *arguments).strip()
    except git.NoAnswer:
        return ""
