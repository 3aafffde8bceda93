"""What a source of COPY or ADD names among the files of a context or a stage, as Docker has it.

Links on the way to it, and its own, are followed below the folder and never lead out of it. Patterns are those of Go's
`path.Match`: `*`, `?`, `[a-z]`, `[^a-z]` and `\\`, within one folder.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from reconciler.image.dockerignore import STAR, Matcher, Token
from reconciler.image.inputs import Inputs
from reconciler.local.beneath import follow

SIGNS = re.compile(r"[*?\[]")


class BadPattern(Exception):
    """A pattern that Go refuses."""


class Files(Protocol):
    """Files below a folder, by their paths in it."""

    def link(self, path: str) -> str | None:
        """Where a link leads; None for anything else."""

    def names(self, path: str) -> Sequence[str]:
        """What is in a folder, sorted; nothing for anything else."""


@dataclass(frozen=True)
class StageFiles:
    """Those of a stage that is laid out."""

    root: Path

    def link(self, path: str) -> str | None:
        """Where a link leads."""
        full = self.root / path
        return str(full.readlink()) if full.is_symlink() else None

    def names(self, path: str) -> Sequence[str]:
        """What is in a folder."""
        full = self.root / path
        return sorted(file.name for file in full.iterdir()) if full.is_dir() and not full.is_symlink() else ()


@dataclass(frozen=True)
class ContextFiles:
    """Those of the context that go into the build."""

    inputs: Inputs

    def link(self, path: str) -> str | None:
        """Where a link leads."""
        with contextlib.suppress(OSError):  # of one that has changed since; the snapshot says so
            return str((self.inputs.context / path).readlink()) if path in self._links else None
        return None

    def names(self, path: str) -> Sequence[str]:
        """What is in a folder."""
        return sorted(self._folders.get(path, ()))

    def has(self, path: str) -> bool:
        """Whether a file or a folder is there, a folder without files too."""
        folder, name = posixpath.split(path)
        if not path or name in self._folders.get(folder, ()):
            return True
        full = self.inputs.context / path
        return full.is_dir() and not full.is_symlink() and not self.inputs.ignore.ignores(path)

    @cached_property
    def _links(self) -> frozenset[str]:
        return frozenset(entry.path for entry in self.inputs.entries if entry.kind == "link")

    @cached_property
    def _folders(self) -> dict[str, set[str]]:
        folders: dict[str, set[str]] = {}
        for entry in self.inputs.entries:
            path = entry.path
            while path:
                path, name = posixpath.split(path)
                names = folders.setdefault(path, set())
                if name in names:
                    break
                names.add(name)
        return folders


@dataclass(frozen=True)
class Source:
    """name: what it is called where it is copied to. path: where it is, without links."""

    name: str
    path: str


def named(files: Files, word: str) -> list[Source]:
    """What a source names, whether it is there or not; of a pattern what matches. Raises BadPattern, Outside."""
    parts = clean(word).split("/")
    plain = next((n for n, part in enumerate(parts) if SIGNS.search(part)), len(parts))
    paths = ["/".join(parts[:plain])]
    if plain < len(parts):
        paths = ["/".join(follow(paths[0], "/", files.link))]
        for part in parts[plain:]:
            matcher = matcher_of(part)
            paths = [
                posixpath.join(path, name) for path in paths for name in files.names(path) if matcher.matches(name)
            ]
    return [Source(posixpath.basename(path), "/".join(follow(path, "/", files.link))) for path in paths]


def clean(word: str) -> str:
    """A source as a path: nothing is above the folder."""
    return posixpath.normpath("/" + word).lstrip("/")


def matcher_of(pattern: str) -> Matcher:
    """What matches a pattern of Go's with one name. Raises BadPattern."""
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            tokens.append(Token(sign=STAR))
            at += 1
        else:
            regex, at = _character(pattern, at)
            tokens.append(Token(character=re.compile(regex, re.DOTALL)))
    return Matcher(tuple(tokens))


def _character(pattern: str, at: int) -> tuple[str, int]:
    """The regular expression of the one character that begins there, and where the next begins."""
    if pattern[at] == "?":
        return ".", at + 1
    if pattern[at] != "[":
        character, at = _literal(pattern, at, "")
        return re.escape(character), at
    at += 1
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while not (ranges and pattern[at : at + 1] == "]"):
        low, at = _literal(pattern, at, "-]")
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _literal(pattern, at + 1, "-]")
        # Go takes a range that is the wrong way round, and no character is in it.
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inside = "".join(ranges)
    if not inside:
        return ("." if negated else r"(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _literal(pattern: str, at: int, forbidden: str) -> tuple[str, int]:
    """One character, which may stand behind a backslash."""
    if pattern[at : at + 1] == "\\":
        at += 1
        forbidden = ""
    if at >= len(pattern) or pattern[at] in forbidden:
        raise BadPattern(pattern)
    return pattern[at], at + 1
