"""What others wrote (names of files and runs, values of a data file), made harmless for where it goes. Pure.

And JSON and TOML that others wrote: how deeply it is nested is looked at before it is read.
"""

from __future__ import annotations

import html as standard
import json
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any

_BAD = (  # in a class of characters
    "\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U000e0000-\U000e0fff"
)
_SEEN = f"[^\x00-\x7f{_BAD}\u200c\u200d]"  # and not ASCII: what joins belongs between two of these
_HARMFUL = re.compile(f"[{_BAD}]|(?<!{_SEEN})[\u200c\u200d\ufe00-\ufe0f]|[\u200c\u200d](?!{_SEEN})")

DEEPEST = 100
"""Lists and objects in one another."""
# All but the brackets of lists and objects: texts, which may have several lines in TOML, and TOML's comments.
# A text that doesn't end goes to the end, so each character is seen once.
_NO_BRACKETS = re.compile(
    r'"""(?:[^"\\]++|\\(?:.|\Z)|"(?!""))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]++|\\(?:.|\Z))*+(?:["\n]|\Z)'
    r"|'[^'\n]*+(?:['\n]|\Z)"
    r"""|\#[^\n]*+|[^][{}"'#]++""",
    re.DOTALL,
)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class Deep(ValueError):
    """JSON or TOML that is nested too deeply."""

    def __init__(self) -> None:
        super().__init__(f"it is nested deeper than {DEEPEST} levels")


def refuse_deep(text: str) -> None:
    """Raise Deep for JSON or TOML that is nested too deeply.

    Python's readers would go to the limit of calls, and whatever else Python does there, such as to look for garbage,
    fails with a traceback that nobody can catch.
    """
    if text.count("[") + text.count("{") > DEEPEST:
        steps = map(_STEPS.__getitem__, _NO_BRACKETS.sub("", text))
        if max(accumulate(steps), default=0) > DEEPEST:
            raise Deep


def loads(text: bytes | str, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What JSON says, as `json.loads` does.

    Raises:
        ValueError: it isn't JSON, or is nested too deeply.
    """
    content = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
    refuse_deep(content)
    return json.loads(content, object_pairs_hook=object_pairs_hook)


def line(text: str) -> str:
    """The text on one line, for a terminal or a log: what can't be seen is its escape, `\\x1b`.

    Nothing in it is a command to the runner of a CI job, which takes `::` at the beginning and `##[` anywhere.
    """
    if not (text.isascii() and text.isprintable()):
        text = _HARMFUL.sub(_escaped, text)
    return re.sub(r"\A([\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]*:)(?=:)|(#)(?=#\w*\[)", r"\1\2 ", text)


def short(text: object, most: int = 80) -> str:
    """The text, or its beginning where it has more than `most` characters."""
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[:most]}…"


def lines(text: str) -> str:
    """As `line`, for a text of several lines of our own making."""
    return "\n".join(map(line, text.split("\n")))


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON with the same values, in ASCII without any control."""
    text = json.dumps(value, indent=indent, default=str)
    return text.replace("\x7f", "\\u007f").replace("##", "#\\u0023")


def html(text: str) -> str:
    """The text in a page, as content or as an attribute's value."""
    return standard.escape(_HARMFUL.sub(_escaped, text))


def code(text: str) -> str:
    """The text as code in Markdown, on one line."""
    text = _HARMFUL.sub(_escaped, " ".join(text.split())) or " "
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _escaped(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r"}.get(match[0]) or ascii(match[0])[1:-1]
