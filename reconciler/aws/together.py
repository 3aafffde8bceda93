"""Reads at the same time, in one bounded pool of threads for all of them, however deep they are nested.

A read may itself run reads together. Nobody who waits holds a thread back from work: whoever asks for reads runs them,
too, and waits only for those that others have begun. So the pool can't lock up, and a thousand resources
take no more threads than ten.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

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

    def run(self, reads: Sequence[Callable[[], T]], at_once: int = 0) -> list[T]:
        """Run all of them; their results in order. Once one has failed, none is begun any more, and its error is raised
        when none is under way. at_once: how many at the same time, the caller's own among them; 0 for all threads.
        """
        numbers, results, errors = deque(range(len(reads))), dict[int, T](), dict[int, BaseException]()

        def work() -> None:
            while not errors:
                try:
                    number = numbers.popleft()
                except IndexError:
                    return
                try:
                    results[number] = reads[number]()
                except BaseException as error:
                    errors[number] = error

        # None has a future of its own: very many would need more memory so than for their answers.
        helpers = [self.start(work) for _ in range(min(at_once or self._workers + 1, len(reads)) - 1)]
        try:
            work()
        finally:
            numbers.clear()
            wait([helper for helper in helpers if not helper.cancel()])
        if errors:
            raise errors[min(errors)]
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
            is_first = key not in self._answers
            answer: Future[T] = self._answers.setdefault(key, Future())
        if is_first:
            try:
                answer.set_result(read())
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()
