"""In which order images are learned from, where it is not simply at random.

Images of shards come nearly at random, and nearly in the order in which they lie there. Shards follow one another at
random. The parts of a few shards at a time are mixed, and the images of a few parts at a time: a part is what is read
at once, such as a row group of Parquet. All of it is drawn before an epoch.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

SHARDS: Final = 4  # whose parts are mixed
PARTS: Final = 8  # whose images are mixed; as many row groups as a process keeps


def class_weights(labels: Tensor) -> Tensor:
    """Return weights by which every class is drawn as often as any other, float64 ``[N]``.

    Parameters
    ----------
    labels
        int64 ``[N]``: the class of each image; -1 where it is unknown. Together such images are drawn as often as if
        they came in turn.
    """
    known = labels >= 0
    counts = labels[known].bincount()
    each = known.sum().double() / (counts > 0).sum() / counts.double()
    return torch.where(known, each[labels.clamp(min=0)], 1.0) if known.any() else torch.ones(len(labels)).double()


def drawn_by_weight(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many images as there are, with replacement, int64 ``[N]``."""
    ends = weights.cumsum(0)
    chance = torch.rand(len(weights), generator=generator, dtype=torch.float64)
    return torch.searchsorted(ends, chance * ends[-1], right=True).clamp(max=len(weights) - 1)


def shard_order(chunks: Tensor, generator: torch.Generator, lanes: int = 1) -> Tensor:
    """Draw the order of an epoch.

    Parameters
    ----------
    chunks
        int64 ``[N, 2]``: of each image its shard and the part of it that it lies in.
    lanes
        Among how many readers the shards are shared out: nothing is mixed across what one of them reads.

    Returns
    -------
    int64 ``[N]``: the images' positions, each once, those of the first reader first.
    """
    parts, part_of_image = chunks.unique(dim=0, return_inverse=True)
    shards, shard_of_part = parts[:, 0].unique(return_inverse=True)
    turn = torch.randperm(len(shards), generator=generator)
    lane = turn * lanes // len(shards)
    order = _mixed(_windows(turn, lane, SHARDS)[shard_of_part], generator)
    return _mixed(_windows(order.argsort(), lane[shard_of_part], PARTS)[part_of_image], generator)


def _windows(turn: Tensor, lane: Tensor, size: int) -> Tensor:
    """Return the numbers of windows of `size` that follow one another in turn, none of them in two lanes."""
    sizes = lane.bincount()
    return lane * len(lane) + (turn - (sizes.cumsum(0) - sizes)[lane]) // size


def _mixed(groups: Tensor, generator: torch.Generator) -> Tensor:
    """Return an order in which the groups follow one another by their numbers, each at random within."""
    order = torch.randperm(len(groups), generator=generator)
    return order[groups[order].argsort(stable=True)]


def in_lanes(order: Tensor, lanes: int, size: int) -> Tensor:
    """Deal an order out in steps of so many lanes of `size` images, each lane having a stretch of it to itself.

    Parameters
    ----------
    order
        int64 ``[steps * lanes * size]``.
    """
    return order.view(lanes, -1, size).transpose(0, 1).reshape(-1)
