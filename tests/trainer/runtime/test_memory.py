"""Too little memory is one line that says which batch to try."""

import threading
from functools import partial

import pytest
import torch
from processes import Hiertrain, have_little_memory

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.runtime.device import explaining_memory


def start_a_thread_without_room_for_its_stack():
    before = threading.stack_size(2**46)
    try:
        threading.Thread(target=print).start()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize(
    "allocate", [partial(torch.empty, 10**15), partial(bytearray, 10**15), start_a_thread_without_room_for_its_stack]
)
def test_memory_that_is_refused_names_the_batch_to_try(allocate):
    config = Config("patches.json", batch_size=64, accumulate=2, device="cpu")
    with pytest.raises(HiertaxError) as caught, explaining_memory(config):
        allocate()
    assert str(caught.value) == (
        "`batch_size` 64: out of memory with 32 images of 224 px at a time; try `batch_size` 32, or `accumulate` 4, "
        "which computes the same batches in parts"
    )


def test_processes_that_share_a_batch_have_a_part_of_it_each():
    config = Config("patches.json", batch_size=64)
    with pytest.raises(HiertaxError, match="out of memory with 16 images"), explaining_memory(config, processes=4):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.06 GiB.")


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="size"), explaining_memory(Config("patches.json")):
        torch.zeros(2) @ torch.zeros(3)


@pytest.mark.slow
def test_a_process_that_may_have_little_memory_says_which_batch_to_try(patches, tmp_path):
    options = patches.options("--image-size", 512, "--batch-size", 24, "--out", tmp_path / "run", epochs=1)
    process = Hiertrain(tmp_path / "process", *options, prepare=partial(have_little_memory, 500))
    assert process.end() == 1
    assert "Traceback" not in process.err
    assert process.err.splitlines()[-1].startswith(
        "error: --batch-size 24: out of memory with 24 images of 512 px at a time; "
    )
