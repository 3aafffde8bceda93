"""Texts with `*` for any text and `?` for any character, as IAM has them. Pure."""

from __future__ import annotations

import re


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value is what the pattern says.

    Each part between two stars is looked for once, at its first place after the part before: nothing is tried again,
    so that no pattern takes longer than its length times the value's, and one without `?` hardly longer than to read.
    """
    first, *middle = pattern.split("*")
    if not middle:
        return len(first) == len(value) and _at(first, value, 0)
    last = middle.pop()
    at, end = len(first), len(value) - len(last)
    if end < at or not _at(first, value, 0) or not _at(last, value, end):
        return False
    for part in middle:
        start = _find(part, value, at, end)
        if start < 0:
            return False
        at = start + len(part)
    return True


def _at(part: str, value: str, at: int) -> bool:
    """Whether a part without a star stands there."""
    if "?" not in part:
        return value.startswith(part, at)
    return all(character in ("?", value[at + n]) for n, character in enumerate(part))


def _find(part: str, value: str, at: int, end: int) -> int:
    """Where a part without a star stands first; -1 for nowhere."""
    if "?" not in part:
        return value.find(part, at, end)
    regex = re.compile("".join("." if c == "?" else re.escape(c) for c in part), re.DOTALL)
    match = regex.search(value, at, end)
    return match.start() if match else -1
