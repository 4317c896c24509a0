"""Grad-CAM for networks with a head per level: all maps of a batch from one forward pass.

Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from taxonomy import HiertaxError
from trainer.models.heads import GradientStop
from trainer.models.network import Network
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


class GradCam:
    """Maps of what each head's answer rests on, of the last feature map of the backbone that the head stands on.

    Of the feature maps A ``[W, h, w]`` and the logit s of a head for a label, ``alpha_m = mean_ij ds/dA_m(i, j)`` and
    the map is ``ReLU(sum_m alpha_m A_m)``, enlarged bilinearly to the image and divided by its maximum.

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
        self._maps: list[Tensor] = []
        for trunk in self.network.trunks():
            trunk.register_forward_hook(self._keep)
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
            If a head reads no feature map, as those that read a class token, or more than one of one backbone.
        """
        self._maps.clear()
        with torch.enable_grad(), self.compute.autocast():
            logits = self.network(images)
        self._check_maps(logits)
        if classes is None:
            classes = torch.stack([z.argmax(dim=1) for z in logits], dim=1)
        named = classes.to(images.device).clamp(min=0)
        found = [self._map(z.gather(1, named[:, k, None]), images.shape[-2:]) for k, z in enumerate(logits)]
        maps = torch.stack(found, dim=1)
        maps[classes.to(images.device) < 0] = torch.nan
        self._maps.clear()
        return LevelMaps([z.detach().float() for z in logits], classes, maps)

    def _keep(self, _module: Any, _inputs: Any, output: Tensor) -> Tensor:
        """Make a backbone's last map the place where gradients end."""
        self._maps.append(output.detach().requires_grad_())
        return self._maps[-1]

    def _check_maps(self, logits: list[Tensor]) -> None:
        trunks = self.network.trunks()
        if not self._maps or not all(z.requires_grad for z in logits):
            name, pool = (trunks[-1].name, trunks[-1].pool) if trunks else ("none", "max")
            why = (
                "with `pool` token a head reads no map, so there is none to show; train with `pool` avg or max"
                if pool == "token"
                else "a head does not read its last map; maps are shown of methods that look at an image once"
            )
            raise HiertaxError(f"`backbone` {name}: {why}")
        if len(self._maps) > len(trunks):
            raise HiertaxError(
                f"`backbone` {trunks[-1].name}: a head reads {len(self._maps)} of its maps; "
                "maps are shown of methods that look at an image once"
            )

    def _map(self, scores: Tensor, size: torch.Size) -> Tensor:
        """Return the maps ``[B, S, S]`` of one level from the logits ``[B, 1]`` that they are of."""
        gradients = torch.autograd.grad(scores.sum(), self._maps, retain_graph=True, allow_unused=True)
        weighted = [
            (gradient.float().mean(dim=(2, 3), keepdim=True) * maps.detach().float()).sum(dim=1, keepdim=True)
            for gradient, maps in zip(gradients, self._maps, strict=True)
            if gradient is not None  # of a backbone of another level
        ]
        small = torch.stack(weighted).sum(dim=0).relu()
        large = interpolate(small, size=list(size), mode="bilinear", align_corners=False)[:, 0]
        largest = large.amax(dim=(1, 2), keepdim=True)
        return torch.where(largest > 0, large / largest.clamp(min=torch.finfo(torch.float32).tiny), 0.0)


def twin(network: Network) -> Network:
    """Return a copy of a network's modules over the same tensors, to be hooked without a trace in the original."""
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    return deepcopy(network, shared)
