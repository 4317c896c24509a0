"""One pass of a network over inputs: logits, right answers, pooled features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from trainer.data.augment import normalise
from trainer.data.inputs import Inputs
from trainer.data.samples import Samples
from trainer.models.backbones.interface import Backbone, Preprocessing
from trainer.models.losses import count_hits
from trainer.models.network import Network
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup


@torch.inference_mode()
def count_right(
    network: Network,
    samples: Samples,
    *,
    batch_size: int,
    compute: Compute,
    group: ProcessGroup = SINGLE,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Tensor, Tensor, bool]:
    """Return how many known labels every level's head has right, how many are known, and whether all logits are finite.

    Each process scores its share; all learn the sum.

    Parameters
    ----------
    stopping
        Asked after each batch; once it is true the rest is left out.

    Returns
    -------
    right, known
        Each ``[K]``, on the CPU.
    finite
        Whether the logits are numbers.
    """
    rows = torch.arange(len(samples))[group.rank :: group.size]
    levels = samples.targets.shape[1]
    found = torch.zeros(2 * levels + 1, device=compute.device)
    batches = rows.split(batch_size) if len(rows) else ()  # there may be fewer samples than processes
    for mine, logits in zip(batches, _answers(network, samples.inputs, batches, compute), strict=True):
        targets = samples.targets.index_select(0, mine.to(compute.device))
        wild = torch.stack([~z.isfinite().all() for z in logits]).any()
        found += torch.cat([count_hits(logits, targets), (targets >= 0).sum(0), wild.view(1)])
        if stopping():
            break
    right, known, wild = group.all_reduce_sum_(found).cpu().split([levels, levels, 1])
    return right, known, not wild.item()


def predict_logits(network: Network, inputs: Inputs, *, batch_size: int, compute: Compute) -> list[Tensor]:
    """Return the logits of every level, K float32 tensors ``[N, C_k]`` on the CPU, for all inputs in their order."""
    batches = stream_logits(network, inputs, batch_size=batch_size, compute=compute)
    return [torch.cat(level) for level in zip(*batches, strict=True)]


def stream_logits(network: Network, inputs: Inputs, *, batch_size: int, compute: Compute) -> Iterator[list[Tensor]]:
    """Yield the same batch by batch, K float32 tensors ``[B, C_k]`` each, so that never all of them are in memory."""
    for logits in _answers(network, inputs, torch.arange(len(inputs)).split(batch_size), compute):
        yield [z.float().cpu() for z in logits]


@torch.inference_mode()
def _answers(network: Network, inputs: Inputs, rows: Sequence[Tensor], compute: Compute) -> Iterator[list[Tensor]]:
    network.eval()
    for batch in inputs.batches(rows, compute.device):
        with compute.autocast():
            logits = network(normalise(batch, network.preprocessing) if batch.dim() == 4 else batch)
        yield logits  # outside: a generator that waits inside would leave autocast on for whoever takes them


class Embedder(Protocol):
    """What maps normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``, such as a `Network`."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are normalised."""

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbones."""

    def eval(self) -> Any:
        """Stop learning, and answer for each image by itself."""

    def embed(self, images: Tensor) -> Tensor:
        """Return the features."""


@torch.inference_mode()
def embed(
    network: Embedder,
    images: Inputs,
    *,
    batch_size: int,
    compute: Compute,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Return the pooled features float32 ``[N, W]`` of uint8 images, as a frozen backbone sees them."""
    network.eval()
    features = []
    for batch in images.batches(torch.arange(len(images)).split(batch_size), compute.device):
        with compute.autocast():
            features.append(network.embed(normalise(batch, network.preprocessing)).float())
        on_batch(len(batch))
    return torch.cat(features)
