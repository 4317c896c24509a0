"""What the levels' logits are worth against the labels; a label that is not known, -1, counts for nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

UNKNOWN = -1


def multi_level_loss(logits: list[Tensor], targets: Tensor, share: Tensor | None = None) -> Tensor:
    """Return the sum over levels of the mean cross-entropy, weights 1 (the paper, section 4; docs/methods.md).

    The mean is over the images whose label of that level is known; a level that no image knows adds zero, and its
    gradient is exactly zero.

    Parameters
    ----------
    logits
        K tensors ``[B, C_k]``, coarsest level first.
    targets
        int64 ``[B, K]``; -1 where a label is unknown.
    share
        float32 ``[B]``: the part each sample has in its own image; the rest is its partner's, sample B - 1 - i,
        whose labels count for that much (see `trainer.data.augment`).
    """
    known = (targets >= 0).sum(0).clamp(min=1)  # [K]
    levels = list(zip(logits, targets.unbind(1), strict=True))
    if share is None:
        sums = torch.stack([cross_entropy(z, y, ignore_index=UNKNOWN, reduction="sum") for z, y in levels])
        return (sums / known).sum()
    mixed = torch.stack([share * _each(z, y) + (1 - share) * _each(z, y.flip(0)) for z, y in levels])  # [K, B]
    return (mixed.mean(dim=1) / (known / len(targets))).sum()


def _each(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each image ``[B]``, zero where its label is unknown."""
    return cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="none")


def count_hits(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Return how many of the known labels of each level its head prefers, int64 ``[K]``."""
    return (torch.stack([z.argmax(1) for z in logits], dim=1) == targets).sum(0)


def loss_and_hits(
    network: Callable[[Tensor], list[Tensor]], inputs: Tensor, targets: Tensor, share: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the loss and the number of right answers of every level, ``[K]``: what a plain training step computes."""
    logits = network(inputs)
    return multi_level_loss(logits, targets, share), count_hits(logits, targets)
