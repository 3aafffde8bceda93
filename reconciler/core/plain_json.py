"""JSON that others wrote: read within limits, whatever it is; and JSON that everybody can read, written. Pure.

Python's own reader takes `NaN`, numbers that no float holds, texts that aren't Unicode and any depth. What is written
here has none of these, so it is read back as it was, by every reader.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import accumulate
from typing import Any, TypeVar

DEEPEST = 100  # lists and mappings in one another
DIGITS = 400  # of a whole number; no float holds more than 309
# All but the brackets of lists and mappings: texts, which may have several lines in TOML, and TOML's comments.
# A text that doesn't end goes to the end, so each character is seen once.
NO_BRACKETS = re.compile(
    r'"""(?:[^"\\]++|\\(?:.|\Z)|"(?!""))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]++|\\(?:.|\Z))*+(?:["\n]|\Z)'
    r"|'[^'\n]*+(?:['\n]|\Z)"
    r"""|\#[^\n]*+|[^][{}"'#]++""",
    re.DOTALL,
)
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


I = TypeVar("I")  # noqa: E741  an item that a row is made of
R = TypeVar("R")


class Rows(Sequence[R]):
    """A list of which each part is made when it is asked for, so that a long one isn't held twice. In JSON it stands as
    its mark, in place of which `Terminal.json` prints one part after the other.
    """

    def __init__(self, items: Sequence[I], make: Callable[[I], R]) -> None:
        self._items, self._make = items, make
        self.mark = f"rows-{os.urandom(16).hex()}"

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Any) -> Any:
        """One of them, or a list of some."""
        selected = self._items[place]
        return [self._make(item) for item in selected] if isinstance(place, slice) else self._make(selected)

    def __str__(self) -> str:
        return self.mark

    def plain(self) -> Rows[Any]:
        """These rows as plain values."""
        return Rows(self._items, lambda item: plain(self._make(item)))


ABSENT: Any = type("Absent", (), {})()  # the value of a field that is left out


class NotJson(ValueError):
    """It can't be read; the text says why, in a few words."""


class Broken(NotJson):
    """It isn't JSON, or a part of it is missing."""


class Deep(NotJson):
    """It is nested too deeply."""


def read(text: bytes | str, most: int, *, odd: bool = False) -> Any:
    """What a JSON text says. most: bytes or characters that it may have. odd: with numbers that aren't finite, which
    are NaN or infinite floats then. Raises NotJson, and nothing else.
    """
    if len(text) > most:
        raise NotJson(f"it has more than {most:,} {'bytes' if isinstance(text, bytes) else 'characters'}")
    number: Callable[[str], float] = float if odd else _finite
    try:
        value = parse(text, parse_constant=number, parse_float=number, parse_int=_whole(number))
    except UnicodeDecodeError:
        raise NotJson("it isn't Unicode") from None
    except NotJson:
        raise
    except ValueError:
        raise Broken("it isn't JSON") from None
    for part in _parts(value):
        if isinstance(part, str) and not is_text(part):
            raise NotJson("a text in it isn't Unicode")
    return value


def parse(
    text: bytes | str,
    *,
    parse_constant: Callable[[str], Any] | None = None,
    parse_float: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
) -> Any:
    """What `json.loads` gives, which has the same parameters. Raises ValueError; Deep, which is one, for what is nested
    too deeply.
    """
    content = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
    refuse_deep(content)
    return json.loads(content, parse_constant=parse_constant, parse_float=parse_float, parse_int=parse_int)


def refuse_deep(text: str) -> None:
    """Raises Deep for JSON or TOML that is nested too deeply, before it is read.

    Python's readers would go to the limit of calls, and whatever else Python does there, such as to look for garbage,
    fails with a traceback that nobody can catch.
    """
    if text.count("[") + text.count("{") > DEEPEST:
        steps = map(STEPS.__getitem__, NO_BRACKETS.sub("", text))
        if max(accumulate(steps), default=0) > DEEPEST:
            raise Deep(f"it is nested deeper than {DEEPEST} levels")


def is_text(text: str) -> bool:
    """Whether it can be written in UTF-8: half a surrogate pair, which JSON can say, can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def write(value: Any, indent: int | None = None) -> bytes:
    """A value as JSON in UTF-8, without what `read` refuses: null for a number that isn't finite, `?` for half a
    surrogate pair. Raises TypeError for what isn't JSON.
    """
    return json.dumps(finite(value), indent=indent, ensure_ascii=False).encode("utf-8", "replace")


def finite(value: Any) -> Any:
    """The value with null for every number in it that isn't finite, which JSON doesn't have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson("a number in it isn't finite")
    return number


def _whole(number: Callable[[str], float]) -> Callable[[str], int | float]:
    """Python takes long over a whole number of many digits, and refuses more than 4300."""
    return lambda text: int(text) if len(text) <= DIGITS else number(text)


def _parts(value: Any) -> Iterator[Any]:
    """Everything in a value, keys too; without a call for each level."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            yield from part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def plain(value: Any) -> Any:
    """A value, such as a Run, as dictionaries, lists, texts and numbers. A field with `inline` in its metadata is
    replaced by the fields of its value.
    """
    from dataclasses import fields, is_dataclass  # not for a command that prints nothing of the kind, such as --help

    if is_dataclass(value) and not isinstance(value, type):
        members: dict[str, Any] = {}
        for field in fields(value):
            part = getattr(value, field.name)
            if part is not ABSENT:
                members |= plain(part) if field.metadata.get("inline") else {field.name: plain(part)}
        return members
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, Rows):
        return value.plain()
    return value.value if isinstance(value, Enum) else value
