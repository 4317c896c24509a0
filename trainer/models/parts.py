"""A network that looks at parts of an image which it chooses itself (NTS-Net: Yang et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone
from trainer.models.backbones.probing import UNSUITED, probe
from trainer.models.heads import Classifier
from trainer.models.losses import UNKNOWN, Objective, count_hits, multi_level_loss
from trainer.models.network import Look, Network, Seen, TrainingStep, check_map
from trainer.models.proposals import Navigator, anchor_boxes, best_apart, cut_out, ranking_loss

PROPOSED, READ = 6, 4  # parts of an image to learn from, and those of them by which it is answered
PART = 224  # pixels per side that parts are resized to, unless images are smaller


class PartNetwork(Network):
    """One backbone that sees the image and the parts that a navigator chooses, and a classifier of them together.

    In its one training step the classifier of single parts, the teacher, says how sure it is of the truth by each part,
    and the navigator learns to score the parts in this order.

    Parameters
    ----------
    new_classifier
        Makes a classifier of vectors of a width.
    ranking_levels
        How many of the finest levels the loss of a part counts by which parts are ranked.

    Raises
    ------
    HiertaxError
        If the backbone does not take parts of images, being made for another size.
    """

    can_freeze = False

    def __init__(
        self, backbone: Backbone, new_classifier: Callable[[int], Classifier], *, ranking_levels: int = 1
    ) -> None:
        super().__init__()
        _check_parts(backbone)
        self.backbone, self.ranking_levels = backbone, ranking_levels
        self.navigator = Navigator(backbone.width)
        self.whole, self.part = (new_classifier(backbone.width) for _ in range(2))
        self.together = new_classifier((READ + 1) * backbone.width)
        self.finest_only = self.together.finest_only

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbone."""
        return (self.backbone,)

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to features of the best parts and of the whole, ``[B, 5 W]``."""
        map_, whole = self.backbone.map_and_pooled(images)
        _, parts = self._parts(images, map_, READ)
        return torch.cat([parts.flatten(1), whole], dim=1)

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map what `embed` returns to K logits ``[B, C_k]``."""
        logits: list[Tensor] = self.together(pooled)
        return logits

    def see(self, images: Tensor) -> Seen:
        """Return the maps of the parts that it answers by and of the whole image.

        Which parts these are is taken as given: the scores by which they are chosen send no gradient to the map.

        Raises
        ------
        HiertaxError
            As of `Network.see`.
        """
        check_map(self.backbone)
        whole: Tensor = self.backbone(images)
        _, boxes = self._choose(images, whole, READ)
        parts = self.backbone(self._cut(images, boxes)).unflatten(0, boxes.shape[:2])
        looks = [*map(Look, parts.unbind(1), boxes.unbind(1)), Look(whole)]
        return Seen(looks, lambda maps: self.classify(torch.cat([self.backbone.pool_map(m) for m in maps], dim=1)))

    def finest_head(self) -> nn.Linear:
        """Return the linear layer that tells the finest labels apart."""
        return self.together.finest_head()

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return the one step: whole image, parts, all together, and the order of the parts."""
        return (self._step,)

    def _step(
        self, images: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        map_, whole = self.backbone.map_and_pooled(images)
        scores, parts = self._parts(images, map_, PROPOSED)
        logits = self.classify(torch.cat([parts[:, :READ].flatten(1), whole], dim=1))
        of_parts = self.part(parts.flatten(0, 1))
        # Each part counts as an image; the partner of a mixed image's part is one of its partner.
        repeated = targets.repeat_interleave(PROPOSED, 0)
        shares = None if share is None else share.repeat_interleave(PROPOSED)
        worth = partial(multi_level_loss, objective=objective, finest_only=self.finest_only)
        learned = worth(self.whole(whole), targets, share) + worth(logits, targets, share)
        taught = worth(of_parts, repeated, shares)
        order = self._losses(of_parts, repeated, shares).view(scores.shape)
        return learned + taught + ranking_loss(scores, order), count_hits(logits, targets)

    def _parts(self, images: Tensor, map_: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the scores of the best parts of each image, ``[B, count]``, and their features ``[B, count, W]``."""
        scores, boxes = self._choose(images, map_, count)
        return scores, self.backbone.pooled(self._cut(images, boxes)).unflatten(0, boxes.shape[:2])

    def _choose(self, images: Tensor, map_: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the scores of the best parts of each image, ``[B, count]``, and their boxes ``[B, count, 4]``."""
        scores: Tensor = self.navigator(map_.detach())
        boxes = anchor_boxes(images.shape[-1], map_.shape[-1], images.device)
        best = best_apart(boxes, scores, count)
        return scores.gather(1, best).float(), boxes[best]

    def _cut(self, images: Tensor, boxes: Tensor) -> Tensor:
        return cut_out(images, boxes, min(images.shape[-1], PART))

    @torch.no_grad()
    def _losses(self, logits: list[Tensor], targets: Tensor, share: Tensor | None) -> Tensor:
        """Return what ranks parts, ``[B]``: their loss at the finest level, or at several; 0 of unknown labels."""
        total = torch.zeros(len(targets), device=targets.device)
        for z, own in zip(logits[-self.ranking_levels :], targets.T[-self.ranking_levels :], strict=True):
            loss = partial(cross_entropy, z.float(), ignore_index=UNKNOWN, reduction="none")
            total += loss(own) if share is None else share * loss(own) + (1 - share) * loss(own.flip(0))
        return total


def _check_parts(backbone: Backbone) -> None:
    """Refuse a network that takes images of one size only, of another than parts have."""
    if backbone.image_size <= PART:
        return
    try:
        with torch.no_grad():
            probe(backbone, backbone.pooled, PART)
    except UNSUITED:
        raise HiertaxError(
            f"`backbone` {backbone.name}: made for {backbone.image_size} px, it takes no parts of images of {PART} px; "
            f"try resnet50, or `image_size` {PART}"
        ) from None
