"""Backbones: images in, feature maps out. One file per library of networks, each a subclass of `Backbone`."""

from __future__ import annotations

from trainer.models.backbones.interface import IMAGENET, Backbone, Preprocessing, global_max_pool
from trainer.models.backbones.weights import load_weights, weights_file

__all__ = [
    "IMAGENET", "Backbone", "Preprocessing", "build_backbone", "global_max_pool", "load_weights", "weights_file",
]  # fmt: skip


def build_backbone(name: str, weights: str = "none") -> Backbone:
    """Build a backbone.

    Parameters
    ----------
    name
        torchvision's name of the network whose trunk to use, or ``resnet10``.
    weights
        See `load_weights`.

    Raises
    ------
    HiertaxError
        If there is no such network, it gives no feature map, or `load_weights` refuses the weights.
    """
    from trainer.models.backbones.torchvision import TorchvisionBackbone

    backbone = TorchvisionBackbone(name)
    load_weights(backbone, weights)
    return backbone
