"""Backbones: images in, feature maps out. One file per library of networks, each a subclass of `Backbone`."""

from __future__ import annotations

from collections.abc import Callable

from taxonomy import HiertaxError
from trainer.config import Pool
from trainer.models.backbones.interface import IMAGENET, Backbone, Preprocessing
from trainer.models.backbones.light import without_compiler
from trainer.models.backbones.pooling import global_max_pool
from trainer.models.backbones.probing import build_for_size, unsuited_size
from trainer.models.backbones.weights import load_weights
from trainer.models.pretrained import TIMM, check_library, weights_file

__all__ = [
    "IMAGENET", "Backbone", "Preprocessing", "build_backbone", "global_max_pool", "load_weights", "size_error",
    "weights_file",
]  # fmt: skip


def build_backbone(
    name: str, weights: str = "none", *, image_size: int = 224, pool: Pool = "max", train_blocks: int | None = None
) -> Backbone:
    """Build a backbone.

    Parameters
    ----------
    name
        torchvision's name of the network whose trunk to use, ``resnet10``, or ``timm/`` and timm's name.
    weights
        See `load_weights`.
    image_size
        Height and width of the images that it will see, which some networks are made for.
    pool
        See `Backbone.pool_by`.
    train_blocks
        How many blocks learn, the last ones; all where it is None.

    Raises
    ------
    HiertaxError
        If there is no such network, it gives no feature map of images of that size, or it is refused what else is asked
        for.
    """
    backbone = build_for_size(_maker(name), name, image_size).pool_by(pool)
    load_weights(backbone, weights)
    return backbone if train_blocks is None else backbone.learn_last(train_blocks)


def size_error(name: str, image_size: int) -> HiertaxError:
    """Return the error of a backbone that does not take images of some size, with the nearest that it takes."""
    return unsuited_size(_maker(name), name, image_size)


def _maker(name: str) -> Callable[[int], Backbone]:
    """Return what builds a backbone, with random weights, for images of a size.

    Raises
    ------
    HiertaxError
        If there is no such network, or its library is not installed.
    """
    check_library(name)
    if name.startswith(TIMM):
        with without_compiler():
            from trainer.models.backbones.timm import timm_backbone

        return timm_backbone(name)
    with without_compiler():
        from trainer.models.backbones.torchvision import torchvision_backbone

    return torchvision_backbone(name)
