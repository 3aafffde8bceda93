"""How much of what can be tried without end `make test` tries: a quarter of what `make check` does."""

from __future__ import annotations

from hypothesis import settings

_one_of = 1


def take() -> None:
    """From now on a share is what is wanted: before the tests are loaded."""
    global _one_of
    _one_of = 4
    settings.register_profile("share", max_examples=25)
    settings.load_profile("share")


def examples(count: int) -> int:
    """Of so many examples, those to try."""
    return max(count // _one_of, 2)
