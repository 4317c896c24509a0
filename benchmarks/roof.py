"""How fast a device could train at most, were memory all that it waits for: bytes of a step, bytes per second.

The roof is that of the eager mode: every operation reads its inputs from memory and writes its outputs there. A
compiler that fuses operations moves fewer bytes and may pass it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LARGEST_COPY = {"cuda": 4 << 30, "cpu": 256 << 20}  # bytes; far more than any cache holds


class ByteCounter(TorchDispatchMode):
    """Counts what the operations under it read and write, backward passes included.

    Attributes
    ----------
    total
        Bytes of the inputs and outputs of every aten operation, each tensor once per operation; views, which move
        nothing, and memory that is only set aside do not count.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and add what it moved."""
        result = func(*args, **(kwargs or {}))
        self.total += _moved(func, args, kwargs or {}, result)
        return result


def _moved(func: Any, args: Any, kwargs: Any, result: Any) -> int:
    read = _tensors((args, kwargs))
    held = {tensor.untyped_storage().data_ptr() for tensor in read}
    written = [tensor for tensor in _tensors(result) if tensor.untyped_storage().data_ptr() not in held]
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += _tensors(value)
    if not written or "empty" in func.__name__:
        return 0
    return sum(map(_size, read)) + sum(map(_size, written))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _size(tensor: Tensor) -> int:
    """Return the bytes a tensor is made of; what `expand` repeats is in memory once."""
    kept = (n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not n)
    return math.prod(kept) * tensor.element_size()


def bytes_moved(step: Callable[[], object]) -> int:
    """Run one step and return the bytes that its operations read and wrote."""
    counter = ByteCounter()
    with counter:
        step()
    return counter.total


def bytes_of_step(step: Callable[[int], Callable[[], object]]) -> dict[str, float]:
    """Return the bytes that a step moves for each image, and those for each step, such as weights and gradients.

    Parameters
    ----------
    step
        Returns a step of a batch of so many images.
    """
    two, four = (bytes_moved(step(batch)) for batch in (2, 4))
    per_image = (four - two) / 2
    return {"per_image": per_image, "per_step": two - 2 * per_image}


def copy_bandwidth(device: torch.device, *, size: int | None = None, repeats: int = 10) -> float:
    """Return the bytes per second, read and written, of a large copy within a device's memory (median of some).

    Parameters
    ----------
    size
        Bytes to copy; if not given, several gigabytes of a GPU's free memory or 256 MiB of a CPU's.
    """
    if size is None:
        size = LARGEST_COPY[device.type]
        size = min(size, torch.cuda.mem_get_info(device)[0] // 4) if device.type == "cuda" else size
    source, target = (torch.empty(size // 4, device=device).fill_(1) for _ in range(2))
    seconds = []
    for _ in range(repeats + 2):
        _, took = timed(lambda: target.copy_(source), device)
        seconds.append(took)
    return 2 * source.nbytes / statistics.median(seconds[2:])


def timed(work: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Run something; return its result and the seconds until the device had done it all."""
    synchronise(device)
    start = time.perf_counter()
    result = work()
    synchronise(device)
    return result, time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
