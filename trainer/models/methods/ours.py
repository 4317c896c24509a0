"""Disentangled heads, of which a coarse one also reads all finer features: the paper's Ours, its equation 2."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.network import Network
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier

Options = NeckOptions


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under reinforced heads."""
    backbone, heads = new_backbone(), partial(DisentangledHeads, reinforce=True)
    return SingleNetwork(backbone, build_classifier(heads, backbone.width, levels.sizes, options))
