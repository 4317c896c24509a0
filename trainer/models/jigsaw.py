"""Images cut into square blocks that change places, so that what is larger than a block cannot be seen."""

from __future__ import annotations

import torch
from torch import Tensor


def jigsaw(images: Tensor, blocks: int) -> Tensor:
    """Put the blocks of images in random order, the same for all images.

    Every order is equally likely.

    Parameters
    ----------
    images
        ``[B, 3, S, S]``.
    blocks
        How many along a side; each is ``S // blocks`` pixels wide. Pixels at the right and below that fill no block
        stay where they are.
    """
    side = images.shape[-1] // blocks
    order = torch.randperm(blocks * blocks, device=images.device)
    cut = images[:, :, : blocks * side, : blocks * side]
    pieces = cut.unflatten(3, (blocks, side)).unflatten(2, (blocks, side)).transpose(3, 4).flatten(2, 3)
    laid = pieces.index_select(2, order).unflatten(2, (blocks, blocks))
    mixed: Tensor = laid.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    if blocks * side == images.shape[-1]:
        return mixed
    whole = images.clone()
    whole[:, :, : blocks * side, : blocks * side] = mixed
    return whole
