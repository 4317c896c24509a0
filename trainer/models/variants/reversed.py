"""Reinforcement the other way round: fine heads read the parts of coarser levels, and coarse heads their own alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from torch import Tensor, nn

from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.variants.change import Change

STRENGTH: Final = None


class ReversedHeads(nn.Module):
    """K linear heads, of which a fine one also reads all coarser parts of f, without sending gradient into them.

    ``z_k = W_k [f_k, Gamma(f_{k-1}), ..., Gamma(f_0)] + b_k``: the paper's equation (2) with its levels turned round.
    Here the first part of f is the finest level's.
    """

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.turned = DisentangledHeads(width, sizes[::-1], reinforce=True)

    @property
    def heads(self) -> nn.ModuleList:
        """The linear layers, coarsest level first."""
        return self.turned.heads[::-1]

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        logits: list[Tensor] = self.turned(f)
        return logits[::-1]


def change(levels: Levels, strength: float) -> Change:  # noqa: ARG001
    """Return reversed heads."""
    return Change(heads=ReversedHeads)
