"""What a CPU run will take, foreseen from the steps of a few images: hours, or more memory than there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.losses import PLAIN
from trainer.models.network import Network
from trainer.runtime.device import Compute, smaller_batches
from trainer.runtime.memory import free_memory
from trainer.runtime.processes import ProcessGroup
from trainer.runtime.progress import Reporter

TRIED = 4  # images
LONG_RUN = 3600  # seconds on a CPU above which a user is told at once
SPARE = 1.75  # a step takes 1.3 to 1.6 times what it keeps, while it computes; and there are the gradients


class Cost(NamedTuple):
    """What an image costs in training: seconds of all steps, and bytes that the largest keeps for its backward pass."""

    seconds: float
    kept: float


def foresee(
    network: Network, config: Config, compute: Compute, group: ProcessGroup, counts: tuple[int, int], reporter: Reporter
) -> None:
    """Try a few made-up images and say at once where a CPU run would take hours, or cannot fit the memory.

    A GPU is quick, and tells itself what does not fit.

    Parameters
    ----------
    counts
        How many images an epoch learns from, and how many it scores; of these one counts as a third in time.

    Raises
    ------
    HiertaxError
        As `check_batch_fits`.
    """
    if compute.on_gpu or config.freeze_backbone:
        return
    learned, scored = counts
    cost = cost_of(network, config, compute)
    check_batch_fits(config, cost.kept, learned, group.size)
    epochs = config.epochs - config.heads_first
    if (seconds := cost.seconds * (learned + scored / 3) * epochs) > LONG_RUN:
        reporter.say(
            f"warning: {epochs} epochs will take about {seconds / 3600:.1f} hours on this CPU; "
            "`freeze_backbone` trains neck and heads alone, in minutes"
        )


def cost_of(network: Network, config: Config, compute: Compute) -> Cost:
    """Measure what an image costs, by made-up ones; the network is as before afterwards."""
    batch, kept = black_images(TRIED, config, compute.device), 0
    with torch.inference_mode():
        levels = len(network.eval()(batch))
    start = time.perf_counter()
    for step in network.training_steps():
        with kept_for_backward(network) as bytes_kept, compute.autocast():
            loss, _ = step(batch, torch.zeros(TRIED, levels, dtype=torch.int64), None, PLAIN)
            kept = max(kept, bytes_kept())
        loss.backward()
    network.zero_grad(set_to_none=True)
    return Cost((time.perf_counter() - start) / TRIED, kept / TRIED)


@contextmanager
def kept_for_backward(network: nn.Module) -> Iterator[Callable[[], int]]:
    """Count what is saved for a backward pass meanwhile, parameters aside; give what returns the bytes so far."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()  # once, however often saved; until the pass it keeps its place
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        yield lambda: sum(found.values())


def check_batch_fits(config: Config, kept: float, images: int, processes: int = 1) -> None:
    """Refuse a batch that cannot fit, before images are decoded for it and the system ends the process without a word.

    Parameters
    ----------
    kept
        Bytes that a step keeps of an image. What it takes beside them is left out: what is refused cannot fit.
    images
        How many there are to learn from.
    processes
        How many share a batch.

    Raises
    ------
    HiertaxError
        If more is kept of them than is free; it names what would fit.
    """
    count = min(config.batch_size, images) // (processes * config.accumulate)
    needed, free = count * kept, free_memory()
    if needed > free:
        raise HiertaxError(
            f"`batch_size` {config.batch_size}: {count} images of {config.image_size} px at a time take more than "
            f"{needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            f"{smaller_batches(config, processes, int(free / kept / SPARE))}"
        )


def black_images(count: int, config: Config, device: torch.device) -> Tensor:
    """Return black images, ``[count, 3, S, S]``."""
    images = torch.zeros(count, 3, config.image_size, config.image_size, device=device)
    return images.contiguous(memory_format=torch.channels_last)
