"""Grad-CAM for networks with a head per level: all maps of a batch from one forward pass.

Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import chain
from typing import Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from taxonomy import HiertaxError
from trainer.models.heads import GradientStop
from trainer.models.network import Look, Network
from trainer.runtime.device import Compute

Gamma = Literal["as-trained", "off"]
GAMMAS: Final[tuple[str, ...]] = get_args(Gamma)


class LevelMaps(NamedTuple):
    """What a batch of B images was taken for at each of K levels, and where that was seen."""

    logits: list[Tensor]
    """K float32 tensors ``[B, C_k]``, before the softmax."""
    classes: Tensor
    """int64 ``[B, K]``: the label of each level that the map is of; -1 where there is none."""
    maps: Tensor
    """float32 ``[B, K, S, S]``, each between 0 and its maximum 1; all zeros where nothing speaks for the label, NaN
    where there is none."""
    parts: Tensor
    """float32 ``[B, M, 4]``: the boxes, as of `Look`, of the M parts that were looked at beside the image, if any."""


class GradCam:
    """Maps of what each head's answer rests on, of the last feature maps that it reads.

    Of feature maps A ``[W, h, w]`` and the logit s of a head for a label, ``alpha_m = sum_ij ds/dA_m(i, j)`` and the
    map is ``ReLU(sum_m alpha_m A_m)``, enlarged bilinearly to the image and divided by its maximum.

    Of a network that answers by several maps (`Network.see`) their sums over m are added up before the ReLU, each
    enlarged to the largest of them; those of parts of an image are laid where the parts lie, and zero elsewhere. For
    that, alpha is the sum of gradients and not their mean, which of one map is the same but for a factor: it is what s
    changes by with the pooled vector, so that small maps and large ones count alike.

    A may be of convolutions or of tokens, which are maps here as well. Nothing is propagated through the backbone, so
    that maps cost little more than answers. The network itself stays as it is, and may answer at the same time.

    Parameters
    ----------
    network
        The network of any method.
    compute
        Where it lies, and how it computes.
    gamma
        ``as-trained``: a coarse head's gradient reaches A only through its own part of f, as in training. ``off``: also
        through the finer parts that it reads. Logits are the same. Without reinforced heads there is no difference.

    Raises
    ------
    HiertaxError
        If `gamma` is neither.
    """

    def __init__(self, network: Network, compute: Compute, gamma: Gamma = "as-trained") -> None:
        if gamma not in GAMMAS:
            raise HiertaxError(f"gamma {gamma!r}: choose one of {', '.join(GAMMAS)}")
        self.network, self.compute = twin(network).eval(), compute
        for part in self.network.modules():
            if isinstance(part, GradientStop) and gamma == "off":
                part.stops = False

    def __call__(self, images: Tensor, classes: Tensor | None = None) -> LevelMaps:
        """Return the maps of normalised images.

        Parameters
        ----------
        images
            Float32 ``[B, 3, S, S]``.
        classes
            The label of each level to explain, int64 ``[B, K]``, -1 for none; each head's likeliest where not given.

        Raises
        ------
        HiertaxError
            As of `Network.see`.
        """
        with self.compute.autocast():
            with torch.no_grad():
                looks, answer = self.network.see(images)
            with torch.enable_grad():
                maps = [look.map.detach().requires_grad_() for look in looks]
                logits = answer(maps)
        if classes is None:
            classes = torch.stack([z.argmax(dim=1) for z in logits], dim=1)
        named, size = classes.to(images.device).clamp(min=0), images.shape[-1]
        found = [_map(z.gather(1, named[:, k, None]), maps, looks, size) for k, z in enumerate(logits)]
        shown = torch.stack(found, dim=1)
        shown[classes.to(images.device) < 0] = torch.nan
        boxes = [look.boxes for look in looks if look.boxes is not None]
        parts = torch.stack(boxes, dim=1) if boxes else images.new_zeros(len(images), 0, 4)
        return LevelMaps([z.detach().float() for z in logits], classes, shown, parts)


def _map(scores: Tensor, maps: Sequence[Tensor], looks: Sequence[Look], size: int) -> Tensor:
    """Return the maps ``[B, S, S]`` of one level from the logits ``[B, 1]`` that they are of."""
    gradients = torch.autograd.grad(scores.sum(), maps, retain_graph=True, allow_unused=True)
    weighted = [
        ((gradient.float().sum(dim=(2, 3), keepdim=True) * map_.detach().float()).sum(dim=1, keepdim=True), look.boxes)
        for gradient, map_, look in zip(gradients, maps, looks, strict=True)
        if gradient is not None  # of a backbone of another level
    ]
    has_parts = any(boxes is not None for _, boxes in weighted)
    side = size if has_parts else max(each.shape[-1] for each, _ in weighted)
    added = torch.stack([_laid(each, boxes, side) for each, boxes in weighted]).sum(dim=0)
    large = _enlarged(added.relu(), size)[:, 0]
    largest = large.amax(dim=(1, 2), keepdim=True)
    return torch.where(largest > 0, large / largest.clamp(min=torch.finfo(torch.float32).tiny), 0.0)


def _laid(map_: Tensor, boxes: Tensor | None, side: int) -> Tensor:
    """Lay maps ``[B, 1, h, w]`` over images of `side` pixels, or those of parts over their boxes: ``[B, 1, S, S]``."""
    if boxes is None:
        return _enlarged(map_, side)
    middles = torch.arange(side, device=map_.device) + 0.5
    low, high = boxes[:, :2, None].float(), boxes[:, 2:, None].float()
    x, y = (2 * (middles - low) / (high - low) - 1).unbind(1)  # [B, S] each, from -1 to 1 within the box
    at = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], dim=-1)
    found = grid_sample(map_, at, padding_mode="border", align_corners=False)
    return found * (at.abs().amax(dim=-1) <= 1)[:, None]


def _enlarged(map_: Tensor, side: int) -> Tensor:
    return interpolate(map_, size=(side, side), mode="bilinear", align_corners=False)


def twin(network: Network) -> Network:
    """Return a copy of a network's modules over the same tensors, to be hooked without a trace in the original."""
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    return deepcopy(network, shared)
