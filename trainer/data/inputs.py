"""Where a network's inputs lie: on the device, in memory, on disk decoded, or in image files read anew."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from taxonomy import HiertaxError
from taxonomy.datasets.shards import chunks_of
from taxonomy.threads import in_threads
from trainer.data.images import UndecodableImageError, decode
from trainer.runtime.signals import SIGNALS


class Inputs(Protocol):
    """The inputs of N samples, wherever they lie."""

    def __len__(self) -> int:
        """Return N."""

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """Yield for each int64 CPU tensor ``[B]`` of positions the inputs ``[B, ...]`` on the device."""


@dataclass(frozen=True)
class ArrayInputs:
    """Inputs as one tensor, in memory, memory-mapped or on the device.

    Attributes
    ----------
    tensor
        uint8 images ``[N, 3, S, S]``, or float32 pooled features ``[N, W]``.
    in_use
        What keeps the place that they were read from, if it is to be kept as long as these are there.
    """

    tensor: Tensor
    in_use: object = None

    def __len__(self) -> int:
        return len(self.tensor)

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """Yield for each int64 CPU tensor ``[B]`` of positions the inputs ``[B, ...]`` on the device.

        Inputs that lie there already are gathered without the CPU waiting for it; from memory to a GPU the
        next batch is gathered while the last one is in use.
        """
        if self.tensor.device.type != "cpu":
            return self._resident(list(rows), device)
        if device.type == "cuda":
            return (batch.to(device, non_blocking=True) for batch in one_ahead(self._pinned, rows))
        return (self.tensor.index_select(0, index).to(device) for index in rows)

    def _resident(self, rows: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
        if rows:
            every = torch.cat(list(rows)).to(self.tensor.device)  # one copy, not one for each batch
            for index in every.split([len(index) for index in rows]):
                yield self.tensor.index_select(0, index).to(device)

    def _pinned(self, index: Tensor) -> Tensor:
        """Gather into page-locked memory, from where a GPU copies by itself."""
        batch = torch.empty(len(index), *self.tensor.shape[1:], dtype=self.tensor.dtype, pin_memory=True)
        return torch.index_select(self.tensor, 0, index, out=batch)


def one_ahead(make: Callable[[Tensor], Tensor], rows: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield ``make(index)`` for all of `rows`, the next one made in a thread while the last one is in use."""
    return in_threads(make, rows, threads=1, ahead=1)


@dataclass(frozen=True)
class FileInputs:
    """Images decoded anew each time they are asked for, by a DataLoader.

    Attributes
    ----------
    paths
        N image files.
    size
        Height and width S of the images ``[N, 3, S, S]``.
    workers
        How many processes decode; 0 for this one.
    """

    paths: Sequence[Path]
    size: int
    workers: int

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def chunks(self) -> Tensor | None:
        """For each image its shard, and the part of it that is read at once, int64 ``[N, 2]``; None for loose files."""
        found = chunks_of(self.paths)
        return None if found is None else torch.from_numpy(found)

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """Yield for each int64 CPU tensor ``[B]`` of positions the images uint8 ``[B, 3, S, S]`` on the device.

        Raises
        ------
        UndecodableImageError
            If a file cannot be decoded: the first such file of its batch.
        HiertaxError
            If a worker dies.
        """
        loader = DataLoader(
            _Batches(self.paths, self.size),
            sampler=[index.tolist() for index in rows],  # each already a batch
            batch_size=None,
            num_workers=self.workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=_end_quietly,
            generator=torch.Generator(),  # else it draws from the generator that all else draws from
        )
        for batch in _loaded(loader):
            if isinstance(batch, UndecodableImageError):
                raise batch
            yield batch.to(device, non_blocking=True)


@dataclass(frozen=True)
class _Batches(Dataset[Tensor | UndecodableImageError]):
    """Batches by the list of their positions; an error is returned, since raised it would print a traceback."""

    paths: Sequence[Path]
    size: int

    def __getitem__(self, rows: list[int]) -> Tensor | UndecodableImageError:
        try:
            return torch.from_numpy(np.stack([decode(self.paths[i], self.size) for i in rows]))
        except UndecodableImageError as error:
            return error


def _loaded(
    loader: DataLoader[Tensor | UndecodableImageError],
) -> Iterator[Tensor | UndecodableImageError]:
    """Yield what a loader gives, and end its workers however that ends."""
    batches = iter(loader)
    try:
        yield from batches
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # they hold on to the workers
        if isinstance(error, RuntimeError):
            reason = str(error).splitlines()[0]
            raise HiertaxError(f"reading images: {reason}; try fewer `workers`") from None
        raise
    finally:
        del batches  # which ends the workers


def _end_quietly(_: int) -> None:
    """Prepare a worker for signals that reach every process: the parent finishes its step, ends it, and alone says so.

    A parent that stops while it fetches a batch breaks a worker's pipe, of which ``sys.excepthook`` would tell.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.excepthook = lambda *_: None
