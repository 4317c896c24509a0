"""One thread that works on what waits, many items at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Items of many callers, taken together: while one batch is worked on, the next one gathers.

    Nobody waits for a batch to fill. How many may wait is for the callers to bound.

    Parameters
    ----------
    work
        Called in the one thread with a batch; returns a result for each of its items.
    most
        The largest batch.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], most: int) -> None:
        self._work, self._most = work, most
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batcher")

    def submit(self, item: Item) -> Future[Result]:
        """Let an item wait for its turn."""
        future: Future[Result] = Future()
        self._waiting.append((item, future))
        self._thread.submit(self._round)  # one for each item, of which those find nothing that came in a batch
        return future

    def close(self) -> None:
        """Take nothing more; what waits is given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _round(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
        batch = [(item, future) for item, future in taken if future.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            results = self._work([item for item, _ in batch])
        except BaseException as error:  # whoever waits hears of it
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
