"""What the bytes of a model file say, before XGBoost is given them.

XGBoost's reader of UBJSON (https://ubjson.org) doesn't look for the end of what it is given: a file that was cut
ends the process.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from model import harmless

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
"""The type of a number by its mark."""
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_CUT = "it was cut, or its lengths are wrong"
_TWICE = "it says one thing twice"


class Unreadable(Exception):
    """Not a model that this XGBoost can read; the message says why, in one line."""


def decode(raw: bytes) -> Any:
    """What one whole UBJSON or JSON object says; of UBJSON, what XGBoost writes of it, so that both read the same.

    Raises:
        Unreadable: it isn't one.
    """
    if not raw:
        raise Unreadable("it is empty")
    if not raw.startswith(b"{"):
        raise Unreadable("it is neither UBJSON nor JSON")
    if raw[1:2] in b'"} \n\r\t':
        try:
            return harmless.loads(raw, object_pairs_hook=_once)
        except harmless.Deep as error:
            raise Unreadable(str(error)) from error
        except ValueError as error:
            raise Unreadable(f"it is not whole JSON: {str(error).splitlines()[0]}") from error
    reader = _Reader(raw)
    content = reader.value(reader.take(1), 0)
    if reader.at != len(raw):
        raise Unreadable("it goes on after its end")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, of which two readers might take another one of two values of one name."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreadable(_TWICE)
    return fields


def made_by(raw: bytes) -> str:
    """The version of XGBoost that a model file names as its maker, such as ``3.2.0``; empty if it can't be found."""
    if match := re.search(rb'"version"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)', raw):
        return ".".join(part.decode() for part in match.groups())
    if (at := raw.find(b"version[")) < 0:
        return ""
    reader = _Reader(raw)
    reader.at = at + len(b"version[")
    try:
        if reader.next_is(b"#"):
            reader.length()
        return ".".join(str(reader.value(reader.take(1), 0)) for _ in range(3))
    except Unreadable:
        return ""


class _Reader:
    """Goes through values."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size < 0 or self.at + size > len(self.raw):
            raise Unreadable(_CUT)
        self.at += size
        return self.raw[self.at - size : self.at]

    def next_is(self, mark: bytes) -> bool:
        """Step over `mark` if it is next."""
        is_next = self.raw.startswith(mark, self.at)
        self.at += is_next
        return is_next

    def length(self) -> int:
        """A length, always of eight bytes."""
        if self.take(1) != b"L":
            raise Unreadable(_CUT)
        return int(struct.unpack(">q", self.take(8))[0])

    def text(self) -> str:
        """A length, and so many bytes of text."""
        return self.take(self.length()).decode(errors="surrogateescape")

    def value(self, mark: bytes, depth: int) -> Any:
        """The value of which `mark` was the beginning. An array of numbers of one type is an array of numpy's."""
        if mark in (b"[", b"{") and depth >= harmless.DEEPEST:
            raise Unreadable(str(harmless.Deep()))
        if mark in _NUMBERS:
            return self._numbers(mark, 1)[0].item()
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark == b"S":
            return self.text()
        if mark == b"[":
            return self._array(depth)
        if mark == b"{":
            return self._object(depth)
        raise Unreadable(f"it has an unknown mark {mark!r}")

    def _numbers(self, mark: bytes, count: int) -> Any:
        kind = np.dtype(_NUMBERS[mark])
        return np.frombuffer(self.take(count * kind.itemsize), kind)

    def _array(self, depth: int) -> Any:
        if self.next_is(b"$"):
            mark = self.take(1)
            if mark not in _NUMBERS or not self.next_is(b"#"):
                raise Unreadable(_CUT)
            return self._numbers(mark, self.length())
        if self.next_is(b"#"):
            count = self.length()
            if count < 0 or count > len(self.raw):
                raise Unreadable(_CUT)
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        items = []
        while not self.next_is(b"]"):
            items.append(self.value(self.take(1), depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not self.next_is(b"}"):
            name = self.text()
            if name in fields:
                raise Unreadable(_TWICE)
            fields[name] = self.value(self.take(1), depth + 1)
        return fields
