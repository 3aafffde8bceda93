"""Durations as text."""

from __future__ import annotations

import pytest

from reconciler.core.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("90", 90), ("90s", 90), ("90m", 5400), (" 2 h ", 7200), ("1d", 86_400), ("9" * 18, 10**18 - 1),
        ("", None), ("h", None), ("-1", None), ("1.5h", None), ("8h30m", None), ("8 hours", None), ("90M", None),
        ("\u0669\u0660m", None), ("9" * 301, None),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds
