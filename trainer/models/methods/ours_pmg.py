"""The paper's heads on each classifier of PMG, which learns stage by stage: the paper's Ours_PMG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, DisentangledHeads, Levels
from trainer.models.network import Network
from trainer.models.progressive import ProgressiveNetwork
from trainer.models.single import NeckOptions, build_classifier

Options = NeckOptions


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build PMG with reinforced heads on each of its four classifiers."""

    def new_classifier(width: int) -> Classifier:
        return build_classifier(partial(DisentangledHeads, reinforce=True), width, levels.sizes, options)

    return ProgressiveNetwork(new_backbone(), new_classifier)
