"""The processes that train one network together, as ``torchrun`` starts them; usually there is only one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from taxonomy import HiertaxError

if TYPE_CHECKING:  # torch is imported where there are several processes: a single one may end before it needs torch
    from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(hours=2)  # the others wait while one decodes a dataset


@dataclass(frozen=True)
class ProcessGroup:
    """A process among those that train together.

    Attributes
    ----------
    rank, size
        Its number and how many there are.
    local_rank
        Its number on its own machine, which is that of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files and speaks."""
        return self.rank == 0

    def all_reduce_sum_(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Return whether the flag is true in any process; all learn the same answer."""
        if self.size == 1:
            return flag
        import torch

        return bool(self.all_reduce_sum_(torch.tensor(float(flag))).item())

    def all_reduce_mean_(self, tensor: Tensor) -> None:
        """Replace a tensor of floats by its mean over all processes."""
        if self.size > 1 and tensor.is_floating_point():
            self.all_reduce_sum_(tensor).div_(self.size)

    def of_main(self, work: Callable[[], T]) -> T:
        """Let the main process do some work on the CPU; return what it returns, in every process."""
        if self.size == 1:
            return work()
        import torch
        import torch.distributed as dist

        found = [work() if self.is_main else None]
        dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        return cast("T", found[0])

    def barrier(self) -> None:
        """Wait until all processes have come this far."""
        self.any(False)

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Run a block on the first process of each machine, then on its others, which find the files it wrote."""
        if self.local_rank:
            self.barrier()
        yield
        if not self.local_rank:
            self.barrier()


SINGLE = ProcessGroup()


def on_this_machine() -> int:
    """Return how many processes share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this process is alone, or the first of those that ``torchrun`` has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1 or os.environ.get("RANK", "0") == "0"


@contextmanager
def join_processes() -> Iterator[ProcessGroup]:
    """Join the processes that ``torchrun`` has started; without it, be one.

    An error that ends several processes leaves only one of them as an error, to be told once; the others exit silently.

    Raises
    ------
    HiertaxError
        If the others cannot be reached, or one of them is gone.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield SINGLE
        return
    import torch.distributed as dist

    group = ProcessGroup(*(int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    store = _join(group)
    try:
        yield group
    except HiertaxError as error:
        if _was_said(store, str(error)):
            raise SystemExit(error.exit_code) from None
        raise
    except RuntimeError as error:
        if not _is_parting(error):
            raise
        if _was_said(store):
            raise SystemExit(1) from None
        raise HiertaxError(
            f"one of {group.size} processes is gone without a word, perhaps for want of memory; go on by `resume`"
        ) from None
    else:
        dist.destroy_process_group()  # after an error it would wait for those that are gone; exiting is enough


def _join(group: ProcessGroup) -> Any:
    """Meet the other processes; return the store that all can read and write."""
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    # Flags and counts on the CPU go through gloo, so that asking for them never waits for the GPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, _, _ = next(rendezvous("env://", timeout=PATIENCE))
        dist.init_process_group(backend, store=store, rank=group.rank, world_size=group.size, timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise HiertaxError(f"process {group.rank} of {group.size} cannot join ({reason}); start by torchrun") from None
    return store


def _was_said(store: Any, message: str = "") -> bool:
    """Return whether another process has ended by the same error, or, without a message, by any; and take note."""
    try:
        if message:
            store.add("errors", 1)
            return bool(store.add(f"error: {message}", 1) > 1)
        return bool(store.add("errors", 0) > 0)
    except RuntimeError:  # the store has ended before this process
        return False


def _is_parting(error: RuntimeError) -> bool:
    """Whether it is what waiting for a process that has ended gives."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or "gloo" in str(error)
