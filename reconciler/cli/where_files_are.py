"""Where a file is that a program didn't find: in S3 as data, or in the build context and not in the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from reconciler.config import Deploy
from reconciler.config.storage import DataFile
from reconciler.core.errors import ReconcilerError
from reconciler.image.dockerignore import read_ignore


def of_data(deploy: Deploy, name: str) -> str:
    """How the program reads a file of `data:` that it looked for by this path; empty if it is none."""
    path = PurePosixPath(name)
    for number, entry in enumerate(deploy.data.files):
        if place := _place(deploy, entry, path, first=number == 0):
            return (
                f"it is in S3, and not in the image: read {place}; S3_BUCKET and S3_KEY are variables of the program "
                "(with boto3: s3.download_file(bucket, key, file))"
            )
    return ""


def _place(deploy: Deploy, entry: DataFile, path: PurePosixPath, *, first: bool) -> str:
    """Where in S3 it is if it is of this entry. first: whether the variables name the entry."""
    if entry.given:
        return entry.file if PurePosixPath(entry.file).name == path.name else ""
    bucket = str(deploy.data.bucket.name) if deploy.data.files[0].given else "$S3_BUCKET"
    by_variable = first and "S3_KEY" not in deploy.task.environment
    if not entry.tree:
        key = "$S3_KEY" if by_variable else entry.key
        return f"s3://{bucket}/{key}" if PurePosixPath(entry.file).name == path.name else ""
    folder = PurePosixPath(entry.folder).name
    if folder:
        inner_parts = path.parts[path.parts.index(folder) + 1 :] if folder in path.parts else None
    else:
        inner_parts = (path.name,) if path.match(entry.pattern.removeprefix("**/")) else None
    return "" if inner_parts is None else "/".join((f"s3://{bucket}/{entry.key}", *inner_parts))


def in_context(context: Path, dockerfile: str, name: str) -> str:
    """What to do about a file of the build context that the program looked for by this path; empty if there is none."""
    for path in _ends(PurePosixPath(name)):
        try:
            if not (context / path).exists():
                continue
            ignore = read_ignore(context, context / dockerfile)
        except (OSError, ValueError, ReconcilerError):
            return ""
        if ignore is not None and ignore.ignores(path):
            return f".dockerignore leaves {path} out of the image: take it out there, or take it back with `!{path}`"
        return f"{path} is in the build context: look whether the Dockerfile COPYs it, where to, and at WORKDIR"
    return ""


def _ends(path: PurePosixPath) -> Iterator[str]:
    """The path, and without one folder after the other from its beginning."""
    parts = [part for part in path.parts if part != "/"]
    if ".." not in parts:
        yield from ("/".join(parts[at:]) for at in range(len(parts)))
