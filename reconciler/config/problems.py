"""What is wrong with a file: each problem with its place, the value and the fix; all of them in one exception."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from reconciler.core.errors import UserError
from reconciler.core.secret import KNOWN
from reconciler.core.text import line

Path = tuple[str | int, ...]
LONGEST_QUOTE, LONGEST_LINE = 60, 100  # characters of a value and of a line of the file, as they are shown


@dataclass(frozen=True)
class ConfigError:
    """One problem. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    path: str
    value: str
    message: str
    fix: str
    source: str = ""
    width: int = 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path_prefix = f"{self.path}: " if self.path else ""
        lines = [line(f"{place}: {path_prefix}{self.message}")]
        # What is secret in it may be known only since the problem was noted, and a part of it isn't known again.
        if self.source.strip() and KNOWN.hide(self.source) == self.source:
            lines += [f"    {line(text)}" for text in _pointed(self.source, self.column - 1, self.width)]
        if self.fix:
            lines.append(f"    {line(self.fix)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Problem:
    """Something wrong at `path`, which also depends on the fields `uses`; {value} in the message is that at `path`.

    `tells` says that the fix tells something about the fields' values.
    """

    path: Path
    message: str
    fix: str
    uses: tuple[Path, ...] = ()
    tells: bool = False


class ConfigErrors(UserError):
    """Everything that is wrong with one file. Exit code 2; nothing was touched."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


def repeated(values: Iterable[Hashable]) -> Iterator[int]:
    """The places of the values that stand earlier, too."""
    seen: set[Hashable] = set()
    for place, value in enumerate(values):
        if value in seen:
            yield place
        seen.add(value)


def show_path(path: Path) -> str:
    """A path as people write it: data.files[1].key."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def printable(text: str) -> str:
    """`text` on one line, without anything that a terminal would act on."""
    return line(text).replace("\t", "\\t")


def quoted(text: str) -> str:
    """`text` in quotes, cut if it is long, without what is known to be secret in it."""
    text = printable(KNOWN.hide(text))
    mark = '"' if "'" in text else "'"
    return f"{mark}{text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + '...'}{mark}"


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pointed(source: str, start: int, width: int) -> tuple[str, str]:
    """The line without its indentation, cut around the place if it is long, and a line of ^ under the place."""
    cut = min(len(source) - len(source.lstrip(" \t")), start)
    if start + width - cut > LONGEST_LINE:
        cut = max(cut, start - 20)
    text = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in source[cut : cut + LONGEST_LINE])
    before, marked = text[: start - cut], text[start - cut : start - cut + width]
    return text.rstrip(), " " * _columns(before) + "^" * max(1, min(_columns(marked), LONGEST_LINE - len(before)))
