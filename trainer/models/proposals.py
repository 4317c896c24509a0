"""Parts of images that are worth a look: boxes laid out in advance, scored, thinned out and cut out (NTS-Net).

Yang et al., ECCV 2018. A box is (left, top, right, bottom) in pixels of the image, beyond which it may reach.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, roi_align

# Of each of three grids, every one half as fine as the one before: the side of a square box as a share of the image's,
# by what it is enlarged, and its widths to its heights.
SIDES = (48 / 448, 96 / 448, 192 / 448)
SCALES = ((2 ** (1 / 3), 2 ** (2 / 3)), (2 ** (1 / 3), 2 ** (2 / 3)), (1.0, 2 ** (1 / 3), 2 ** (2 / 3)))
RATIOS = (2 / 3, 1.0, 3 / 2)
OVERLAP = 0.25  # intersection over union above which the worse of two boxes is dropped
CHANNELS = 128  # of the maps that boxes are scored by


def anchor_boxes(size: int, side: int, device: torch.device | None = None) -> Tensor:
    """Lay boxes out over an image.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    side
        Height and width of its last feature map, on whose places the boxes of the finest grid stand.

    Returns
    -------
    float32 ``[A, 4]``: one grid after the other, in each one kind of box after the other, by scale and then by ratio,
    and of each kind all places, row by row.
    """
    grids, step = [], size / side
    for share, scales in zip(SIDES, SCALES, strict=True):
        at = (torch.arange(side, device=device) + 0.5) * step
        y, x = torch.meshgrid(at, at, indexing="ij")
        for scale in scales:
            for ratio in RATIOS:
                half_width, half_height = (size * share * scale * root / 2 for root in (ratio**0.5, ratio**-0.5))
                edges = (x - half_width, y - half_height, x + half_width, y + half_height)
                grids.append(torch.stack(edges, dim=-1).flatten(0, 1))
        side, step = -(-side // 2), 2 * step
    return torch.cat(grids)


class Navigator(nn.Module):
    """Scores the boxes of `anchor_boxes` by the last feature map."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, CHANNELS, 3, stride, padding=1)
            for channels, stride in ((in_channels, 1), (CHANNELS, 2), (CHANNELS, 2))
        )
        self.scores = nn.ModuleList(nn.Conv2d(CHANNELS, len(scales) * len(RATIOS), 1) for scales in SCALES)

    def forward(self, map_: Tensor) -> Tensor:
        """Map features ``[B, W, h, h]`` to scores ``[B, A]``, in the order of the boxes."""
        found = []
        for convolution, score in zip(self.convolutions, self.scores, strict=True):
            map_ = convolution(map_).relu()
            found.append(score(map_).flatten(1))
        return torch.cat(found, dim=1)


def best_apart(boxes: Tensor, scores: Tensor, count: int) -> Tensor:
    """Return which boxes of each image score best among those that hardly overlap, best first, int64 ``[B, count]``.

    Where there are fewer that far apart, the best of the others follow. The steps are the same for all images and
    scores, so that a graph of the network can hold them.

    Parameters
    ----------
    boxes, scores
        ``[A, 4]``, the same for all images, and ``[B, A]``.
    """
    chosen, left = [], scores.detach().float()
    apart = left  # of those left, -inf where one overlaps with a better one that was chosen
    for _ in range(count):
        any_apart = (apart > -torch.inf).any(1, keepdim=True)
        best = torch.where(any_apart, apart, left).argmax(1)
        apart = apart.masked_fill(box_iou(boxes[best], boxes) > OVERLAP, -torch.inf)
        left = left.scatter(1, best[:, None], -torch.inf)
        chosen.append(best)
    return torch.stack(chosen, dim=1)


def cut_out(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut boxes out of images and resize them bilinearly; beyond an image there is zero.

    Parameters
    ----------
    images, boxes
        ``[B, 3, S, S]`` and ``[B, M, 4]``.
    size
        Height and width of a part in pixels.

    Returns
    -------
    ``[B * M, 3, size, size]``, image by image.
    """
    rows = torch.arange(boxes.shape[0], device=boxes.device)[:, None, None].expand(-1, boxes.shape[1], 1)
    numbered = torch.cat([rows.to(images.dtype), boxes.to(images.dtype)], dim=2).flatten(0, 1)
    parts: Tensor = roi_align(images, numbered, size, sampling_ratio=1, aligned=True)
    return parts.contiguous(memory_format=torch.channels_last)


def ranking_loss(scores: Tensor, losses: Tensor) -> Tensor:
    """Return how far scores are from ranking parts by their losses, mean over images.

    For every two parts of an image ``max(0, 1 - (s_i - s_j))``, where part i has the smaller loss.

    Parameters
    ----------
    scores, losses
        ``[B, M]``.
    """
    worse = losses[:, None, :] > losses[:, :, None]  # [B, i, j]
    short = (1 - scores[:, :, None] + scores[:, None, :]).relu()
    return (short * worse).sum() / len(scores)
