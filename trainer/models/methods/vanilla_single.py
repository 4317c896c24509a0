"""Heads that all read the same features: the paper's Vanilla_single."""

from __future__ import annotations

from collections.abc import Callable

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Levels, SharedHeads
from trainer.models.network import Network
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier

Options = NeckOptions


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under heads that share all of f."""
    backbone = new_backbone()
    return SingleNetwork(backbone, build_classifier(SharedHeads, backbone.width, levels.sizes, options))
