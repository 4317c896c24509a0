"""From a feature map to one vector per image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

SMALLEST = 1e-6  # what a feature counts as at least under the generalised mean, which has no roots of negative numbers


def global_max_pool(maps: Tensor) -> Tensor:
    """Map features ``[B, W, h, w]`` to the largest of each channel, ``[B, W]``.

    As torch's adaptive pooling to one pixel; unlike that it can be had to the bit on a GPU too.
    """
    return maps.flatten(2).max(dim=2).values


def global_average_pool(maps: Tensor) -> Tensor:
    """Map features ``[B, W, h, w]`` to the mean of each channel, ``[B, W]``."""
    return maps.mean(dim=(2, 3))


class GeneralisedMean(nn.Module):
    """Global pooling between average (p = 1) and maximum (p to infinity), p being learned.

    Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019, equation 3, with one
    p for all channels. Negative features count as zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, maps: Tensor) -> Tensor:
        """Map features ``[B, W, h, w]`` to float32 ``[B, W]``."""
        p = self.p.float().clamp(min=1)
        powers: Tensor = maps.float().clamp(min=SMALLEST).pow(p).mean(dim=(2, 3))
        return powers.pow(1 / p)


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {"max": global_max_pool, "avg": global_average_pool}
