"""The paper's heads: shared, disentangled, reinforced (Chang et al. 2021, section 4.2).

The feature f ``[B, D]`` is split into K contiguous parts ``f_0 .. f_{K-1}``, the first for the coarsest
level. In code a level is indexed from 0; the paper counts from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from taxonomy.hierarchy import IntArray


@dataclass(frozen=True)
class Levels:
    """What heads are to tell apart.

    Attributes
    ----------
    sizes
        The number of labels of each level, coarsest first.
    paths
        int64 ``[C_K, K]``: the label at every level of each label of the finest. Only `FinestHead` needs it.
    """

    sizes: tuple[int, ...]
    paths: IntArray | None = None


def split_widths(width: int, parts: int) -> list[int]:
    """Split `width` into `parts` as equal as possible, the first ones taking what is left over."""
    share, rest = divmod(width, parts)
    return [share + (k < rest) for k in range(parts)]


class Neck(nn.Sequential):
    """Pooled features ``[B, in]`` to f ``[B, width]``: batch norm, linear, batch norm, ELU.

    Parameters
    ----------
    bottleneck
        Where given, a linear layer follows to so many units, ``[B, bottleneck]``, and these are what heads read.
    """

    def __init__(self, in_features: int, width: int, bottleneck: int | None = None) -> None:
        narrow = [] if bottleneck is None else [nn.Linear(width, bottleneck)]
        super().__init__(
            nn.BatchNorm1d(in_features), nn.Linear(in_features, width), nn.BatchNorm1d(width), nn.ELU(), *narrow
        )


class SharedHeads(nn.Module):
    """K linear heads that all read the whole of f (the paper's Vanilla_single)."""

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        return [head(f) for head in self.heads]


class GradientStop(nn.Module):
    """Pass values on and stop gradients: Gamma of the paper's equation (2).

    Attributes
    ----------
    stops
        Whether gradients are stopped. Answers are the same without it; maps of what a head reads are not
        (docs/explaining.md).
    """

    def __init__(self, *, stops: bool = True) -> None:
        super().__init__()
        self.stops = stops

    def forward(self, part: Tensor) -> Tensor:
        """Return the part itself, of any shape."""
        return part.detach() if self.stops else part


class DisentangledHeads(nn.Module):
    """K linear heads, each with its own part of f (the paper's Ours_single, and Ours).

    Parameters
    ----------
    reinforce
        If true, a head also reads the parts of all finer levels, without sending gradient into them:
        the paper's equation (2).
    widths
        Of the parts, coarsest level first; as equal as can be where not given.
    stops_gradient
        Whether it is without sending gradient.
    """

    def __init__(
        self, width: int, sizes: Sequence[int], *, reinforce: bool, widths: Sequence[int] | None = None,
        stops_gradient: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reinforce, self.gamma = reinforce, GradientStop(stops=stops_gradient)
        self.widths = split_widths(width, len(sizes)) if widths is None else list(widths)
        inputs = [sum(self.widths[k:]) if reinforce else own for k, own in enumerate(self.widths)]
        self.heads = nn.ModuleList(nn.Linear(n, size) for n, size in zip(inputs, sizes, strict=True))

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        parts = torch.split(f, self.widths, dim=1)  # K x [B, D/K]
        stopped = [self.gamma(part) for part in parts]
        finer = [stopped[k + 1 :] if self.reinforce else [] for k in range(len(parts))]
        return [head(torch.cat([f_k, *rest], dim=1)) for head, f_k, rest in zip(self.heads, parts, finer, strict=True)]


class FinestHead(nn.Module):
    """One linear head, of the finest level; a coarser label scores what the best label below it scores.

    So at every level the label above the finest head's own is preferred, and any way of decoding gives that path. It is
    computed in float32 whatever the precision of the network, in which the best two might be equal.

    Parameters
    ----------
    levels
        With paths, unless there is one level.
    """

    paths: Tensor

    def __init__(self, width: int, levels: Levels) -> None:
        super().__init__()
        self.sizes = levels.sizes
        self.heads = nn.ModuleList([nn.Linear(width, levels.sizes[-1])])
        paths = torch.arange(levels.sizes[-1])[:, None] if levels.paths is None else torch.tensor(levels.paths.tolist())
        if paths.shape != (self.sizes[-1], len(self.sizes)):
            raise ValueError("a head of the finest level needs to know which labels stand above")
        self.register_buffer("paths", paths, persistent=False)

    def forward(self, f: Tensor) -> list[Tensor]:
        """Map f ``[B, D]`` to K logits ``[B, C_k]``."""
        with torch.autocast(f.device.type, enabled=False):
            return self.at_all_levels(self.heads[0](f.float()))

    def at_all_levels(self, finest: Tensor) -> list[Tensor]:
        """Map the finest logits ``[B, C_K]`` to K logits ``[B, C_k]``, of which these are the last."""
        rows = [column.expand(finest.shape[0], -1) for column in self.paths.unbind(1)[:-1]]
        lowest = [finest.new_full((finest.shape[0], size), -torch.inf) for size in self.sizes]
        return [*(low.scatter_reduce(1, row, finest, "amax") for low, row in zip(lowest, rows, strict=False)), finest]


class Classifier(nn.Module):
    """Neck and heads: pooled features ``[B, in]`` to K logits ``[B, C_k]``."""

    def __init__(self, neck: nn.Module, heads: nn.Module) -> None:
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

    @property
    def finest_only(self) -> bool:
        """Whether there is a head of the finest level alone."""
        return isinstance(self.heads, FinestHead)
