"""Heads that all read the same features: the paper's Vanilla_single."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainer.models.backbones import Backbone
from trainer.models.heads import SharedHeads
from trainer.models.network import Network
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier

Options = NeckOptions


def build(sizes: Sequence[int], new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under heads that share all of f."""
    backbone = new_backbone()
    return SingleNetwork(backbone, build_classifier(SharedHeads, backbone.width, sizes, options))
