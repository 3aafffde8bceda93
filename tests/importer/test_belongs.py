"""Which names belong to a deployment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.importer.inventory import belongs
from tests.work import assert_linear


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("p2", "p2", True), ("/ecs/p2-x", "p2", True), ("ci-p2", "p2", True), ("p2x", "p2", False),
        ("xp2", "p2", False), ("xp2-p2", "p2", True), ("p.2", "p?2", False), ("", "p2", False),
    ],
)  # fmt: skip
def test_belongs(name: str, prefix: str, expected: bool) -> None:
    assert belongs(name, prefix) is expected


def test_it_grows_with_the_name() -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: belongs("-a" * size, "a-" * 20 + "b")

    assert_linear(work, 10_000)
