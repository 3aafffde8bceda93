"""JSON of others: how deeply it is nested is looked at before it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.plain_json import DEEPEST, Deep, parse

NEVER = "[" * 5000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEPEST + "]" * DEEPEST,
        "[" + ",".join(["[{}]"] * DEEPEST) + "]",
        json.dumps([NEVER, {NEVER: "{" * 300}]),
        json.dumps(['"' + NEVER, "\\" + NEVER, '\\"' + NEVER]),
        json.dumps({'a"[': "]" * 300, "b": ["[" * 300] * 50}),
        json.dumps(["[" * 300, "\u2603"], ensure_ascii=False),
    ],
)
def test_what_is_flat_enough_is_read_as_ever(text: str) -> None:
    value = json.loads(text)
    assert parse(text) == value
    for encoding in ("utf-8", "utf-16", "utf-32", "utf-16-le", "utf-8-sig"):
        assert parse(text.encode(encoding)) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
        NEVER,
        "[" * 100_000 + "]" * 100_000,
        '[{"a":' * 60 + "0",
        '["' + '\\"' * 300 + '",' + NEVER,
        '["\\\\",' + NEVER,
        '["a",' + "[]," * 300 + NEVER,
        '["\u2603",' + NEVER,
    ],
)
def test_what_is_too_deep_is_refused_unread(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*arguments: Any, **more: Any) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(json, "loads", read)
    for content in (text, text.encode(), text.encode("utf-16")):
        with pytest.raises(Deep):
            parse(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 50,
        '["',
        '"' + NEVER,
        "]" * 300,
        '["\\',
        '["\\' + "[" * 300,
        '{"' + "\\" * 301,
        "[" * 50 + "[]," * 60 + '"a\\',
    ],
)
def test_what_is_no_json_is_said(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_long_text_is_looked_through_once() -> None:
    """Each of these would take a minute if it were looked through again for each of its quotes."""
    for part in ('"\\', '"\\[', '["\\', '\\"[', '"[', '[["'):
        for text in (part * 200_000, "[]," * 101 + part * 200_000):
            with pytest.raises(ValueError):
                parse(text)
