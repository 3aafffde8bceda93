"""Whether the bytes of a model file are whole, before XGBoost is given them.

XGBoost's reader of UBJSON (https://ubjson.org) doesn't look for the end of what it is given: a file that was cut
ends the process.
"""

from __future__ import annotations

import json
import re
import struct

SIZES = {b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"d": 4, b"L": 8, b"D": 8, b"Z": 0, b"N": 0, b"T": 0, b"F": 0}
"""Bytes of a value by its mark."""
_WHOLE = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
DEPTH = 100


class Unreadable(Exception):
    """Not a model that this XGBoost can read; the message says why, in one line."""


def check(raw: bytes) -> None:
    """See that `raw` is one whole UBJSON or JSON object.

    Raises:
        Unreadable: it isn't.
    """
    if not raw:
        raise Unreadable("it is empty")
    if not raw.startswith(b"{"):
        raise Unreadable("it is neither UBJSON nor JSON")
    if raw[1:2] in b'"} \n\r\t':
        try:
            json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"it is not whole JSON: {str(error).splitlines()[0]}") from error
        return
    reader = _Reader(raw)
    reader.value(reader.take(1), 0)
    if reader.at != len(raw):
        raise Unreadable("it goes on after its end")


def made_by(raw: bytes) -> str:
    """The version of XGBoost that a model file names as its maker, such as ``3.2.0``; empty if it can't be found."""
    if found := re.search(rb'"version"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)', raw):
        return ".".join(part.decode() for part in found.groups())
    if (at := raw.find(b"version[")) < 0:
        return ""
    reader = _Reader(raw)
    reader.at = at + len(b"version[")
    try:
        if reader.next_is(b"#"):
            reader.length()
        return ".".join(str(reader.length()) for _ in range(3))
    except Unreadable:
        return ""


class _Reader:
    """Goes through values without keeping them."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size < 0 or self.at + size > len(self.raw):
            raise Unreadable("it was cut, or its lengths are wrong")
        self.at += size
        return self.raw[self.at - size : self.at]

    def next_is(self, mark: bytes) -> bool:
        """Step over `mark` if it is next."""
        found = self.raw.startswith(mark, self.at)
        self.at += found
        return found

    def length(self) -> int:
        """A length: a mark of a whole number, then the number."""
        mark = self.take(1)
        if mark not in _WHOLE:
            raise Unreadable("it has a length that is no whole number")
        return int(struct.unpack(_WHOLE[mark], self.take(SIZES[mark]))[0])

    def value(self, mark: bytes, depth: int) -> None:
        """Step over the value of which `mark` was the beginning."""
        if depth > DEPTH:
            raise Unreadable("it is nested too deeply")
        if mark in SIZES:
            self.take(SIZES[mark])
        elif mark in (b"S", b"H"):
            self.take(self.length())
        elif mark in (b"{", b"["):
            self._container(mark, depth)
        else:
            raise Unreadable(f"it has an unknown mark {mark!r}")

    def _container(self, mark: bytes, depth: int) -> None:
        kind = self.take(1) if self.next_is(b"$") else b""
        count = self.length() if self.next_is(b"#") else -1
        if kind and count < 0:
            raise Unreadable("it has a typed array without a length")
        if kind in SIZES and mark == b"[":
            self.take(count * SIZES[kind])
            return
        end = b"}" if mark == b"{" else b"]"
        done = 0
        while done != count:
            if count < 0 and self.next_is(end):
                return
            if mark == b"{":
                self.take(self.length())
            self.value(kind or self.take(1), depth + 1)
            done += 1
