"""Very many reads at the same time: in order, without a future for each, and none is begun once one has failed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from reconciler.aws.together import Together

WORKERS = 4
COUNT = 116


class Counted(Together):
    """Counts the futures."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.futures = 0

    def start(self, read: Callable[[], Any]) -> Future[Any]:
        self.futures += 1
        return super().start(read)


@pytest.fixture
def pool() -> Iterator[Counted]:
    with contextlib.closing(Counted(WORKERS)) as made:
        yield made


def test_very_many_reads(pool: Counted) -> None:
    assert pool.run([partial(int, str(n)) for n in range(COUNT)]) == [*range(COUNT)]
    assert pool.futures == WORKERS


def test_they_may_be_nested(pool: Counted) -> None:
    """Nobody who waits holds a thread back from work."""

    def deep(n: int) -> int:
        return sum(pool.run([partial(int, str(n))] * COUNT))

    assert pool.run([partial(deep, n) for n in range(COUNT)]) == [n * COUNT for n in range(COUNT)]


def test_they_are_made_at_the_same_time(pool: Counted) -> None:
    all_there = threading.Barrier(WORKERS + 1)  # and whoever asks for them

    def read(n: int) -> int:
        if n <= WORKERS:
            all_there.wait(60)
        return n

    assert pool.run([partial(read, n) for n in range(COUNT)]) == [*range(COUNT)]


def test_no_more_are_made_at_the_same_time_than_are_asked_for(pool: Counted) -> None:
    both, lock, under_way, most = threading.Barrier(2), threading.Lock(), list[int](), list[int]()

    def read(n: int) -> int:
        with lock:
            under_way.append(n)
            most.append(len(under_way))
        both.wait(60)
        with lock:
            under_way.remove(n)
        return n

    assert pool.run([partial(read, n) for n in range(COUNT)], at_once=2) == [*range(COUNT)]
    assert max(most) == 2


def test_the_first_error_ends_them(pool: Counted) -> None:
    """It is raised once none is under way any more."""
    begun, under_way, raised = list[int](), set[int](), threading.Event()

    def read(n: int) -> int:
        begun.append(n)
        under_way.add(n)
        try:
            if n == 20:
                raised.set()
                raise ValueError(n)
            assert n < 20 or raised.wait(60)
            return sum(range(10_000)) * 0 + n  # so long that all of them would take seconds
        finally:
            under_way.discard(n)

    with pytest.raises(ValueError, match="20"):
        pool.run([partial(read, n) for n in range(100 * COUNT)])
    assert not under_way
    assert len(begun) < 100 * COUNT
    assert pool.run([partial(int, "1")] * COUNT) == [1] * COUNT
