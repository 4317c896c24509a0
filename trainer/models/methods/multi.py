"""K independent networks, one per level: the paper's Vanilla_multi."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.models.backbones import Backbone, global_max_pool
from trainer.models.heads import Classifier


class MultiNetwork(nn.Module):
    """One backbone and one single-label classifier per level; a frozen backbone may serve them all."""

    def __init__(self, backbones: Sequence[Backbone], classifiers: Sequence[Classifier]) -> None:
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.classifiers = nn.ModuleList(classifiers)

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to max-pooled features ``[B, W]`` of each backbone, side by side."""
        return torch.cat([global_max_pool(backbone(images)) for backbone in self.backbones], dim=1)

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map what `embed` returns to K logits ``[B, C_k]``, each from its own backbone's features."""
        parts = pooled.chunk(len(self.backbones), dim=1)
        shared = parts * (len(self.classifiers) // len(parts))
        return [classifier(part)[0] for classifier, part in zip(self.classifiers, shared, strict=True)]

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Map normalised images, or what `embed` makes of them, to K logits ``[B, C_k]``, coarsest level first."""
        return self.classify(self.embed(inputs) if inputs.dim() == 4 else inputs)
