"""One epoch of training and one pass of prediction; knows no files and no command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer

from trainer.augment import normalise, random_crop_and_flip
from trainer.config import Config
from trainer.methods import Network


@dataclass(frozen=True)
class Samples:
    """What a network learns from, in memory or on the device.

    Attributes
    ----------
    inputs
        uint8 images ``[N, 3, S, S]``, or float32 pooled features ``[N, W]`` of a frozen backbone.
    targets
        int64 ``[N, K]``: the label index at every level.
    """

    inputs: Tensor
    targets: Tensor

    @property
    def are_images(self) -> bool:
        """Whether the inputs still have to pass the backbone."""
        return self.inputs.dim() == 4


@dataclass(frozen=True)
class EpochResult:
    """What one training epoch gave: the mean loss and the accuracy of every level, ``[K]``."""

    loss: float
    accuracy: tuple[float, ...]


def make_optimizer(network: Network, config: Config) -> Optimizer:
    """Return SGD with the backbone on its own, lower learning rate (the paper, section 5)."""
    backbone = [p for name, p in network.named_parameters() if name.startswith("backbone") and p.requires_grad]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone")]
    groups = [{"params": rest, "peak": config.learning_rate}]
    if backbone:
        groups.append({"params": backbone, "peak": config.backbone_learning_rate})
    return SGD(groups, lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)


def set_learning_rate(optimizer: Optimizer, epoch: int, epochs: int) -> None:
    """Set each group's rate to its peak times ``(1 + cos(pi t / T)) / 2``, as the paper's code does."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def epoch_seed(seed: int, epoch: int) -> int:
    """Return what the random numbers of an epoch are drawn from, so that there is no generator state to keep."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def multi_level_loss(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Return the sum over levels of the cross-entropy, weights 1 (the paper, section 4)."""
    return torch.stack([cross_entropy(z, y) for z, y in zip(logits, targets.unbind(1), strict=True)]).sum()


def train_epoch(
    network: Network,
    samples: Samples,
    optimizer: Optimizer,
    *,
    batch_size: int,
    device: torch.device,
    generator: torch.Generator,
    on_batch: Callable[[int], None] = lambda _: None,
) -> EpochResult:
    """Train on every sample once, but for the last part of a batch, and score the same predictions.

    Parameters
    ----------
    generator
        A CPU generator that decides order and augmentation.
    on_batch
        Called with the batch's size after each step.
    """
    forward = _training_forward(network, samples, generator)
    loss_sum = torch.zeros((), device=device)
    right = torch.zeros(samples.targets.shape[1], device=device)
    count = 0
    for inputs, targets in _shuffled(samples, batch_size, device, generator):
        logits = forward(inputs)
        loss = multi_level_loss(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(inputs)  # stays on the device: no synchronisation inside an epoch
        right += torch.stack([z.argmax(1) for z in logits], dim=1).eq(targets).sum(0)
        count += len(inputs)
        on_batch(len(inputs))
    return EpochResult((loss_sum / count).item(), tuple((right / count).tolist()))


def _training_forward(
    network: Network, samples: Samples, generator: torch.Generator
) -> Callable[[Tensor], list[Tensor]]:
    network.train()
    if samples.are_images:
        return lambda images: network(normalise(random_crop_and_flip(images, generator)))
    return network.classify


def _shuffled(
    samples: Samples, batch_size: int, device: torch.device, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(samples.inputs), generator=generator)
    size = min(batch_size, len(order))
    for start in range(0, len(order) - size + 1, size):
        index = order[start : start + size].to(samples.inputs.device)
        inputs, targets = samples.inputs.index_select(0, index), samples.targets.index_select(0, index)
        yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)


@torch.inference_mode()
def predict_logits(network: Network, inputs: Tensor, *, batch_size: int, device: torch.device) -> list[Tensor]:
    """Return the logits of every level, K tensors ``[N, C_k]`` on the CPU, for all inputs in their order.

    Parameters
    ----------
    inputs
        What `Samples.inputs` holds.
    """
    network.eval()
    forward = (lambda images: network(normalise(images))) if inputs.dim() == 4 else network.classify
    batches = [[z.float().cpu() for z in forward(batch.to(device))] for batch in inputs.split(batch_size)]
    return [torch.cat(level) for level in zip(*batches, strict=True)]


class Embedder(Protocol):
    """What maps normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``, such as a `Network`."""

    def eval(self) -> Any:
        """Stop learning, and answer for each image by itself."""

    def embed(self, images: Tensor) -> Tensor:
        """Return the features."""


@torch.inference_mode()
def embed(
    network: Embedder,
    images: Tensor,
    *,
    batch_size: int,
    device: torch.device,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Return the pooled features ``[N, W]`` of uint8 images, as a frozen backbone sees them."""
    network.eval()
    features = []
    for batch in images.split(batch_size):
        features.append(network.embed(normalise(batch.to(device).contiguous(memory_format=torch.channels_last))))
        on_batch(len(batch))
    return torch.cat(features)


def top_labels(logits: list[Tensor]) -> Tensor:
    """Return the label each head prefers, int64 ``[N, K]``: the paper's independent decoding."""
    return torch.stack([z.argmax(1) for z in logits], dim=1)
