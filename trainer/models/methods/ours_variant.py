"""The paper's Ours with one thing changed, by its option `variant`; see `trainer.models.variants`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, Levels
from trainer.models.losses import PLAIN, Objective, loss_and_hits
from trainer.models.network import Network, TrainingStep
from trainer.models.single import NeckOptions, SingleNetwork, build_classifier
from trainer.models.variants import Name, variant_of


@dataclass(frozen=True)
class Options(NeckOptions):
    """What can be asked for beside the recipe."""

    variant: Annotated[Name, Meta(description="What differs from Ours.")] = "gated"
    strength: (
        Annotated[float, Meta(ge=0, le=1000, description="The variant's number, where it takes one; else its own.")]
        | None
    ) = None


class VariantNetwork(SingleNetwork):
    """A shared backbone under a classifier of all K levels, with losses of its own.

    Parameters
    ----------
    finest, joint
        As of `trainer.models.variants.change.Change`.
    """

    def __init__(
        self, backbone: Backbone, classifier: Classifier, finest: nn.Module | None, joint: nn.Module | None
    ) -> None:
        super().__init__(backbone, classifier)
        self.finest, self.joint = finest, joint

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return the one step."""
        return (self._step,)

    def _step(
        self, inputs: Tensor, targets: Tensor, share: Tensor | None, objective: Objective = PLAIN
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the right answers of every level, ``[K]``."""
        own = objective._replace(finest=self.finest, joint=self.joint)
        return loss_and_hits(self, inputs, targets, share, own)


def build(levels: Levels, new_backbone: Callable[[], Backbone], options: Options, *, frozen: bool) -> Network:  # noqa: ARG001
    """Build one backbone under the heads of the variant.

    Raises
    ------
    HiertaxError
        If a strength is given to a variant that takes none.
    """
    variant = variant_of(options.variant)
    if variant.STRENGTH is None and options.strength is not None:
        raise HiertaxError(f"`method_options` strength: {options.variant} takes none; leave it out")
    strength = (variant.STRENGTH or 0.0) if options.strength is None else options.strength
    change, backbone = variant.change(levels, strength), new_backbone()
    classifier = build_classifier(change.heads, backbone.width, levels.sizes, options)
    return VariantNetwork(backbone, classifier, change.finest, change.joint)
