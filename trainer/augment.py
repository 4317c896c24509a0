"""Batched augmentation on the device: uint8 images in, normalised float images out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PADDING = 4


def normalise(images: Tensor) -> Tensor:
    """Map uint8 images ``[B, 3, S, S]`` to float32 with ImageNet's mean and deviation taken out."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=images.device).view(3, 1, 1) * 255
    return (images.float() - mean) / std


def random_crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to 4 px in black margins and mirror every second one, by chance.

    Parameters
    ----------
    images
        uint8 ``[B, 3, S, S]``.
    generator
        A CPU generator: the same draws on every device.

    Returns
    -------
    uint8 ``[B, 3, S, S]``: the recipe of the paper's code, padding 4, random crop, horizontal flip.
    """
    batch, _, size, _ = images.shape
    top, left = torch.randint(0, 2 * PADDING + 1, (2, batch, 1), generator=generator)
    flip = torch.rand(batch, 1, generator=generator) < 0.5
    ramp = torch.arange(size)
    rows = (top + ramp).to(images.device)  # [B, S]
    columns = (left + torch.where(flip, ramp.flip(0), ramp)).to(images.device)
    padded = pad(images, [PADDING] * 4)
    sample = torch.arange(batch, device=images.device).view(-1, 1, 1)
    crops = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]  # [B, S, S, 3]
    return crops.permute(0, 3, 1, 2)
