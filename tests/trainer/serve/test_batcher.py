"""One thread for many callers: what waits is taken together."""

import threading

import pytest

from trainer.serve.batcher import Batcher


@pytest.fixture
def held():
    """A batcher of at most three that doubles numbers, and refuses negative ones: its batches, and what lets it go."""
    batches, free = [], threading.Event()

    def work(numbers):
        assert free.wait(20)
        batches.append(numbers)
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]

    batcher = Batcher(work, 3)
    yield batcher, batches, free
    batcher.close()


def begun(batcher, number=0):
    """Keep the thread busy with one item, so that what follows has to wait."""
    future = batcher.submit(number)
    while not future.running():
        pass
    return future


def test_what_waits_is_taken_together_as_far_as_a_batch_goes(held):
    batcher, batches, free = held
    futures = [begun(batcher), *map(batcher.submit, range(1, 6))]
    free.set()
    assert [future.result(20) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert batches == [[0], [1, 2, 3], [4, 5]]


def test_an_error_reaches_all_of_its_batch_and_the_next_is_worked_on(held):
    batcher, _, free = held
    first, bad, with_it = begun(batcher), batcher.submit(-1), batcher.submit(1)
    free.set()
    assert first.result(20) == 0
    for future in (bad, with_it):
        with pytest.raises(ValueError, match="negative"):
            future.result(20)
    assert batcher.submit(4).result(20) == 8


def test_what_nobody_waits_for_any_more_is_left_out(held):
    batcher, batches, free = held
    first, gone, last = begun(batcher), batcher.submit(1), batcher.submit(2)
    assert gone.cancel()
    free.set()
    assert (first.result(20), last.result(20)) == (0, 4)
    assert batches == [[0], [2]]
