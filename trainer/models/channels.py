"""The mutual-channel loss: every class owns some channels of the last feature map (Chang et al., IEEE TIP 2020).

The channels are dealt to the classes in order, and what is computed of them has no parameters. The loss asks those of a
class to tell it, some of them alone too (discriminality), and to look at different places (diversity); docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier
from trainer.models.losses import Objective, count_hits, multi_level_loss
from trainer.models.network import TrainingStep
from trainer.models.single import SingleNetwork

Groups = tuple[tuple[int, int], ...]  # so many classes of so many channels each, one after the other


def channel_groups(channels: int, classes: int) -> Groups:
    """Deal channels to classes as evenly as possible, the last classes taking one more."""
    share, rest = divmod(channels, classes)
    return tuple((count, size) for count, size in ((classes - rest, share), (rest, share + 1)) if count)


def draw_kept(groups: Groups, drop: float, device: torch.device) -> Tensor:
    """Draw which channels stay, bool ``[N]``: of each class all but a share, rounded down, in random places."""
    return torch.cat([_draw(count, size, int(drop * size + 1e-9), device) for count, size in groups])


def _draw(count: int, size: int, dropped: int, device: torch.device) -> Tensor:
    rank = torch.rand(count, size, device=device).argsort(1).argsort(1)
    return (rank >= dropped).flatten()


def class_scores(maps: Tensor, groups: Groups, kept: Tensor | None = None) -> Tensor:
    """Return what the channels of each class say for it, ``[B, C]``: their largest value at each pixel, averaged.

    Parameters
    ----------
    maps
        ``[B, N, h, w]``.
    kept
        bool ``[N]``; the other channels count as zero.
    """
    masked = maps if kept is None else maps * kept[:, None, None]
    return _largest(masked.flatten(2), groups).mean(2)


def class_spread(maps: Tensor, groups: Groups) -> Tensor:
    """Return how far apart the channels of each class look, float32 ``[B, C]``.

    That is ``h / n`` of the n channels of a class, where h is the sum over pixels of the largest of their softmaxes
    over pixels: 1 where the channels peak at different pixels, and 1 / n where they are alike.
    """
    where = maps.flatten(2).float().softmax(2)
    sizes = torch.cat([torch.full((count,), float(size), device=maps.device) for count, size in groups])
    return _largest(where, groups).sum(2) / sizes


def _largest(maps: Tensor, groups: Groups) -> Tensor:
    """Map ``[B, N, pixels]`` to the largest value among the channels of each class, ``[B, C, pixels]``."""
    parts = maps.split([count * size for count, size in groups], dim=1)
    return torch.cat([part.unflatten(1, group).amax(2) for part, group in zip(parts, groups, strict=True)], dim=1)


@dataclass(frozen=True)
class ChannelOptions:
    """How the mutual-channel loss weighs; the defaults are those for networks with pretrained weights."""

    weight: Annotated[float, Meta(ge=0, description="Of the whole loss beside that of the heads.")] = 0.0005
    diversity: Annotated[float, Meta(ge=0, description="Of its part that spreads the channels of a class.")] = 10.0
    drop: Annotated[float, Meta(ge=0, lt=1, description="Share of a class's channels left out of a step.")] = 0.4


class ChannelNetwork(SingleNetwork):
    """A network that is trained with the mutual-channel loss; it answers as it would without.

    Parameters
    ----------
    levels
        The number of labels of each level whose labels own channels, the last of which is the finest level.

    Raises
    ------
    HiertaxError
        If there are fewer than two channels for each label.
    """

    can_freeze = False

    def __init__(
        self, backbone: Backbone, classifier: Classifier, levels: Sequence[int], options: ChannelOptions
    ) -> None:
        super().__init__(backbone, classifier)
        if backbone.width < 2 * max(levels):
            raise HiertaxError(
                f"`backbone` {backbone.name}: its last map has {backbone.width} channels, and the mutual-channel loss "
                f"needs two or more for each of {max(levels)} labels; try resnet50, which has 2048, or another `method`"
            )
        self.groups = [channel_groups(backbone.width, size) for size in levels]
        self.options = options

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return the one step: the loss of the heads and that of the channels."""
        return (self._step,)

    def _step(
        self, images: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        maps, pooled = self.backbone.map_and_pooled(images)
        logits, options = self.classify(pooled), self.options
        worth = partial(multi_level_loss, targets=targets, share=share, objective=objective)
        scores = [class_scores(maps, each, draw_kept(each, options.drop, maps.device)) for each in self.groups]
        told = worth([*logits[: -len(scores)], *scores], finest_only=len(scores) == 1)
        alike = sum((1 - class_spread(maps, each).mean() for each in self.groups), start=maps.new_zeros(()))
        loss = worth(logits, finest_only=self.finest_only)
        return loss + options.weight * (told + options.diversity * alike), count_hits(logits, targets)
