"""What the levels' logits are worth against the labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def multi_level_loss(logits: list[Tensor], targets: Tensor, share: Tensor | None = None) -> Tensor:
    """Return the sum over levels of the cross-entropy, weights 1 (the paper, section 4).

    Parameters
    ----------
    share
        float32 ``[B]``: the part each sample has in its own image; the rest is the sample's opposite in the batch,
        whose labels count for that much (see `trainer.data.augment`).
    """
    levels = zip(logits, targets.unbind(1), strict=True)
    if share is None:
        return torch.stack([cross_entropy(z, y) for z, y in levels]).sum()
    mixed = [
        share * cross_entropy(z, y, reduction="none") + (1 - share) * cross_entropy(z, y.flip(0), reduction="none")
        for z, y in levels
    ]
    return torch.stack(mixed).mean(dim=1).sum()
