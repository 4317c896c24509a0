"""Random crops, one per image, of a whole batch at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

PADDING = 4
LEAST, RATIO, ATTEMPTS = 0.08, (3 / 4, 4 / 3), 10


def draw_shifts(count: int, generator: torch.Generator) -> Tensor:
    """Return where crops begin in padded images, int64 ``[N, 2]``: top and left, each uniform in 0 to 8."""
    return torch.randint(0, 2 * PADDING + 1, (count, 2), generator=generator)


def draw_boxes(count: int, size: int, generator: torch.Generator, least: float = LEAST) -> Tensor:
    """Return boxes in images of ``size`` x ``size``, int64 ``[N, 4]``: top, left, height, width.

    The rule of torchvision's ``RandomResizedCrop``: the area is uniform in `least` to 1 of the image's, the ratio of
    width to height log-uniform in 3/4 to 4/3, and both are drawn again where the box does not fit. After ten attempts
    the whole image is taken, which is torchvision's rule for a square one.
    """
    chance = torch.rand(2, count, ATTEMPTS, generator=generator, dtype=torch.float64)
    area = (least + (1 - least) * chance[0]) * size**2
    low, high = map(math.log, RATIO)
    ratio = (low + (high - low) * chance[1]).exp()
    sides = torch.stack(((area / ratio).sqrt(), (area * ratio).sqrt()), dim=2).round().long()  # [N, 10, 2]
    fits = ((sides > 0) & (sides <= size)).all(2)
    first = fits.byte().argmax(1)  # the first of equals
    sides = torch.where(fits.any(1, keepdim=True), sides[torch.arange(count), first], size)
    anywhere = torch.randint(2**31, (count, 2), generator=generator)
    return torch.cat((anywhere % (size - sides + 1), sides), dim=1)


def shifted_crops(images: Tensor, shifts: Tensor, flip: Tensor) -> Tensor:
    """Crop images to their own size out of black margins of 4 px, and mirror some of them.

    Parameters
    ----------
    images
        uint8 ``[B, 3, S, S]``.
    shifts
        int64 ``[B, 2]``, as `draw_shifts` gives them.
    flip
        bool ``[B]``: which crops are mirrored.

    Returns
    -------
    uint8 ``[B, 3, S, S]``: what torchvision's ``RandomCrop(S, padding=4)`` and ``RandomHorizontalFlip`` give.
    """
    batch, channels, size, _ = images.shape
    edge = size + 2 * PADDING
    rows = pad(images, [PADDING] * 4).reshape(-1, edge)  # [B * 3 * edge, edge]
    first = torch.arange(batch * channels, device=images.device).view(batch, channels, 1) * edge
    wanted = first + (shifts[:, :1] + torch.arange(size, device=images.device))[:, None]  # [B, 3, S]
    columns = shifts[:, 1:] + _ramp(size, flip)  # [B, S]
    # Whole rows first, their pixels second: no index is larger than [B, 3, S], for the columns' is only expanded.
    cut = rows.index_select(0, wanted.flatten()).view(batch, channels, size, edge)
    return cut.gather(3, columns[:, None, None].expand(batch, channels, size, size))


def resized_crops(images: Tensor, boxes: Tensor, flip: Tensor) -> Tensor:
    """Enlarge a box of each image to the whole image's size, bilinearly, and mirror some of them.

    Parameters
    ----------
    images
        uint8 ``[B, 3, S, S]``.
    boxes
        int64 ``[B, 4]``, as `draw_boxes` gives them.
    flip
        bool ``[B]``: which crops are mirrored.

    Returns
    -------
    float32 ``[B, 3, S, S]`` in 0 to 255: what torchvision's ``resized_crop`` gives before it rounds. Nothing outside of
    a box shines in at its edge. As no box is larger than the image, antialiasing makes no difference.
    """
    size = images.shape[-1]
    top, left, height, width = boxes[:, :, None].unbind(1)  # each [B, 1]
    y = _sources(torch.arange(size, device=images.device), top, height, size)  # [B, S]
    x = _sources(_ramp(size, flip), left, width, size)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=3)  # [B, S, S, 2]
    return grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _ramp(size: int, flip: Tensor) -> Tensor:
    """Return 0 to S-1 for each image, ``[B, S]``, backwards where it is mirrored."""
    ramp = torch.arange(size, device=flip.device)
    return torch.where(flip[:, None], size - 1 - ramp, ramp)


def _sources(ramp: Tensor, start: Tensor, length: Tensor, size: int) -> Tensor:
    """Return where an enlarged box's pixels come from, ``[B, S]``, in grid_sample's units: -1 to 1 over the image."""
    inside = ((ramp + 0.5) * (length / size) - 0.5).clamp(min=0).minimum(length - 1)  # never beyond a box's last pixel
    return (start + inside + 0.5) * (2 / size) - 1
