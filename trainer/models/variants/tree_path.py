"""H-CAST's tree-path loss: one softmax over the labels of all levels, whose target is the path to the label."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot
from torch.special import xlogy

from trainer.models.heads import Levels
from trainer.models.variants.change import Change

STRENGTH: Final = 0.5
NEVER: Final = -1e9  # a logit whose softmax is 0, and which times 0 is 0


def path_targets(targets: Tensor, sizes: list[int]) -> Tensor:
    """Return the distribution over the labels of all levels that is uniform over the known ones of an image.

    Parameters
    ----------
    targets
        int64 ``[B, K]``; -1 where unknown.
    sizes
        The number of labels of each level.

    Returns
    -------
    float32 ``[B, sum of C_k]``; zero throughout where nothing is known.
    """
    known = targets >= 0
    marks = [one_hot(targets[:, k].clamp(min=0), size) * known[:, k, None] for k, size in enumerate(sizes)]
    return torch.cat(marks, dim=1) / known.sum(1, keepdim=True).clamp(min=1)


class TreePath(nn.Module):
    """``w KL(t || softmax([z_0, ..., z_{K-1}]))`` of an image, t uniform over its path: 1 / K at each of its labels.

    Park, Zhang, Yu, Beery, Huang: Visually Consistent Hierarchical Image Classification, ICLR 2025 (H-CAST), the
    tree-path KL divergence loss; the weight w is ours. Where a label is unknown the target is uniform over the others
    of the path, and the labels of its level are left out of the softmax (ours).
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: list[Tensor], targets: Tensor) -> Tensor:
        """Return the loss of each image, float32 ``[B]``; zero where nothing is known."""
        unknown = targets < 0
        scores = [z.float().masked_fill(unknown[:, k, None], NEVER) for k, z in enumerate(logits)]
        target = path_targets(targets, [z.shape[1] for z in logits])
        divergence: Tensor = xlogy(target, target) - target * log_softmax(torch.cat(scores, dim=1), dim=1)
        return divergence.sum(1) * self.weight


def change(levels: Levels, strength: float) -> Change:  # noqa: ARG001
    """Return the loss by its weight."""
    return Change(joint=TreePath(strength))
