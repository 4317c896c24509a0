"""Pooled features of images, as a frozen backbone sees them."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.config import Config
from trainer.data.inputs import Inputs
from trainer.inference.forward import Embedder, embed
from trainer.inference.kept import keep, place_of, read
from trainer.models.backbones import size_error
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter


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
        raise size_error(config.backbone, config.image_size) from None


def features_of(
    images: Inputs, what: str, network: Embedder, config: Config, compute: Compute, reporter: Reporter
) -> Tensor:
    """Return the pooled features of images as `embed` does, telling how far it is; or those that were kept of them."""
    with reporter.watch.part(f"looking for features of {what} images"):
        place = place_of(images, network, config, compute)
        kept = None if place is None else read(place, images, network, compute, reporter)
    if kept is not None:
        return kept
    with reporter.images(f"features of {what} images", len(images)) as advance:
        found = embed(network, images, batch_size=config.batch_size, compute=compute, on_batch=advance).clone()
    if place is not None:
        keep(found, place, what, config, reporter)
    return found
