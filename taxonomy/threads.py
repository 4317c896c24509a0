"""Work on many items at once, in threads and in order: reading files and decoding images let go of Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many threads `on_all_cores` works in."""
    return os.cpu_count() or 1


def on_all_cores(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Call `work` on every item in threads and yield what it returns, in their order; see `in_threads`."""
    return in_threads(work, items, threads=cores(), ahead=4 * cores())


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int) -> Iterator[Result]:
    """Call `work` on every item in so many threads and yield what it returns, in their order.

    No more than `ahead` results are made before somebody takes them; what is not taken is not made.
    """
    pool = ThreadPoolExecutor(threads)
    made: deque[Future[Result]] = deque()
    try:
        for item in items:
            made.append(pool.submit(work, item))
            if len(made) > ahead:
                yield made.popleft().result()
        while made:
            yield made.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
