"""The paper's Ours trained with the mutual-channel loss on its last feature map: the paper's Ours_MC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta

from trainer.models.backbones.interface import Backbone
from trainer.models.channels import ChannelNetwork, ChannelOptions
from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.network import Network
from trainer.models.single import NeckOptions, build_classifier


@dataclass(frozen=True)
class Options(ChannelOptions, NeckOptions):
    """What Ours_MC can be asked for beside its recipe."""

    levels: Annotated[
        Literal["finest", "all"], Meta(description="Whose labels own channels: those of one level, or of each.")
    ] = "finest"


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone, whose channels belong to labels, under reinforced heads."""
    backbone, heads = new_backbone(), partial(DisentangledHeads, reinforce=True)
    own = levels.sizes if options.levels == "all" else levels.sizes[-1:]
    return ChannelNetwork(backbone, build_classifier(heads, backbone.width, levels.sizes, options), own, options)
