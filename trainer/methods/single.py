"""One backbone, one neck, K heads: ``vanilla_single``, ``ours_single`` and ``ours``."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from trainer.backbones import Backbone
from trainer.heads import Classifier


class SingleNetwork(nn.Module):
    """A shared backbone under a classifier of all K levels."""

    def __init__(self, backbone: Backbone, classifier: Classifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to max-pooled features ``[B, W]``, at any S."""
        return adaptive_max_pool2d(self.backbone(images), 1).flatten(1)

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map pooled features ``[B, W]`` to K logits ``[B, C_k]``."""
        logits: list[Tensor] = self.classifier(pooled)
        return logits

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map normalised images to K logits ``[B, C_k]``, coarsest level first."""
        return self.classify(self.embed(images))
