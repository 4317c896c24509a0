"""K independent networks, one per level: the paper's Vanilla_multi."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, Levels, SharedHeads
from trainer.models.losses import Objective, loss_and_hits_of
from trainer.models.network import Network, TrainingStep
from trainer.models.single import NeckOptions, build_classifier

Options = NeckOptions


class MultiNetwork(Network):
    """One backbone and one single-label classifier per level; a frozen backbone may serve them all."""

    def __init__(self, backbones: Sequence[Backbone], classifiers: Sequence[Classifier]) -> None:
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.classifiers = nn.ModuleList(classifiers)
        self.uses_all_parameters = len(backbones) == 1  # else each step is that of one level

    def trunks(self) -> Sequence[Backbone]:
        """Return the backbone of each level, or the one that serves them all."""
        return cast(Sequence[Backbone], tuple(self.backbones))

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]`` of each backbone, side by side."""
        return torch.cat([backbone.pooled(images) for backbone in self.trunks()], dim=1)

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map what `embed` returns to K logits ``[B, C_k]``, each from its own backbone's features."""
        parts = pooled.chunk(len(self.backbones), dim=1)
        shared = parts * (len(self.classifiers) // len(parts))
        return [classifier(part)[0] for classifier, part in zip(self.classifiers, shared, strict=True)]

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return a step for each level, so that what one network keeps for its gradient is gone before the next one.

        Where they share a frozen backbone there is little to keep, and one step.
        """
        if len(self.backbones) == 1:
            return super().training_steps()
        return tuple(partial(self._level_step, level) for level in range(len(self.classifiers)))

    def _level_step(
        self, level: int, inputs: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        images = inputs.dim() == 4
        features = self.trunks()[level].pooled(inputs) if images else inputs.chunk(len(self.backbones), dim=1)[level]
        logits = self.classifiers[level](features)[0]
        return loss_and_hits_of(level, logits, targets, share, objective)

    def finest_head(self) -> nn.Linear:
        """Return the linear layer that tells the finest labels apart."""
        return cast(Classifier, self.classifiers[-1]).finest_head()


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:
    """Build one network per level; frozen backbones would be identical, so they are one."""
    backbones = [new_backbone() for _ in ([0] if frozen else levels.sizes)]
    width = backbones[0].width
    return MultiNetwork(backbones, [build_classifier(SharedHeads, width, [size], options) for size in levels.sizes])
