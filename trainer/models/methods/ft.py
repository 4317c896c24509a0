"""Plain fine-tuning: one linear layer of the finest level on the backbone's features (the paper, table 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, FinestHead, Levels
from trainer.models.network import Network
from trainer.models.single import SingleNetwork


@dataclass(frozen=True)
class Options:
    """There is nothing to ask for beside the recipe."""


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under one linear layer."""
    backbone = new_backbone()
    return SingleNetwork(backbone, Classifier(nn.Identity(), FinestHead(backbone.width, levels)))
