"""Pages of an answer: all of them, and an end whatever marks they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from reconciler.core.pages import EMPTY, Endless, pages

MARKS = {"Token": "Next"}
Read = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def of(*answers: Mapping[str, Any] | None) -> Read:
    """These, by their number."""
    return lambda following: answers[int(following.get("Token", 0))]


def test_all_of_them() -> None:
    given = {"Items": [1], "Next": "1"}, {"Items": [], "Next": "2"}, {"Items": [2], "Next": ""}
    assert list(pages(of(*given), MARKS)) == [*given]
    assert list(pages(of(None), MARKS)) == []
    assert list(pages(of({"Items": [], "Next": "1"}, None), MARKS)) == [{"Items": [], "Next": "1"}]


def test_many_marks_and_pages_without_anything() -> None:
    """Those of a filter that matches little."""
    last = EMPTY - 1
    read_pages = pages(
        lambda on: {"Items": [], **({"Next": n} if (n := on.get("Token", 0) + 1) <= last else {})}, MARKS
    )
    assert len(list(read_pages)) == EMPTY
    keys = [{"K": 1, "V": "a"}, {"K": 1, "V": "b"}, {}]
    asked = list[Mapping[str, Any]]()

    def read(following: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(following)
        return keys[len(asked) - 1]

    assert len(list(pages(read, {"Key": "K", "Version": "V"}))) == 3
    assert asked == [{}, {"Key": 1, "Version": "a"}, {"Key": 1, "Version": "b"}]


NUMBERS = count(1)
ENDLESS: list[tuple[str, Read, str]] = [
    ("itself", lambda on: {"Items": [1], "Next": "a"}, "its next page is itself"),
    ("two that lead to each other", lambda on: {"Items": [1], "Next": "b" if on.get("Token") == "a" else "a"},
     "its pages don't end"),
    ("always another, with nothing", lambda on: {"Items": [], "Next": next(NUMBERS)}, "its pages don't end"),
    ("the same, with numbers", lambda on: {"Count": 7, "Next": next(NUMBERS)}, "its pages don't end"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "why"), [row[1:] for row in ENDLESS], ids=[row[0] for row in ENDLESS])
def test_what_does_not_end_ends(read: Read, why: str) -> None:
    with pytest.raises(Endless, match=why):
        for _ in pages(read, MARKS):
            pass
