"""NTS-Net, whose classifiers tell the finest labels apart by parts of the image (Yang et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, FinestHead, Levels
from trainer.models.network import Network
from trainer.models.parts import PartNetwork


@dataclass(frozen=True)
class Options:
    """There is nothing to ask for beside the recipe."""


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build NTS-Net with one linear layer for each of its three classifiers."""
    return PartNetwork(new_backbone(), lambda width: Classifier(nn.Identity(), FinestHead(width, levels)))
