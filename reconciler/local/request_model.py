"""Holds the parameters of a request to AWS's own model of its operation, which says more than botocore or moto check.

Required members, the types of JSON, lengths, numbers, enumerations and patterns. Pure: whoever asks brings the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

Shapes = Mapping[str, Any]
# What a model says and AWS doesn't hold to, by service and shape, with the reason.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("s3", "BucketLocationConstraint"): "a list of regions, which is shorter than AWS's by those that opened since",
    ("lambda", "Runtime"): "a list that AWS adds to; `request_rules` has how runtimes are called",
}
SHOWN = 200  # characters of a value
_NUMBERS = ("integer", "long", "float", "double", "short", "byte")
# Java's classes of characters in Python's words. Letters and digits of any script: Python's \w, which has _ besides, as
# have all models beside \p{L}. A mark, a sign or a symbol is taken for any character: a wrong one passes.
_CLASSES = {
    "L": r"\w", "N": r"\w", "Alnum": "A-Za-z0-9", "Graph": "!-~", "Print": " -~", "ASCII": r"\x00-\x7f",
    "Z": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    "Zs": r" \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
}  # fmt: skip
_OF_ASCII = {"w": "A-Za-z0-9_", "d": "0-9", "s": r" \t\n\x0b\f\r"}  # Java's \w is ASCII's, and so on
_PARTS = re.compile(r"\\[pP]\{(?:Is)?(\w+)\}|\\([wds])(-(?=[^\]]))?|\\.|\[\^?\]?|\]|.", re.DOTALL)


@dataclass(frozen=True)
class Broken:
    """A rule that a request breaks. text: in AWS's words; code: of the error, empty for the service's usual one."""

    text: str
    code: str = ""


@cache
def pattern(text: str) -> re.Pattern[str] | None:
    """A model's pattern, which is one of Java's. None for one that Python can't read."""
    try:
        return re.compile("".join(_in_python(text)), re.DOTALL)
    except re.error:
        return None


def _in_python(text: str) -> Iterator[str]:
    within = False
    for part in _PARTS.finditer(text):
        word, java, hyphen = part.groups()
        if word or java:
            inside = (_CLASSES.get(word, r"\s\S") if word else _OF_ASCII[java]) + (r"\-" if hyphen and within else "")
            yield inside if within else f"[{inside}]{hyphen or ''}"
            continue
        if within and part[0][0] == "[":
            yield "\\" + part[0]  # to Python's own reader a class in a class may come to mean more
            within = not part[0].endswith("]")
            continue
        within = part[0] != "]" and (within or part[0][0] == "[")
        yield part[0]


def broken(service: str, shapes: Shapes, name: str | None, params: Mapping[str, Any]) -> Iterator[Broken]:
    """What the model of an operation says against its parameters. name: of its input's shape; None without one."""
    if name is not None:
        yield from _Walk(service, shapes).look(name, params, "")


@dataclass(frozen=True)
class _Walk:
    service: str
    shapes: Shapes

    def look(self, name: str, value: Any, at: str) -> Iterator[Broken]:
        shape = self.shapes[name]
        kind = shape["type"]
        if (self.service, name) in EXCEPTIONS or shape.get("document"):
            return
        if kind == "structure":
            yield from self._structure(shape, value, at)
        elif kind == "list":
            yield from self._list(shape, value, at)
        elif kind == "map":
            yield from self._map(shape, value, at)
        elif kind == "string":
            yield from _string(shape, value, at)
        elif kind == "blob" and isinstance(value, bytes | bytearray):
            yield from _amount(shape, len(value), "length", at)
        elif kind in _NUMBERS:
            yield from _number(shape, value, at)

    def _structure(self, shape: Shapes, value: Any, at: str) -> Iterator[Broken]:
        if not isinstance(value, Mapping):
            yield _mistyped(at, "a structure")
            return
        for member in shape.get("required", ()):
            if value.get(member) is None and member != shape.get("payload"):
                yield _against(_below(at, member), "null", "Member must not be null")
        for key, part in value.items():
            if key not in shape["members"]:
                yield Broken(f"'{_below(at, key)}' is no member of this operation")
            elif part is not None:
                yield from self.look(shape["members"][key]["shape"], part, _below(at, key))

    def _list(self, shape: Shapes, value: Any, at: str) -> Iterator[Broken]:
        if not isinstance(value, list | tuple):
            yield _mistyped(at, "a list")
            return
        yield from _amount(shape, len(value), "length", at)
        for number, part in enumerate(value, 1):
            yield from self.look(shape["member"]["shape"], part, f"{at}.{number}.member")

    def _map(self, shape: Shapes, value: Any, at: str) -> Iterator[Broken]:
        if not isinstance(value, Mapping):
            yield _mistyped(at, "a map")
            return
        yield from _amount(shape, len(value), "length", at)
        for key, part in value.items():
            yield from self.look(shape["key"]["shape"], key, f"{at}.key")
            yield from self.look(shape["value"]["shape"], part, f"{at}.{key}")


def _string(shape: Shapes, value: Any, at: str) -> Iterator[Broken]:
    if not isinstance(value, str):
        if isinstance(value, bool | int | float | list | Mapping):
            yield _mistyped(at, "a string")
        return
    value_text = "" if shape.get("sensitive") else f" '{value[:SHOWN]}'"
    yield from _amount(shape, len(value), "length", at, value_text)
    if value not in shape.get("enum", (value,)):
        yield _against(at, value_text, f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]")
    regex = pattern(shape["pattern"]) if "pattern" in shape else None
    if regex is not None and not regex.fullmatch(value):
        yield _against(at, value_text, f"Member must satisfy regular expression pattern: {shape['pattern']}")


def _number(shape: Shapes, value: Any, at: str) -> Iterator[Broken]:
    if isinstance(value, int | float):
        yield from _amount(shape, value, "value", at, f" '{value}'")


def _amount(shape: Shapes, amount: float, noun: str, at: str, value_text: str = "") -> Iterator[Broken]:
    low, high = shape.get("min"), shape.get("max")
    if low is not None and amount < low:
        yield _against(at, value_text, f"Member must have {noun} greater than or equal to {low}")
    if high is not None and amount > high:
        yield _against(at, value_text, f"Member must have {noun} less than or equal to {high}")


def _against(at: str, value_text: str, constraint: str) -> Broken:
    return Broken(
        f"Value{f' {value_text.strip()}' if value_text else ''} at '{at}' failed to satisfy constraint: {constraint}"
    )


def _mistyped(at: str, noun: str) -> Broken:
    return Broken(f"the value at '{at}' is not {noun}", "SerializationException")


def _below(at: str, member: str) -> str:
    """AWS spells members with a small letter."""
    small = member[:1].lower() + member[1:]
    return f"{at}.{small}" if at else small
