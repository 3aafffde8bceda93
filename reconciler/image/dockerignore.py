"""Which files of a context Docker leaves out: the rules of .dockerignore, all of them.

The rules are Docker's (moby/patternmatcher as BuildKit uses it): patterns are rooted at the context, `*` and `?` stop
at a slash, `**` doesn't, `!` takes a path back, the last pattern that matches a path or one of its parents wins.
"""

from __future__ import annotations

import os
import posixpath
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.errors import UserError
from reconciler.core.files import read_file


@dataclass(frozen=True)
class Pattern:
    """One line: a path it matches is left out, or taken back if `exception`."""

    text: str
    matcher: Matcher
    exception: bool


class Ignore:
    """The patterns of one file, in order."""

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self.patterns = patterns
        self._exceptions = any(pattern.exception for pattern in patterns)

    def ignores(self, path: str) -> bool:
        """Whether a path, relative to the context and with slashes, is left out."""
        ignored = False
        for pattern in self.patterns:
            if pattern.exception == ignored and pattern.matcher.matches(path):
                ignored = not pattern.exception
        return ignored

    def prunes(self, folder: str) -> bool:
        """Whether nothing below this folder can be in the context, so that it needn't be looked at."""
        return not self._exceptions and self.ignores(folder)


def read_ignore(context: Path, dockerfile: Path) -> Ignore | None:
    """The patterns that hold for a Dockerfile: those of `<Dockerfile>.dockerignore` beside it, else .dockerignore; None
    where neither is there.

    Raises UserError for a pattern that Docker refuses.
    """
    for path in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        try:
            text = os.fsdecode(read_file(path).removeprefix(b"\xef\xbb\xbf"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}") from None
        return parse_ignore(text, str(path))
    return None


def parse_ignore(text: str, source: str = ".dockerignore") -> Ignore:
    """The patterns in a text. Raises UserError."""
    patterns = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if raw.startswith("#") or not line:
            continue
        exception = line.startswith("!")
        line = line.removeprefix("!").strip()
        if exception and not line:
            raise UserError(f"{source}:{number}: `!` without a pattern", hint="name the path that is to be taken back")
        line = posixpath.normpath(line.replace("//", "/")) if line else line
        line = line.removeprefix("/") if len(line) > 1 else line
        if len(line) > LONGEST:
            raise UserError(
                f"{source}:{number}: a pattern of more than {LONGEST} characters", hint="no path is as long as that"
            )
        try:
            patterns.append(Pattern(line, Matcher(_tokens(line)), exception))
        except (re.error, IndexError):
            raise UserError(
                f"{source}:{number}: {raw.strip()!r} isn't a pattern", hint="check its [ ] and \\"
            ) from None
    return Ignore(tuple(patterns))


STAR, DEEP, FOLDERS, INSIDE = "*", "**", "**/", "**/…"  # the last: in one of the folders that `**/` stands for
LONGEST = 4096  # characters of a pattern, as of a path on Linux
KEPT = 4096  # steps that a matcher remembers


@dataclass(frozen=True)
class Token:
    """A part of a pattern: one of the signs above, or one character that `character` matches."""

    sign: str = ""
    character: re.Pattern[str] | None = None


@dataclass
class Matcher:
    """A pattern as an automaton that has all its ways at once, so that each character of a path is looked at once.

    A state is a set of places in the pattern, as bits. What a character makes of a state is remembered.
    """

    tokens: tuple[Token, ...]
    transitions: dict[tuple[int, str], int] = field(default_factory=dict)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the path or one of the folders that it is in."""
        last, state = 1 << len(self.tokens), self._free(1)
        for char in path:
            if char == "/" and state & last:
                return True
            following = self.transitions.get((state, char))
            if following is None:
                following = self._step(state, char)
            if not (state := following):
                return False
        return bool(state & last)

    def _step(self, state: int, char: str) -> int:
        next_state = 0
        for place, token in enumerate(self.tokens):
            if not state >> place & 1:
                continue
            if token.character is not None:
                next_state |= 2 << place if token.character.fullmatch(char) else 0
            elif token.sign == INSIDE:
                next_state |= 1 << place | (2 << place if char == "/" else 0)
            elif token.sign == DEEP or (token.sign == STAR and char != "/"):
                next_state |= 1 << place
        if len(self.transitions) >= KEPT:
            self.transitions.clear()
        next_state = self.transitions[state, char] = self._free(next_state)
        return next_state

    def _free(self, state: int) -> int:
        """The state with the places that are reached without a character."""
        for place, token in enumerate(self.tokens):
            if state >> place & 1:
                state |= 2 << place if token.sign in (STAR, DEEP) else 6 << place if token.sign == FOLDERS else 0
        return state


ANY = Token(character=re.compile("[^/]", re.DOTALL))
ENDING = re.compile(r"\*\*(?=[^/])[^*?\[\]\\]+", re.DOTALL)  # `**.pem`: Docker compares only the end of a path with it


def _tokens(pattern: str) -> tuple[Token, ...]:
    """Raises re.error, IndexError for what Docker refuses."""
    if ENDING.fullmatch(pattern):
        return Token(DEEP), *(Token(character=re.compile(re.escape(char))) for char in pattern[2:])
    out: list[Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern[at : at + 2] == "**":
            at += 3 if pattern[at + 2 : at + 3] == "/" else 2
            # At the end `**` is everything below; elsewhere any number of whole folders, none included.
            out += [Token(DEEP)] if at >= len(pattern) else [Token(FOLDERS), Token(INSIDE)]
            continue
        if char == "*":
            out.append(Token(STAR))
        elif char == "?":
            out.append(ANY)
        elif char == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                raise IndexError("unclosed [")
            out.append(_class(pattern[at + 1 : end]))
            at = end
        else:
            at += char == "\\"
            out.append(Token(character=re.compile(re.escape(pattern[at]))))
        at += 1
    return tuple(out)


def _class(inside: str) -> Token:
    inside = inside.replace("\\", "\\\\").replace("[", "\\[")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Python may once read as a difference of sets
        return Token(character=re.compile(f"[{inside}]", re.DOTALL))
