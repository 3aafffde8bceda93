"""Whether work grows as its input does: by the processor's time of this process, which other programs don't change."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 0.02  # seconds of work below which a clock's steps would be measured
BOUND = 40.0  # times as much for ten times as much input: linear work has 10, quadratic 100


def processor(work: Callable[[], object]) -> float:
    """Seconds of processor time, the best of three."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def assert_linear(work: Callable[[int], Callable[[], object]], size: int) -> None:
    """`work(size)` prepares work on an input of that size. Ten times the size may take no more than `BOUND` times as
    long; the size grows until the smaller work can be measured, unless the larger one takes no time either.
    """
    while True:
        small, large = processor(work(size)), processor(work(10 * size))
        if small >= LEAST or large < LEAST * 10:
            break
        size *= 2
    assert large <= max(small, LEAST) * BOUND, (size, small, large)
