"""PMG, whose classifiers tell the finest labels apart, stage by stage (Du et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Levels
from trainer.models.network import Network
from trainer.models.progressive import ProgressiveNetwork
from trainer.models.single import NeckOptions, build_finest_classifier

Options = NeckOptions


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build PMG with one head on each of its four classifiers."""
    return ProgressiveNetwork(new_backbone(), partial(build_finest_classifier, levels=levels, options=options))
