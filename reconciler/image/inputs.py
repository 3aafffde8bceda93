"""What goes into an image, as a hash: the one thing that decides whether it must be built again.

The hash covers the files of the context as .dockerignore leaves them (path, content, executable or not, a link's
target), the Dockerfile, the build arguments, target and platform, and the base images by what the Dockerfile says of
them: a base that is pinned (`FROM name@sha256:…`) by its digest, another by its name. It doesn't cover times, owners or
other mode bits, empty folders, or .dockerignore itself (its effect is in the list of files), so that two checkouts
of one commit have one hash; nor the file that this command's own output goes to. The snapshot that is built from
holds exactly what was hashed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.errors import PlanDrift, UserError
from reconciler.core.files import FULL_DISK, read_file
from reconciler.image.dockerfile import Dockerfile, check_json, parse_dockerfile
from reconciler.image.dockerignore import Ignore, parse_ignore, read_ignore

VERSION = "1"  # of the hash: a new one builds every image again
HASH_DIGITS = 16
FILE_DIGITS = 12
MTIME = 1_000_000_000  # of every file in a snapshot: a COPY layer then has one digest wherever it is made
WITHOUT_IGNORE_FILE = ".git\n.venv\n.reconciler\n**/__pycache__\n"


@dataclass(frozen=True)
class Entry:
    """One file or link of the context. sha256: of the content, or of the link's target."""

    path: str
    kind: str  # "file", "program" (executable) or "link"
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its path as UTF-8, whatever the locale; bytes that aren't UTF-8 as Python keeps them."""
        return os.fsencode(self.path).decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Inputs:
    """All that goes into one image."""

    context: Path
    dockerfile: Path
    target: str | None
    build_args: Mapping[str, str]
    platform: str
    parsed: Dockerfile
    ignore: Ignore
    entries: tuple[Entry, ...]
    hash: str
    record: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes in the context."""
        return sum(entry.size for entry in self.entries)


def read_inputs(
    context: Path,
    dockerfile: str = "Dockerfile",
    *,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
    platform: str = "linux/amd64",
    leave_out: Sequence[str] = (),
    compression: str | None = None,
) -> Inputs:
    """Read and hash everything that a build would see.

    context: the folder; dockerfile: its path in the context; leave_out: further paths of the context that never
    belong to it, such as the folder that results are copied to. compression: of the layers, if the user chose it.
    Raises UserError.
    """
    if not context.is_dir():
        raise UserError(f"image.context: there is no folder {str(context)!r}", hint="it is relative to deploy.yaml")
    args = dict(build_args or {})
    path = context / dockerfile
    text = _dockerfile_text(path)
    parsed = parse_dockerfile(text, args, str(path), platform=platform)
    parsed.number(target)
    check_json(parsed)
    # Without a .dockerignore, what hardly anyone wants in an image; and our own patterns after all others.
    ignore = read_ignore(context, path) or parse_ignore(WITHOUT_IGNORE_FILE)
    own_patterns = parse_ignore("\n".join(line for line in leave_out if line not in (".", "")))
    ignore = Ignore(ignore.patterns + own_patterns.patterns)
    entries = tuple(sorted(_walk(context, ignore, dockerfile), key=lambda entry: entry.path))
    full = {entry.name: f"{entry.kind} {entry.sha256}" for entry in entries}
    full[dockerfile] = "file " + _sha(_bytes(text))
    full |= {f"(build argument {name})": _sha(_bytes(value)) for name, value in args.items()}
    full["(platform)"] = platform
    if target:
        full["(target)"] = target
    if compression:
        full["(compression)"] = compression
    full |= {f"(base {name})": "by digest" if "@" in name else "by name" for name in parsed.bases(target)}
    lines = "\n".join(f"{name}\0{value}" for name, value in sorted(full.items()))
    return Inputs(
        context,
        path,
        target,
        args,
        platform,
        parsed,
        ignore,
        entries,
        hash=_sha(_bytes(f"{VERSION}\n{lines}"))[:HASH_DIGITS],
        record={shown(name): _sha(_bytes(value))[:FILE_DIGITS] for name, value in sorted(full.items())},
    )


def shown(name: str) -> str:
    """A name for people and for JSON: bytes that aren't UTF-8 as `\\xe9`."""
    return _bytes(name).decode("utf-8", "backslashreplace")


