"""One backbone, one neck, K heads: ``vanilla_single``, ``ours_single`` and ``ours``."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.models.backbones import Backbone, global_max_pool
from trainer.models.heads import Classifier


class SingleNetwork(nn.Module):
    """A shared backbone under a classifier of all K levels."""

    def __init__(self, backbone: Backbone, classifier: Classifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to max-pooled features ``[B, W]``, at any S."""
        return global_max_pool(self.backbone(images))

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map pooled features ``[B, W]`` to K logits ``[B, C_k]``."""
        logits: list[Tensor] = self.classifier(pooled)
        return logits

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Map normalised images, or what `embed` makes of them, to K logits ``[B, C_k]``, coarsest level first."""
        return self.classify(self.embed(inputs) if inputs.dim() == 4 else inputs)
