"""What a network gives for images of some size, asked of the network itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone

# What networks raise, of torchvision as of timm, when images are of a size that they do not take.
UNSUITED = (RuntimeError, ValueError, TypeError, AssertionError, AttributeError, IndexError, ZeroDivisionError)
SMALLEST = 32  # pixels per side of an image
GRIDS, USUAL = (14, 16, 32, 64, 224), (256, 384, 512)  # sizes to try: multiples of the first, and the second


def probe(module: nn.Module, method: Callable[[Tensor], Any], size: int) -> Any:
    """Return what a method of a module gives for one grey image of ``size`` x ``size`` px, leaving no trace."""
    before = module.training
    module.eval()
    try:
        return method(torch.zeros(1, 3, size, size, device=next(module.parameters()).device))
    finally:
        module.train(before)


def unused_parameters(module: nn.Module, result: Tensor) -> list[nn.Parameter]:
    """Return the parameters of a module that have no part in a result of it; of one without values, none."""
    if result.is_meta:
        return []
    parameters = list(module.parameters())
    gradients = torch.autograd.grad(result.sum(), parameters, allow_unused=True)
    return [parameter for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is None]


def build_for_size(make: Callable[[int], Backbone], name: str, size: int) -> Backbone:
    """Build a backbone for images of some size.

    Parameters
    ----------
    make
        Builds it for images of a size; raises what the library raises.

    Raises
    ------
    HiertaxError
        If it does not take that size; if it gives no map at any.
    """
    try:
        return make(size)
    except UNSUITED:
        raise unsuited_size(make, name, size) from None


def unsuited_size(make: Callable[[int], Backbone], name: str, size: int) -> HiertaxError:
    """Return the error of images of a size that a network does not take, with the nearest that it takes."""
    if works := _nearest(make, size):
        return HiertaxError(
            f"`image_size` {size}: does not suit {name}; try {' or '.join(map(str, works))}, or another `backbone`"
        )
    return HiertaxError(
        f"`backbone` {name}: gives no feature map of images of {size} px; try `image_size` 224, or another network"
    )


def _nearest(make: Callable[[int], Backbone], size: int) -> list[int]:
    """Return the nearest size below and the nearest above that work, as far as there are such."""
    around = {*USUAL, *(step * (size // step + more) for step in GRIDS for more in (0, 1))}
    below = sorted((each for each in around if SMALLEST <= each < size), reverse=True)
    above = sorted(each for each in around if each > size)
    found = (next(_working(make, sizes), None) for sizes in (below, above))
    return [each for each in found if each is not None]


def _working(make: Callable[[int], Backbone], sizes: list[int]) -> Iterator[int]:
    for size in sizes:
        try:
            with torch.device("meta"):  # shapes alone: nothing is computed, nothing drawn
                backbone = make(size)
                if probe(backbone, backbone, size).dim() == 4:
                    yield size
        except UNSUITED:
            continue