def changed_inputs(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """What differs between two records, each with a sign: `+ new`, `- gone`, `~ changed`."""
    signs = []
    for name in sorted({*before, *after}):
        if name not in before:
            signs.append(f"+ {name}")
        elif name not in after:
            signs.append(f"- {name}")
        elif before[name] != after[name]:
            signs.append(f"~ {name}")
    return tuple(signs)


def changed(when: str) -> PlanDrift:
    """An input of the image isn't any more what the plan saw. when: since when, and which."""
    return PlanDrift(
        f"an input of the image changed {when}",
        hint="run the command again; add a file that the image doesn't need to .dockerignore",
    )


def snapshot(inputs: Inputs, folder: Path) -> None:
    """Copy the context as it was hashed to an empty folder. Raises PlanDrift if a file has changed since; UserError if
    the disk has no room.
    """
    try:
        _copy_context(inputs, folder)
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise UserError(
            f"there is no room for the image's files in {folder}: {error.strerror}",
            hint="make room on that disk, or list what the image doesn't need in .dockerignore",
        ) from None


def _copy_context(inputs: Inputs, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in inputs.entries:
        source, target = inputs.context / entry.path, folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if entry.kind == "link":
                link_target = source.readlink()
                target.symlink_to(link_target)
                copied_sha = _sha(os.fsencode(link_target))
            else:
                copied_sha = _copy(source, target)
                target.chmod(0o755 if entry.kind == "program" else 0o644)
        except OSError as error:
            if error.errno in FULL_DISK:
                raise
            raise changed(f"while the image was made: {source} ({error.strerror})") from None
        if copied_sha != entry.sha256:
            raise changed(f"while the image was made: {source}")
        os.utime(target, (MTIME, MTIME), follow_symlinks=False)
    for below, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            path = Path(below, name)
            if not path.is_symlink():
                path.chmod(0o755)
                os.utime(path, (MTIME, MTIME))


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(1 << 20):
            digest.update(block)
            writer.write(block)
    return digest.hexdigest()


def _dockerfile_text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8", "surrogateescape")  # Docker asks of no comment that it is UTF-8
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"image.dockerfile: there is no {str(path)!r}",
            hint="write one, set image.dockerfile, name an image that exists in image.uri, or use --skip-image",
        ) from None
    except OSError as error:
        raise UserError(f"image.dockerfile: {str(path)!r} can't be read: {error.strerror}") from None


def _own_output() -> frozenset[tuple[int, int]]:
    """The files, by device and inode, that this command's output goes to, as by `> apply.log`.

    They change while it runs, and nobody means an image to be made from what is said about it.
    """
    files = set()
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                files.add((status.st_dev, status.st_ino))
    return frozenset(files)


def _walk(context: Path, ignore: Ignore, dockerfile: str) -> Iterator[Entry]:
    waiting, own_output = [""], _own_output()
    ignore_files = (".dockerignore", f"{posixpath.normpath(dockerfile)}.dockerignore")  # others are files as any
    while waiting:
        prefix = waiting.pop()
        try:
            items = list(os.scandir(context / prefix))
        except OSError as error:
            raise UserError(
                f"image.context: {str(context / prefix)!r} can't be read: {error.strerror}",
                hint="allow reading it, or list it in .dockerignore",
            ) from None
        for item in items:
            path = f"{prefix}{item.name}"
            if item.is_dir(follow_symlinks=False):
                if not ignore.prunes(path):
                    waiting.append(path + "/")
            elif path not in ignore_files and not ignore.ignores(path):
                entry = _entry(Path(item.path), path, own_output)
                if entry is not None:
                    yield entry


def _entry(file: Path, path: str, own_output: frozenset[tuple[int, int]]) -> Entry | None:
    try:
        status = file.lstat()
        mode = status.st_mode
        if (status.st_dev, status.st_ino) in own_output:
            return None
        if stat.S_ISLNK(mode):
            target = os.fsencode(file.readlink())
            return Entry(path, "link", _sha(target), len(target))
        if not stat.S_ISREG(mode):
            return None  # sockets and pipes can't be in an image
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
        return Entry(path, "program" if mode & stat.S_IXUSR else "file", digest, size)
    except FileNotFoundError:
        return None  # it went away while we looked, as a program's temporary file does
    except OSError as error:
        raise UserError(
            f"image.context: {str(file)!r} can't be read: {error.strerror}",
            hint="allow reading it, or list it in .dockerignore",
        ) from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
