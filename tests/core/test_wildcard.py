"""Wildcards of IAM, and that no pattern makes them slow."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import pytest

from reconciler.core.wildcard import matches
from tests.work import assert_linear


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("", "", True), ("", "a", False), ("*", "", True), ("*", "a/b\nc", True), ("?", "", False), ("?", "\n", True),
        ("a", "a", True), ("a", "A", False), ("a*", "ab", True), ("*b", "ab", True), ("a*b", "ab", True),
        ("ab*ba", "aba", False), ("a*a", "a", False), ("**", "x", True), ("a**b", "a12b", True),
        ("s3:Get*", "s3:GetObject", True), ("data/*.csv", "data/x.csv", True), ("data/*.csv", "data/x.csvx", False),
        ("a.c", "abc", False), ("[a]", "a", False), ("[a]", "[a]", True), ("a?c*e", "abcde", True),
        ("*?b?*", "aabaa", True), ("*?b?*", "ab", False), ("*ab*ab*", "xabab", True), ("*ab*ab*", "xaba", False),
    ],
)  # fmt: skip
def test_what_matches(pattern: str, value: str, expected: bool) -> None:
    assert matches(pattern, value) is expected


def test_as_a_regular_expression_has_it() -> None:
    """All patterns of up to five characters against all values of up to four."""
    values = ["".join(letters) for size in range(5) for letters in product("ab", repeat=size)]
    for size in range(6):
        for pattern in map("".join, product("a*?", repeat=size)):
            regex = re.compile(pattern.replace("*", ".*").replace("?", "."), re.DOTALL)
            assert [matches(pattern, v) for v in values] == [regex.fullmatch(v) is not None for v in values], pattern


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*a*b*c", "a*" * 12 + "b", "*" * 200 + "b", "*a?a*a?a*a?b*c"], ids=range(4)
)
def test_it_grows_with_the_value(pattern: str) -> None:
    def work(size: int) -> Callable[[], object]:
        value = "a" * size
        return lambda: matches(pattern, value)

    assert_linear(work, 20_000)


def test_it_grows_with_the_stars() -> None:
    def work(size: int) -> Callable[[], object]:
        pattern, value = "a*" * size + "b*c", "a" * (2 * size)
        return lambda: matches(pattern, value)

    assert_linear(work, 2000)
