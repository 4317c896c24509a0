"""How a network is computed: on which device, in which precision, compiled or not, with how many threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import joblib
import psutil
import torch
from torch import nn

from taxonomy import HiertaxError
from taxonomy.datasets.notes import counted
from trainer.config import Config

M = TypeVar("M", bound=nn.Module)
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
# Torch's own words on the CPU, oneDNN's, CUDA's, cuBLAS's, and Python's where a thread's stack has no room; none of
# which come as an OutOfMemoryError.
OUT_OF_MEMORY = (
    "can't allocate memory", "could not create a primitive", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
    "can't start new thread",
)  # fmt: skip
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


@dataclass(frozen=True)
class Compute:
    """Where and how a network is computed.

    Attributes
    ----------
    dtype
        What convolutions and matrix products are computed in; parameters stay float32.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which forward passes and losses are computed."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def place(self, network: M) -> M:
        """Move a network to the device, in the channels-last memory format, in which convolutions are fastest."""
        return network.to(self.device).to(memory_format=torch.channels_last)

    def memory(self) -> int:
        """Return how many bytes it takes: the most that torch allocated where it counts that, else the process."""
        counted = getattr(torch.get_device_module(self.device), "max_memory_allocated", None)
        return counted(self.device) if self.on_gpu and counted else psutil.Process().memory_info().rss

    @property
    def on_gpu(self) -> bool:
        """Whether the device is one that computes while the program goes on."""
        return self.device.type != "cpu"

    @property
    def on_cuda(self) -> bool:
        """Whether the device is CUDA's, which alone records graphs of what it computes."""
        return self.device.type == "cuda"

    def synchronize(self) -> None:
        """Wait until all that the device was told to compute is computed."""
        if self.on_gpu:
            torch.accelerator.synchronize(self.device)

    def __str__(self) -> str:
        precision = next(name for name, dtype in PRECISIONS.items() if dtype == self.dtype)
        return f"{self._place()}, {precision}"

    def _place(self) -> str:
        if not self.on_gpu:
            return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
        named = getattr(torch.get_device_module(self.device), "get_device_name", None)
        return str(named(self.device) if named else self.device)


def choose(config: Config, local_rank: int = 0) -> Compute:
    """Settle device and precision of a run, and prepare this process for them.

    Raises
    ------
    HiertaxError
        If this machine has no such device.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the GPU is first used
    if config.deterministic != torch.are_deterministic_algorithms_enabled():  # to set it imports torch's compiler
        torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.benchmark = not config.deterministic
    device = find_device(config.device, local_rank)
    if device.type == "cpu":
        use_cpu_well()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return Compute(device, find_precision(config.precision, device))


def find_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA's if there is one, else the CPU.

    Raises
    ------
    HiertaxError
        If this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", local_rank)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError, AttributeError) as error:
        raise HiertaxError(f"`device` {name}: not on this machine ({_in_short(error)}); try `device` cpu") from None
    return device


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of that name; ``auto`` is bfloat16 on a GPU (float16 where it has none), float32 on a CPU."""
    if name != "auto":
        return PRECISIONS[name]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def use_cpu_well() -> None:
    """Use the cores this process may use, and keep freed memory instead of returning it to the system.

    Torch counts the cores of the machine, not those of a container. glibc returns large blocks to the system at once
    and faults them in again, page by page, for the next layer, which for large batches costs more than the layer.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), joblib.cpu_count()))
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1)):
            libc.mallopt(setting, value)


def compile_step(
    step: Callable[..., Any], try_out: Callable[[Callable[..., Any]], None], *, graphs: bool
) -> Callable[..., Any]:
    """Compile a function and try it out.

    Parameters
    ----------
    try_out
        Calls the compiled function as training will, and changes nothing that lasts.
    graphs
        Whether to record it as CUDA graphs, so that a step is launched as a whole.

    Raises
    ------
    HiertaxError
        If that fails, as it does where no C compiler is installed.
    """
    compiled = torch.compile(step, mode="reduce-overhead" if graphs else None)

    def fresh(*args: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()  # what the last call returned may be overwritten
        return compiled(*args)

    with explaining_failure("`compile`: compiling"):
        try_out(fresh)
    return fresh


@contextmanager
def explaining_failure(what: str) -> Iterator[None]:
    """Turn whatever the many parts of a compiler or a recorder raise into one line.

    Parameters
    ----------
    what
        The setting that asked for it, and what was done.

    Raises
    ------
    HiertaxError
        In place of torch's error; not of running out of memory, which would not be cured by leaving it.
    """
    try:
        yield
    except (HiertaxError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise HiertaxError(f"{what} failed ({_in_short(error)}); try `compile` off") from None


def _in_short(error: Exception) -> str:
    """Return the first sentence of an error: torch has long lists to tell."""
    return str(error).partition(". ")[0].partition("\n")[0] or type(error).__name__


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Undo afterwards what a try-out does to the buffers and gradients of a network."""
    before = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in zip(network.buffers(), before, strict=True):
                buffer.copy_(old)
        network.zero_grad(set_to_none=True)


@contextmanager
def explaining_memory(config: Config, processes: int = 1) -> Iterator[None]:
    """Turn running out of memory into one line that says which batch, or parts of it, to try.

    Parameters
    ----------
    processes
        How many share a batch.

    Raises
    ------
    HiertaxError
        In place of torch's error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        plain = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not plain and not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        count = config.batch_size // processes // config.accumulate
        raise HiertaxError(
            f"`batch_size` {config.batch_size}: out of memory with {count} images of "
            f"{config.image_size} px at a time; {smaller_batches(config, processes, count // 2)}"
        ) from None


def smaller_batches(config: Config, processes: int, most: int) -> str:
    """Say what to try in place of a batch that does not fit the memory.

    Parameters
    ----------
    processes
        How many share a batch.
    most
        How many images may be computed at a time, which should be less than the settings make it.
    """
    if most < 2:
        return "try a smaller `image_size` or `backbone`"
    each = config.batch_size // processes
    parts = next((n for n in range(config.accumulate, each // 2 + 1) if each % n == 0 and each // n <= most), None)
    in_parts = f", or `accumulate` {parts}, which computes the same batches in parts" if parts else ""
    return f"try `batch_size` {most * config.accumulate * processes}{in_parts}"
