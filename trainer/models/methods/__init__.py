"""What wraps backbone and heads into a network that answers at every level.

A network has two halves, so that a frozen backbone needs to see each image only once:
``embed`` (images to pooled features) and ``classify`` (pooled features to the logits of every level).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from trainer.models.backbones import Backbone, load_weights
from trainer.models.heads import Classifier, DisentangledHeads, Neck, SharedHeads
from trainer.models.methods.multi import MultiNetwork
from trainer.models.methods.single import SingleNetwork

ONE_LABEL_WIDTH, MANY_LABELS_WIDTH = 512, 600  # hidden units of f; the paper, section 5

HEADS: dict[str, Callable[[int, Sequence[int]], nn.Module]] = {
    "ours": partial(DisentangledHeads, reinforce=True),
    "ours_single": partial(DisentangledHeads, reinforce=False),
    "vanilla_single": SharedHeads,
    "vanilla_multi": SharedHeads,
}

Network = SingleNetwork | MultiNetwork


def build_network(
    method: str, backbone: str, sizes: Sequence[int], *, weights: str = "none", frozen: bool = False
) -> Network:
    """Build the network of a method.

    Parameters
    ----------
    method
        One of `trainer.config.METHODS`.
    backbone
        torchvision's name of the network whose trunk to use.
    sizes
        The number of labels of each level, coarsest first.
    weights
        See `trainer.models.backbones.load_weights`.
    frozen
        Whether the backbone stays as it is; the K backbones of ``vanilla_multi`` are then one.
    """
    trunks = [Backbone(backbone) for _ in range(len(sizes) if method == "vanilla_multi" and not frozen else 1)]
    for trunk in trunks:
        load_weights(trunk, weights)
        trunk.requires_grad_(not frozen)
    if method == "vanilla_multi":
        return MultiNetwork(trunks, [_classifier(HEADS[method], trunks[0].width, [size]) for size in sizes])
    return SingleNetwork(trunks[0], _classifier(HEADS[method], trunks[0].width, sizes))


def _classifier(heads: Callable[[int, Sequence[int]], nn.Module], in_features: int, sizes: Sequence[int]) -> Classifier:
    width = MANY_LABELS_WIDTH if len(sizes) > 1 else ONE_LABEL_WIDTH
    return Classifier(Neck(in_features, width), heads(width, sizes))
