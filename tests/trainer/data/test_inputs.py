"""Inputs: wherever they lie, the same rows come out in the order asked for, and nothing is left running."""

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from taxonomy import HiertaxError
from trainer.data.images import UndecodableImageError, load_images
from trainer.data.inputs import ArrayInputs, FileInputs, one_ahead

# From Python 3.12 on, a process with threads is warned of its forks; workers are forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

CPU = torch.device("cpu")
ROWS = [torch.tensor([3, 0]), torch.tensor([5, 5, 1]), torch.tensor([4])]  # any order, any size, some again
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six images, each of its own colours."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def images(photos):
    return load_images(photos, 8)[0]


@pytest.fixture
def spoilt(photos, tmp_path):
    """The photos, the fifth of them no image."""
    (tmp_path / "bad.png").write_text("404 not found")
    return [*photos[:4], tmp_path / "bad.png", photos[5]]


def equal(batches, tensor, rows=ROWS):
    return all(torch.equal(batch.cpu(), tensor[index]) for batch, index in zip(batches, rows, strict=True))


# Arrays


def test_images_and_features_come_in_the_rows_asked_for(images):
    features = torch.randn(6, 4)
    assert equal(ArrayInputs(images).batches(ROWS, CPU), images)
    assert equal(ArrayInputs(features).batches(ROWS, CPU), features)
    assert len(ArrayInputs(features)) == 6


def test_no_rows_are_no_batches(images, photos):
    assert [*ArrayInputs(images).batches([], CPU), *FileInputs(photos, 8, 0).batches([], CPU)] == []


@needs_gpu
@pytest.mark.parametrize("source", ["cpu", "cuda"])
def test_a_gpu_gets_the_same_rows_from_memory_and_from_itself(images, source):
    cuda = torch.device("cuda")
    batches = list(ArrayInputs(images.to(source)).batches(ROWS, cuda))
    assert {batch.device.type for batch in batches} == {"cuda"}
    assert equal(batches, images)
    assert list(ArrayInputs(images.to(source)).batches([], cuda)) == []


@needs_gpu
def test_rows_on_the_gpu_are_gathered_without_waiting_for_it(images):
    batches = ArrayInputs(images.cuda()).batches(ROWS, torch.device("cuda"))
    first = next(batches)  # the positions have gone over by now
    torch.cuda.set_sync_debug_mode("error")
    try:
        rest = list(batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert equal([first, *rest], images)


@needs_gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_a_gpu_gets_the_same_rows_from_files(photos, images, workers):
    assert equal(FileInputs(photos, 8, workers).batches(ROWS, torch.device("cuda")), images)


# One ahead


def test_the_next_batch_is_made_while_the_last_one_is_in_use():
    made = [threading.Event() for _ in ROWS]

    def make(index):
        made[[id(row) for row in ROWS].index(id(index))].set()
        return index

    for i, batch in enumerate(one_ahead(make, ROWS)):
        assert batch is ROWS[i]
        assert made[min(i + 1, 2)].wait(10)
        assert not any(event.is_set() for event in made[i + 2 :])  # one, not more: each takes memory


@pytest.mark.parametrize("end", ["stop", "error in use", "error in the making"])
def test_no_thread_outlives_whoever_takes_the_batches(end):
    def make(index):
        if end == "error in the making" and index is ROWS[1]:
            raise RuntimeError
        return index

    before = threading.active_count()
    with suppress(RuntimeError):
        for _ in one_ahead(make, ROWS):
            if end == "stop":
                break
            if end == "error in use":
                raise RuntimeError
    assert threading.active_count() == before


# Files


@pytest.mark.parametrize("workers", [0, 2])
def test_files_give_what_the_array_gives_every_time_anew(photos, images, workers):
    inputs = FileInputs(photos, 8, workers)
    assert len(inputs) == 6
    assert equal(inputs.batches(ROWS, CPU), images)
    assert equal(inputs.batches(reversed(ROWS), CPU), images, ROWS[::-1])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_decoded_is_one_line_whoever_decodes_it(spoilt, workers, capfd):
    batches = FileInputs(spoilt, 8, workers).batches(ROWS, CPU)
    assert len([next(batches), next(batches)]) == 2  # those before it come
    with pytest.raises(UndecodableImageError) as caught:
        next(batches)
    assert str(caught.value).startswith(f"{spoilt[4]}: cannot be decoded (")
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


def children():
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("end", ["stop", "error in use", "bad file"])
def test_no_worker_outlives_whoever_takes_the_batches(spoilt, end):
    others = children()  # of other tests
    with suppress(ZeroDivisionError, UndecodableImageError):
        for _ in FileInputs(spoilt, 8, 2).batches(ROWS, CPU):
            assert len(children()) == len(others) + 2
            if end == "stop":
                break
            if end == "error in use":
                raise ZeroDivisionError
    assert children() == others


class Deadly(list):
    """Paths that end the process which reads them."""

    def __getitem__(self, i):
        os._exit(1)


def test_a_worker_that_dies_is_one_line(photos):
    with pytest.raises(HiertaxError, match=r"reading images: .* exited unexpectedly.*; try fewer `workers`$") as caught:
        list(FileInputs(Deadly(photos), 8, 1).batches(ROWS, CPU))
    assert len(str(caught.value).splitlines()) == 1


def test_reading_files_draws_no_random_numbers_that_others_would_get(photos):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(FileInputs(photos, 8, 1).batches(ROWS, CPU))
    assert torch.equal(torch.get_rng_state(), before)


def read_until_interrupted(photos, started):
    os.setsid()  # a terminal of its own
    try:
        for _ in FileInputs(photos, 64, 2).batches([torch.zeros(50, dtype=torch.long)] * 10_000, CPU):
            started.set()
    except KeyboardInterrupt:
        sys.exit(130)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_ends_all_processes_without_a_traceback(photos, capfd):
    fork = multiprocessing.get_context("fork")
    started = fork.Event()
    process = fork.Process(target=read_until_interrupted, args=(photos, started))
    process.start()
    assert started.wait(60)
    workers = psutil.Process(process.pid).children()
    os.killpg(process.pid, signal.SIGINT)  # to all, as a terminal does
    process.join(60)
    assert process.exitcode == 130
    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)
    assert capfd.readouterr().err == ""
