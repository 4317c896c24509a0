"""Heads that all read the same features: the paper's Vanilla_single."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Levels, SharedHeads
from trainer.models.network import Network
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier


@dataclass(frozen=True)
class Options(NeckOptions):
    """What Vanilla_single can be asked for beside its recipe."""

    bottleneck: Annotated[int, Meta(ge=1, description="Units between f and heads, such as 2 to draw them.")] | None = (
        None
    )


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under heads that share all of f."""
    backbone = new_backbone()
    classifier = build_classifier(SharedHeads, backbone.width, levels.sizes, options, bottleneck=options.bottleneck)
    return SingleNetwork(backbone, classifier)
