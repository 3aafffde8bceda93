"""Which files of a context Docker leaves out: the rules of .dockerignore, all of them.

The rules are Docker's (moby/patternmatcher as BuildKit uses it): patterns are rooted at the context, `*` and `?` stop
at a slash, `**` doesn't, `!` takes a path back, the last pattern that matches a path or one of its parents wins.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import UserError


@dataclass(frozen=True)
class Pattern:
    """One line: a path it matches is left out, or taken back if `exception`."""

    text: str
    regex: re.Pattern[str]
    exception: bool


class Ignore:
    """The patterns of one file, in order."""

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self.patterns = patterns
        self._exceptions = any(pattern.exception for pattern in patterns)

    def ignores(self, path: str) -> bool:
        """Whether a path, relative to the context and with slashes, is left out."""
        parts = path.split("/")
        upward = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        ignored = False
        for pattern in self.patterns:
            if pattern.exception == ignored and any(pattern.regex.fullmatch(part) for part in upward):
                ignored = not pattern.exception
        return ignored

    def prunes(self, folder: str) -> bool:
        """Whether nothing below this folder can be in the context, so that it needn't be looked at."""
        return not self._exceptions and self.ignores(folder)


def read_ignore(context: Path, dockerfile: Path) -> Ignore:
    """The patterns that hold for a Dockerfile: those of `<Dockerfile>.dockerignore` beside it, else .dockerignore.

    Raises UserError for a pattern that Docker refuses.
    """
    for path in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} can't be read: {error}") from None
        return parse_ignore(text, str(path))
    return Ignore(())


def parse_ignore(text: str, source: str = ".dockerignore") -> Ignore:
    """The patterns in a text. Raises UserError."""
    patterns = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if raw.startswith("#") or not line:
            continue
        exception = line.startswith("!")
        line = line.removeprefix("!").strip()
        if exception and not line:
            raise UserError(f"{source}:{number}: `!` without a pattern", hint="name the path that is to be taken back")
        line = posixpath.normpath(line.replace("//", "/")) if line else line
        line = line.removeprefix("/") if len(line) > 1 else line
        try:
            patterns.append(Pattern(line, re.compile(_regex(line), re.DOTALL), exception))
        except (re.error, IndexError):
            raise UserError(
                f"{source}:{number}: {raw.strip()!r} isn't a pattern", hint="check its [ ] and \\"
            ) from None
    return Ignore(tuple(patterns))


def _regex(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        char = pattern[i]
        if char == "*":
            if pattern[i : i + 2] == "**":
                i += 2
                if pattern[i : i + 1] == "/":
                    i += 1
                # At the end `**` is everything below; elsewhere any number of whole folders, none included.
                out += ".*" if i >= len(pattern) else "(?:.*/)?"
                continue
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\":
            i += 1
            out += re.escape(pattern[i])
        elif char == "[":
            end = pattern.index("]", i + 2) if "]" in pattern[i + 2 :] else -1
            if end < 0:
                raise IndexError("unclosed [")
            inside = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out += f"[{inside}]"
            i = end
        else:
            out += re.escape(char)
        i += 1
    return out
