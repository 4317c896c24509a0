"""The paper's heads on each classifier of NTS-Net, which looks at parts of the image: the paper's Ours_NTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, DisentangledHeads, Levels
from trainer.models.network import Network
from trainer.models.parts import PartNetwork
from trainer.models.single import NeckOptions, build_classifier


@dataclass(frozen=True)
class Options(NeckOptions):
    """What Ours_NTS can be asked for beside its recipe."""

    ranking: Annotated[Literal["finest", "all"], Meta(description="By the loss of which levels parts are ranked.")] = (
        "finest"
    )


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build NTS-Net with reinforced heads on each of its three classifiers."""

    def new_classifier(width: int) -> Classifier:
        return build_classifier(partial(DisentangledHeads, reinforce=True), width, levels.sizes, options)

    ranking_levels = len(levels.sizes) if options.ranking == "all" else 1
    return PartNetwork(new_backbone(), new_classifier, ranking_levels=ranking_levels)
