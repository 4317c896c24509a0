"""Progressive training of several stages, from small blocks of the image to the whole (PMG: Du et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, FinestHead
from trainer.models.jigsaw import jigsaw
from trainer.models.losses import Objective, loss_and_hits
from trainer.models.network import Look, Network, Seen, TrainingStep

BLOCKS = (8, 4, 2)  # along a side of the image, for the classifier of each stage; the whole image for that of all
REDUCED, WIDTH = 512, 1024  # channels of the two convolutions over the map of a stage
WHOLE_IMAGE = 2.0  # weight of the loss of the last step


class StageBlock(nn.Sequential):
    """Two convolutions with batch norm and ReLU over a stage's map: ``[B, in, h, w]`` to ``[B, 1024, h, w]``."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(*_convolution(in_channels, REDUCED, 1), *_convolution(REDUCED, WIDTH, 3))


def _convolution(in_channels: int, out_channels: int, size: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(out_channels, momentum=0.01), nn.ReLU()


class ProgressiveNetwork(Network):
    """The last three stages of a backbone, a classifier of each, and one of all three together.

    It learns by four steps a batch, each of its own classifier: those of the stages see the image in blocks, small ones
    the first. It answers by the mean of the logits of all four, as whose sum it prefers the same labels.

    Parameters
    ----------
    new_classifier
        Makes a classifier of vectors of a width.

    Raises
    ------
    HiertaxError
        If the backbone has fewer stages, or is to give its class token.
    """

    can_freeze = False
    uses_all_parameters = False

    def __init__(self, backbone: Backbone, new_classifier: Callable[[int], Classifier]) -> None:
        super().__init__()
        widths = backbone.last_widths(len(BLOCKS))
        if backbone.pool == "token":
            raise HiertaxError(f"`pool` token: there is none of each stage of {backbone.name}; leave it out")
        self.backbone = backbone
        self.blocks = nn.ModuleList(StageBlock(width) for width in widths)
        self.width = WIDTH
        self.classifiers = nn.ModuleList(new_classifier(self.width) for _ in widths)
        self.whole = new_classifier(len(widths) * self.width)
        self.finest_only = self.whole.finest_only

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbone."""
        return (self.backbone,)

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the pooled features of the three stages, ``[B, 3 * 1024]``."""
        return self._pool(self._maps(images))

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map what `embed` returns to K logits ``[B, C_k]``, each the mean of those of the four classifiers."""
        parts = zip(self.classifiers, pooled.split(self.width, dim=1), strict=True)
        found = [*(classifier(part) for classifier, part in parts), self.whole(pooled)]
        mean = [torch.stack(level).mean(0) for level in zip(*found, strict=True)]
        heads = self.whole.heads
        return heads.at_all_levels(mean[-1]) if isinstance(heads, FinestHead) else mean

    def see(self, images: Tensor) -> Seen:
        """Return the maps of all three stages, after their convolutions: all four classifiers read nothing else.

        So what they come to together explains the whole of the mean that is answered, as that of the last stage alone
        would not.
        """
        return Seen([Look(map_) for map_ in self._maps(images)], lambda maps: self.classify(self._pool(maps)))

    def finest_head(self) -> nn.Linear:
        """Return the linear layer by which the classifier of all stages tells the finest labels apart."""
        return self.whole.finest_head()

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return the steps of the three stages, then that of all on the whole image."""
        return (*(partial(self._stage_step, stage) for stage in range(len(BLOCKS))), self._whole_step)

    def _stage_step(
        self, stage: int, images: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        def answer(mixed: Tensor) -> list[Tensor]:
            map_ = self.blocks[stage](self.backbone.maps(mixed)[stage - len(BLOCKS)])
            return cast(list[Tensor], self.classifiers[stage](self.backbone.pool_map(map_)))

        mixed = jigsaw(images, BLOCKS[stage])
        loss, hits = loss_and_hits(answer, mixed, targets, share, objective, finest_only=self.finest_only)
        return loss, torch.zeros_like(hits)  # right or wrong is the answer to the whole image

    def _whole_step(
        self, images: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        def answer(images: Tensor) -> list[Tensor]:
            return cast(list[Tensor], self.whole(self.embed(images)))

        loss, hits = loss_and_hits(answer, images, targets, share, objective, finest_only=self.finest_only)
        return WHOLE_IMAGE * loss, hits

    def _maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the three stages, each after its own convolutions."""
        maps = self.backbone.maps(images)[-len(self.blocks) :]
        return [block(map_) for block, map_ in zip(self.blocks, maps, strict=True)]

    def _pool(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([self.backbone.pool_map(map_) for map_ in maps], dim=1)
