"""Mixing each image of a batch with another one: mixup and cutmix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Mix(NamedTuple):
    """How much of which part of each image its partner replaces.

    Attributes
    ----------
    share
        float32 ``[N]``: how much of the result is the image's own; the rest is the partner's.
    box
        int64 ``[N, 4]``: top, left, bottom, right of the part that changes; for mixup the whole image.
    opacity
        float32 ``[N]``: the partner's weight inside the box; for cutmix 1.
    """

    share: Tensor
    box: Tensor
    opacity: Tensor


def draw_mix(mixup: float, cutmix: float, count: int, size: int, generator: torch.Generator) -> Mix:
    """Draw for each of N images of ``size`` x ``size`` how it is mixed.

    Parameters
    ----------
    mixup, cutmix
        The alpha of Beta(alpha, alpha), 0 for off. Where both are on, each image takes one of the two at equal chance.

    Notes
    -----
    Mixup: Zhang et al., ICLR 2018. Cutmix: Yun et al., ICCV 2019; the box covers 1 - lambda of the image's area about a
    uniform centre and is clipped to the image, and `Mix.share` counts what is left of it, rounded as torchvision's
    ``v2.CutMix`` does. Torchvision draws once for a batch; here each image has its own lambda.
    """
    from scipy.special import betaincinv  # the inverse of Beta's distribution function

    cut = torch.rand(count, generator=generator) < (cutmix > 0) / ((mixup > 0) + (cutmix > 0))
    alpha = torch.where(cut, cutmix, mixup).double().numpy()
    chance = torch.rand(count, generator=generator, dtype=torch.float64).numpy()
    share = torch.from_numpy(betaincinv(alpha, alpha, chance))
    box = torch.where(cut[:, None], _draw_boxes(share, size, generator), torch.tensor([0, 0, size, size]))
    pasted = (box[:, 2:] - box[:, :2]).prod(1) / size**2
    opacity = torch.where(cut, 1.0, 1 - share)
    return Mix((1 - opacity * pasted).float(), box, opacity.float())


def _draw_boxes(share: Tensor, size: int, generator: torch.Generator) -> Tensor:
    half = (0.5 * (1 - share).sqrt() * size).long()[:, None]
    centre = torch.randint(size, (len(share), 2), generator=generator)
    return torch.cat(((centre - half).clamp(min=0), (centre + half).clamp(max=size)), dim=1)


def mix(images: Tensor, draws: Mix) -> Tensor:
    """Mix image i of a batch of B with its partner, image B - 1 - i.

    Parameters
    ----------
    images
        float32 ``[B, 3, S, S]``.

    Returns
    -------
    float32 ``[B, 3, S, S]``. The partners' targets are ``targets.flip(0)``.
    """
    ramp = torch.arange(images.shape[-1], device=images.device)
    start, end = draws.box[:, :2, None], draws.box[:, 2:, None]
    rows, columns = ((ramp >= start) & (ramp < end)).unbind(1)  # each [B, S]
    inside = rows[:, None, :, None] & columns[:, None, None, :]  # [B, 1, S, S]
    return torch.lerp(images, images.flip(0), inside * draws.opacity.view(-1, 1, 1, 1))
