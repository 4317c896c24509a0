"""Soft labels: the target of the finest level is shared with labels that are near in the tree."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from trainer.models.heads import Levels
from trainer.models.variants.change import Change, tree_paths

STRENGTH: Final = 10.0


def soft_targets(paths: Tensor, labels: Tensor, beta: float) -> Tensor:
    """Return the targets of labels, float32 ``[B, C]``: ``exp(-beta d)``, made to add up to 1.

    The distance d of two labels is the height of their lowest common ancestor over that of the root, K: 0 of a label
    and itself, 1 of two that have no ancestor but the root in common.

    Parameters
    ----------
    paths
        int64 ``[C, K]``: the label at every level of each of the finest.
    labels
        int64 ``[B]``: some of the finest.
    beta
        0 for a uniform target; the greater, the nearer to one label alone.
    """
    shared = (paths == paths[labels][:, None]).sum(-1)  # [B, C], levels at which both have the same
    return (-beta * (1 - shared / paths.shape[1])).softmax(1)


class SoftLabels(nn.Module):
    """``- sum over labels c of t_c log softmax(z)_c``, t the soft target of the label.

    Bertinetto, Mueller, Tertikas, Samangooei, Lord: Making Better Mistakes, CVPR 2020 (soft labels).
    """

    paths: Tensor

    def __init__(self, levels: Levels, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.register_buffer("paths", tree_paths(levels), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the loss of each image, float32 ``[B]``; zero where its label is unknown."""
        soft = soft_targets(self.paths, labels.clamp(min=0), self.beta)
        target = (1 - smoothing) * soft + smoothing / logits.shape[1]
        return torch.where(labels >= 0, -(target * log_softmax(logits.float(), dim=1)).sum(1), 0.0)


def change(levels: Levels, strength: float) -> Change:
    """Return the loss by beta."""
    return Change(finest=SoftLabels(levels, strength))
