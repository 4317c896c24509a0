"""The mutual-channel loss on an ordinary classifier of the finest level (Chang et al., IEEE TIP 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainer.models.backbones.interface import Backbone
from trainer.models.channels import ChannelNetwork, ChannelOptions
from trainer.models.heads import Levels
from trainer.models.network import Network
from trainer.models.single import NeckOptions, build_finest_classifier


@dataclass(frozen=True)
class Options(ChannelOptions, NeckOptions):
    """What MC can be asked for beside its recipe."""


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone, whose channels belong to the finest labels, under one head."""
    backbone = new_backbone()
    classifier = build_finest_classifier(backbone.width, levels, options)
    return ChannelNetwork(backbone, classifier, levels.sizes[-1:], options)
