"""What was made a short time ago is noted by many threads at the same time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count

import pytest

from reconciler.aws.fresh import SECONDS, Fresh


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    """Another thread notes a name whenever it may take its turn while a C function runs: at a garbage collection."""
    fresh, number = Fresh(), count()

    def note(phase: str, info: dict[str, int]) -> None:
        fresh.add({"RoleName": f"role-{next(number)}"}, 0.0)

    before = gc.get_threshold()
    gc.set_threshold(1)
    gc.callbacks.append(note)
    yield fresh
    gc.callbacks.remove(note)
    gc.set_threshold(*before)


def test_names_are_noted_while_others_are_looked_for(fresh: Fresh) -> None:
    """A plan of 1,200 new resources failed with "dictionary changed size during iteration"."""
    for number in range(100):
        fresh.see("ecr", {"repository": {"repositoryName": f"r{number}", "createdAt": 1}}, 0.0)
        assert fresh.names({"repositoryName": "r0"}, 0.0)
    assert fresh.names({"repositoryArn": "arn:aws:ecr:us-east-1:1:repository/r99"}, SECONDS)
    assert not fresh.names({"repositoryName": "r99"}, SECONDS + 1)
