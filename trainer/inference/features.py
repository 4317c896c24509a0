"""Pooled features of images, as a frozen backbone sees them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.inputs import Inputs
from trainer.inference.forward import Embedder, embed
from trainer.models.backbones import Backbone
from trainer.models.methods import Network
from trainer.models.methods.multi import MultiNetwork
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter


class AveragePooled(nn.Module):
    """A backbone under global average pooling, as features for clustering are usually taken (docs/clustering.md)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to average-pooled features ``[B, W]``."""
        pooled: Tensor = self.backbone(images).mean(dim=(2, 3))
        return pooled


def finest_backbone(network: Network) -> Backbone:
    """Return the backbone below the head that tells the finest labels apart."""
    trunk = network.backbones[-1] if isinstance(network, MultiNetwork) else network.backbone
    assert isinstance(trunk, Backbone)  # noqa: S101 - nn.ModuleList forgets the type
    return trunk


@torch.inference_mode()
def check_image_size(network: Embedder, config: Config) -> None:
    """Refuse before anything is decoded what would leave no feature map.

    Raises
    ------
    HiertaxError
        If images of that size are too small for the network, or of a size that it does not take.
    """
    try:
        network.eval().embed(torch.zeros(1, 3, config.image_size, config.image_size))
    except (RuntimeError, ValueError, AssertionError):
        raise HiertaxError(
            f"--image-size {config.image_size}: does not suit {config.backbone}; try 224, or another --backbone"
        ) from None


def features_of(
    images: Inputs, what: str, network: Embedder, config: Config, compute: Compute, reporter: Reporter
) -> Tensor:
    """Return the pooled features of images as `embed` does, telling how far it is."""
    with reporter.images(f"features of {what} images", len(images)) as advance:
        return embed(network, images, batch_size=config.batch_size, compute=compute, on_batch=advance).clone()
