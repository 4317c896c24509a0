"""Disentangled heads, each with features of its own: the paper's Ours_single."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from trainer.models.backbones import Backbone
from trainer.models.heads import DisentangledHeads
from trainer.models.network import Network
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier

Options = NeckOptions


def build(sizes: Sequence[int], new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under disentangled heads."""
    backbone, heads = new_backbone(), partial(DisentangledHeads, reinforce=False)
    return SingleNetwork(backbone, build_classifier(heads, backbone.width, sizes, options))
