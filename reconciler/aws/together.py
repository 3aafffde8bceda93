"""Reads at the same time, in one bounded pool of threads for all of them, however deep they are nested.

A read may itself run reads together. Nobody who waits holds a thread back from work: what hasn't been started by the
time its turn to be waited for comes is run by the one who waits. So the pool can't lock up, and a thousand resources
take no more threads than ten.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

MANY = 4  # times as many reads as threads, from which on none has a future of its own
T = TypeVar("T")


class Together:
    """The pool. workers: threads at most, started when they are needed."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def start(self, read: Callable[[], T]) -> Future[T]:
        """Run one read in the pool."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="aws")
            return self._pool.submit(read)

    def run(self, reads: Sequence[Callable[[], T]]) -> list[T]:
        """Run all of them; their results in order. An error is raised once none is under way any more."""
        if not reads:
            return []
        if len(reads) > MANY * self._workers:
            return self._many(reads)
        futures = [self.start(read) for read in reads[1:]]
        results: dict[int, T] = {}
        try:
            results[0] = reads[0]()
            # From the last, since the pool takes them from the first.
            for number in range(len(futures), 0, -1):
                if futures[number - 1].cancel():
                    results[number] = reads[number]()
            return [
                results[number] if number in results else futures[number - 1].result() for number in range(len(reads))
            ]
        finally:
            _leave(futures)

    def _many(self, reads: Sequence[Callable[[], T]]) -> list[T]:
        """Run very many reads, which would need more memory as futures than their answers do.

        Once one has failed, none is begun any more.
        """
        left, results, failed = deque(range(len(reads))), dict[int, T](), dict[int, BaseException]()

        def work() -> None:
            while not failed:
                try:
                    number = left.popleft()
                except IndexError:
                    return
                try:
                    results[number] = reads[number]()
                except BaseException as error:
                    failed[number] = error

        helpers = [self.start(work) for _ in range(self._workers)]
        try:
            work()
        finally:
            left.clear()
            _leave(helpers)
        if failed:
            raise failed[min(failed)]
        return [results.pop(number) for number in range(len(reads))]

    def close(self) -> None:
        """End its threads; a later read starts them again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)


class Shared:
    """Answers that serve several readers, kept as long as one look at everything lasts: `with` it.

    size: how many resources are looked at.
    """

    def __init__(self) -> None:
        self.size = 0
        self._answers: dict[str, Future[Any]] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._answers = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers = None

    def once(self, key: str, read: Callable[[], T]) -> T | None:
        """What `read` gives, which only the first who asks runs; None while nothing is shared."""
        with self._lock:
            if self._answers is None:
                return None
            mine = key not in self._answers
            answer: Future[T] = self._answers.setdefault(key, Future())
        if mine:
            try:
                answer.set_result(read())
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()


def _leave(futures: Sequence[Future[Any]]) -> None:
    """Start none of these any more, and wait for those that run."""
    wait([future for future in futures if not future.cancel()])
