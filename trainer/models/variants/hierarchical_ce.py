"""Hierarchical cross-entropy: the finest level's loss taken apart along the path, steps near the root weighted up."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from trainer.models.heads import Levels
from trainer.models.variants.change import Change, tree_paths

STRENGTH: Final = 0.1


class HierarchicalCrossEntropy(nn.Module):
    """``- sum over k of w_k log p(y_k | y_{k-1})``, ``p(y_k)`` the sum of the finest softmax over the labels below.

    Bertinetto, Mueller, Tertikas, Samangooei, Lord: Making Better Mistakes, CVPR 2020 (hierarchical cross-entropy). As
    in its authors' code, ``w_k`` is in proportion to ``exp(-alpha k)``, so that a step counts the less the farther it
    is from the root; here the mean of the weights is 1 (ours), so that alpha 0 is the cross-entropy.
    """

    paths: Tensor

    def __init__(self, levels: Levels, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.register_buffer("paths", tree_paths(levels), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the loss of each image, float32 ``[B]``; zero where its label is unknown."""
        chance = log_softmax(logits.float(), dim=1)
        inside = self.paths == self.paths[labels.clamp(min=0)][:, None]  # [B, C, K]
        along = chance[:, :, None].masked_fill(~inside, -torch.inf).logsumexp(1)  # log p(y_k), [B, K]
        steps = torch.cat([along[:, :1], along.diff(dim=1)], dim=1)
        depth = steps.shape[1]
        weights = depth * (-self.alpha * torch.arange(depth, device=steps.device)).softmax(0)
        loss = -(1 - smoothing) * (weights * steps).sum(1) - smoothing * chance.mean(1)
        return torch.where(labels >= 0, loss, 0.0)


def change(levels: Levels, strength: float) -> Change:
    """Return the loss by alpha."""
    return Change(finest=HierarchicalCrossEntropy(levels, strength))
