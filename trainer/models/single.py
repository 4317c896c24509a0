"""One backbone, one neck, K heads: what methods that differ only in their heads or their losses share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, FinestHead, Levels, Neck
from trainer.models.network import Network

ONE_LABEL_WIDTH, MANY_LABELS_WIDTH = 512, 600  # hidden units of f; the paper, section 5

MakeHeads = Callable[[int, Sequence[int]], nn.Module]  # of the width of f and the number of labels of each level


@dataclass(frozen=True)
class NeckOptions:
    """What a method with the paper's neck can be asked for beside its recipe."""

    width: (
        Annotated[int, Meta(ge=2, description="Hidden units of f; else the paper's 600, or 512 for one level.")] | None
    ) = None


class SingleNetwork(Network):
    """A shared backbone under a classifier of all K levels."""

    def __init__(self, backbone: Backbone, classifier: Classifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.finest_only = classifier.finest_only

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbone."""
        return (self.backbone,)

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``."""
        return self.backbone.pooled(images)

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map pooled features ``[B, W]`` to K logits ``[B, C_k]``."""
        logits: list[Tensor] = self.classifier(pooled)
        return logits

    def finest_head(self) -> nn.Linear:
        """Return the linear layer that tells the finest labels apart."""
        return self.classifier.finest_head()


def build_classifier(
    heads: MakeHeads, in_features: int, sizes: Sequence[int], options: NeckOptions, *, bottleneck: int | None = None
) -> Classifier:
    """Build neck and heads over pooled features ``[B, in_features]``.

    Parameters
    ----------
    bottleneck
        As of `Neck`.

    Raises
    ------
    HiertaxError
        If f is too narrow to be split among the levels.
    """
    width = options.width or (MANY_LABELS_WIDTH if len(sizes) > 1 else ONE_LABEL_WIDTH)
    if width < len(sizes):
        raise HiertaxError(f"`method_options` width {width}: too few units for {len(sizes)} levels; give more")
    return Classifier(Neck(in_features, width, bottleneck), heads(bottleneck or width, sizes))


def build_finest_classifier(in_features: int, levels: Levels, options: NeckOptions) -> Classifier:
    """Build neck and head of the finest level alone over pooled features ``[B, in_features]``."""
    width = options.width or ONE_LABEL_WIDTH
    return Classifier(Neck(in_features, width), FinestHead(width, levels))
