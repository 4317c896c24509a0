"""A learned gate instead of the hard split: to which level a unit of f belongs is learned, and need not be one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from trainer.models.heads import GradientStop, Levels, split_widths
from trainer.models.variants.change import Change

STRENGTH: Final = 4.0  # by which a unit belongs to its level to 0.96 at first, of three


class GatedHeads(nn.Module):
    """K linear heads that read all of f, each unit by how far it belongs to the head's level, or to finer ones.

    With the share of level k in unit d ``s_kd = exp(g_kd) / sum over j of exp(g_jd)``, which is learned::

        z_k = W_k (s_k * f + (s_{k+1} + ... + s_{K-1}) * Gamma(f)) + b_k

    Where the shares are 0 and 1 that is the paper's equation (2), and Ours. At first they are nearly so, by the even
    split.

    Parameters
    ----------
    sharpness
        ``g_kd`` of the level to which a unit belongs at first; 0 for the others.
    """

    def __init__(self, width: int, sizes: Sequence[int], sharpness: float) -> None:
        super().__init__()
        parts = torch.tensor(split_widths(width, len(sizes)))
        own = torch.arange(len(sizes)).repeat_interleave(parts, output_size=width)
        self.gate = nn.Parameter(sharpness * nn.functional.one_hot(own, len(sizes)).T.float().contiguous())  # [K, D]
        self.gamma = GradientStop()
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        shares = self.gate.softmax(dim=0)
        finer = shares.flip(0).cumsum(0).flip(0) - shares
        read = (share * f + rest * self.gamma(f) for share, rest in zip(shares, finer, strict=True))
        return [head(part) for head, part in zip(self.heads, read, strict=True)]


def change(levels: Levels, strength: float) -> Change:  # noqa: ARG001
    """Return gated heads of some sharpness."""
    return Change(heads=partial(GatedHeads, sharpness=strength))
