"""Consistency of coarser heads with the finest: each is to say what the finest head's labels below come to."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.special import entr

from trainer.models.heads import Levels
from trainer.models.variants.change import Change, tree_paths

STRENGTH: Final = 1.0
LEAST: Final = 1e-12  # of a probability, so that its logarithm has a gradient


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of distributions ``[B, C]``, in nats: 0 to log 2, ``[B]``."""
    p, q = p.clamp(min=LEAST), q.clamp(min=LEAST)
    gained: Tensor = entr((p + q) / 2) - (entr(p) + entr(q)) / 2
    return gained.sum(1)


class Consistency(nn.Module):
    """``w sum over k < K-1 of JS(softmax(z_k), q_k)``, q_k the marginals of the finest head at level k.

    The probability ``q_k(c)`` is the sum of ``softmax(z_{K-1})`` over the labels below c. Gradients reach both heads.

    Garg, Sani, Anand: Learning Hierarchy Aware Features for Reducing Mistake Severity, ECCV 2022, bring the classifier
    of each level to the sums of that of the next finer level by the same divergence; here it is the finest head's, as
    in the answers from the bottom up, and the weight w is ours. A level counts of images that know it and the finest.
    """

    paths: Tensor

    def __init__(self, levels: Levels, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.register_buffer("paths", tree_paths(levels), persistent=False)

    def forward(self, logits: list[Tensor], targets: Tensor) -> Tensor:
        """Return the loss of each image, float32 ``[B]``."""
        finest = logits[-1].float().softmax(1)
        known = (targets >= 0) & (targets[:, -1:] >= 0)
        total = finest.new_zeros(len(finest))
        for k, z in enumerate(logits[:-1]):
            coarse = z.float().softmax(1)
            marginal = torch.zeros_like(coarse).index_add(1, self.paths[:, k], finest)
            total = total + torch.where(known[:, k], divergence(coarse, marginal), 0.0)
        return self.weight * total


def change(levels: Levels, strength: float) -> Change:
    """Return the loss by its weight."""
    return Change(joint=Consistency(levels, strength))
