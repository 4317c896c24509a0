"""The paper's heads: shared, disentangled, reinforced (Chang et al. 2021, section 4.2).

The feature f ``[B, D]`` is split into K contiguous parts ``f_0 .. f_{K-1}``, the first for the coarsest
level. In code a level is indexed from 0; the paper counts from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


def split_widths(width: int, parts: int) -> list[int]:
    """Split `width` into `parts` as equal as possible, the first ones taking what is left over."""
    share, rest = divmod(width, parts)
    return [share + (k < rest) for k in range(parts)]


class Neck(nn.Sequential):
    """Pooled features ``[B, in]`` to f ``[B, width]``: batch norm, linear, batch norm, ELU."""

    def __init__(self, in_features: int, width: int) -> None:
        super().__init__(nn.BatchNorm1d(in_features), nn.Linear(in_features, width), nn.BatchNorm1d(width), nn.ELU())


class SharedHeads(nn.Module):
    """K linear heads that all read the whole of f (the paper's Vanilla_single)."""

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        return [head(f) for head in self.heads]


class DisentangledHeads(nn.Module):
    """K linear heads, each with its own part of f (the paper's Ours_single, and Ours).

    Parameters
    ----------
    reinforce
        If true, a head also reads the parts of all finer levels, without sending gradient into them:
        the paper's equation (2), in which the stop is called Gamma.

    Attributes
    ----------
    stops_gradient
        Whether Gamma does anything. Answers are the same without it; maps of what a head reads are not
        (docs/explaining.md).
    """

    def __init__(self, width: int, sizes: Sequence[int], *, reinforce: bool) -> None:
        super().__init__()
        self.reinforce, self.stops_gradient = reinforce, True
        self.widths = split_widths(width, len(sizes))
        inputs = [sum(self.widths[k:]) if reinforce else own for k, own in enumerate(self.widths)]
        self.heads = nn.ModuleList(nn.Linear(n, size) for n, size in zip(inputs, sizes, strict=True))

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        parts = torch.split(f, self.widths, dim=1)  # K x [B, D/K]
        gamma = [part.detach() if self.stops_gradient else part for part in parts]
        finer = [gamma[k + 1 :] if self.reinforce else [] for k in range(len(parts))]
        return [head(torch.cat([f_k, *rest], dim=1)) for head, f_k, rest in zip(self.heads, parts, finer, strict=True)]


class Classifier(nn.Module):
    """Neck and heads: pooled features ``[B, in]`` to K logits ``[B, C_k]``."""

    def __init__(self, neck: Neck, heads: nn.Module) -> None:
        super().__init__()
        self.neck = neck
        self.heads = heads

    def forward(self, pooled: Tensor) -> list[Tensor]:
        """Return the logits of every level, coarsest first."""
        logits: list[Tensor] = self.heads(self.neck(pooled))
        return logits

    def finest_head(self) -> nn.Linear:
        """Return the linear layer that tells the finest labels apart."""
        return cast(nn.Linear, cast(nn.ModuleList, self.heads.heads)[-1])
