"""Filter patterns of CloudWatch Logs for events of JSON: to moto, each of these means any event.

Only `$.NAME = "TEXT"`, joined by `&&`, `||` and parentheses; a pattern of another form still has all events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from moto.logs.utils import EventMessageFilter

from reconciler.core import plain_json
from reconciler.local.correction import Correction

Matches = Callable[[Any], bool]
WORD = re.compile(r'\s*(?:(&&|\|\||[()])|\$\.(\w+)\s*=\s*("(?:[^"\\]|\\.)*"))')


def _patterns_look_into_events() -> None:
    original: Any = EventMessageFilter.__init__
    plain: Any = EventMessageFilter.matches

    def init(self: Any, pattern: str) -> None:
        original(self, pattern)
        self.by_json = parse(pattern) if pattern else None

    def matches(self: Any, message: str) -> bool:
        if self.by_json is None:
            return bool(plain(self, message))
        try:
            event = plain_json.parse(message)
        except ValueError:
            return False
        return isinstance(event, dict) and bool(self.by_json(event))

    EventMessageFilter.__init__ = init  # type: ignore[method-assign]
    EventMessageFilter.matches = matches  # type: ignore[method-assign]


def parse(pattern: str) -> Matches | None:
    """What a pattern asks of an event; None for one that isn't understood."""
    inner = re.fullmatch(r"\s*\{(.*)\}\s*", pattern, re.DOTALL)
    if inner is None:
        return None
    words: list[Any] = []
    at, text = 0, inner[1].rstrip()
    while at < len(text):
        if (match := WORD.match(text, at)) is None:
            return None
        words.append(match[1] or (match[2], json.loads(match[3])))
        at = match.end()
    try:
        matches = _either(words)
    except IndexError:
        return None
    return None if words else matches


def _either(words: list[Any]) -> Matches:
    return _joined(words, "||", _both, any)


def _both(words: list[Any]) -> Matches:
    return _joined(words, "&&", _operand, all)


def _joined(
    words: list[Any], by: str, part: Callable[[list[Any]], Matches], hold: Callable[[Iterable[bool]], bool]
) -> Matches:
    operands = [part(words)]
    while words[:1] == [by]:
        del words[0]
        operands.append(part(words))
    return lambda event: hold(operand(event) for operand in operands)


def _operand(words: list[Any]) -> Matches:
    """Raises IndexError for what is no pattern."""
    word = words.pop(0)
    if word == "(":
        inner = _either(words)
        if words.pop(0) != ")":
            raise IndexError
        return inner
    if not isinstance(word, tuple):
        raise IndexError
    name, value = word
    return lambda event: event.get(name) == value


SYNTAX = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForJson.html"
CORRECTIONS = (Correction("filter patterns look into events", SYNTAX, _patterns_look_into_events),)
