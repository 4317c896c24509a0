"""What the network of every method is: it answers at every level, and says by which steps it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.backbones.interface import IMAGENET, Backbone, Preprocessing
from trainer.models.losses import Objective, loss_and_hits

# From a batch to its loss and the right answers of every level ``[K]``. The arguments are normalised images
# ``[B, 3, S, S]`` or what `Network.embed` makes of them, targets int64 ``[B, K]``, of mixed images their share, and
# what is asked of the answers.
TrainingStep = Callable[[Tensor, Tensor, "Tensor | None", Objective], tuple[Tensor, Tensor]]

Named = tuple[str, nn.Parameter]

HEADS, BACKBONE = "heads", "backbone"  # what a group of parameters is part of


class Look(NamedTuple):
    """A feature map by which images are answered, and which part of each image it is of."""

    map: Tensor
    """``[B, W, h, w]``; it is pooled to one vector that classifiers read."""
    boxes: Tensor | None = None
    """``[B, 4]``: left, top, right, bottom in pixels of the image, beyond which it may reach; None for all of it."""


class Seen(NamedTuple):
    """All feature maps by which a network answers, and how: what its answers are explained by."""

    looks: Sequence[Look]
    answer: Callable[[Sequence[Tensor]], list[Tensor]]
    """From the maps of these looks to K logits ``[B, C_k]``, those of `Network.forward`."""


class Network(nn.Module):
    """A network that answers at every level; each method's is a subclass.

    It has two halves, so that a frozen backbone needs to see each image only once: `embed` (images to pooled features)
    and `classify` (pooled features to the logits of every level). What is not overridden is what most methods do.

    Attributes
    ----------
    can_freeze
        Whether it can learn from what `embed` has computed once, which a method whose steps look at views of the
        images of their own cannot.
    uses_all_parameters
        Whether every parameter has a part in the loss of every training step.
    finest_only
        Whether it learns labels of the finest level alone, and answers at coarser ones by what stands above them.
    """

    can_freeze = True
    uses_all_parameters = True
    finest_only = False

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbones; the last one serves the finest level."""
        return ()

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``."""
        raise NotImplementedError

    def classify(self, pooled: Tensor) -> list[Tensor]:
        """Map what `embed` returns to K logits ``[B, C_k]``, coarsest level first."""
        raise NotImplementedError

    def finest_head(self) -> nn.Linear:
        """Return the linear layer that tells the finest labels apart, one row of weights for each."""
        raise NotImplementedError

    def finest_backbone(self) -> Backbone:
        """Return the backbone that serves the finest level."""
        return self.trunks()[-1]

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Map normalised images, or what `embed` makes of them, to K logits ``[B, C_k]``, coarsest level first."""
        return self.classify(self.embed(inputs) if inputs.dim() == 4 else inputs)

    def see(self, images: Tensor) -> Seen:
        """Return the last feature maps by which normalised images ``[B, 3, S, S]`` are answered: of each backbone one.

        Raises
        ------
        HiertaxError
            If answers are not read from maps, but from a class token.
        """
        trunks = self.trunks()
        for trunk in trunks:
            check_map(trunk)

        def answer(maps: Sequence[Tensor]) -> list[Tensor]:
            pooled = [trunk.pool_map(map_) for trunk, map_ in zip(trunks, maps, strict=True)]
            return self.classify(torch.cat(pooled, dim=1))

        return Seen([Look(trunk(images)) for trunk in trunks], answer)

    def training_steps(self) -> Sequence[TrainingStep]:
        """Return what is done with a batch, one after the other; after each the optimiser moves the weights.

        Random numbers that a step draws, on its inputs' device, are decided by the run's seed: a resume draws the same.
        Loss and right answers of a batch are the sums of those of its steps.
        """
        return (partial(loss_and_hits, self, finest_only=self.finest_only),)

    def parameter_groups(self, config: Config) -> list[dict[str, Any]]:
        """Return what an optimiser takes: named parameters in groups, each with its peak learning rate ``lr``.

        Backbones have a lower rate of their own (the paper, section 5), which their groups say by ``part``; frozen ones
        are left out.
        """
        low = {id(parameter) for trunk in self.trunks() for parameter in trunk.parameters()}
        named = [(name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad]
        backbone = [pair for pair in named if id(pair[1]) in low]
        rest = [pair for pair in named if id(pair[1]) not in low]
        groups = [{"params": rest, "lr": config.learning_rate, "part": HEADS}]
        if config.layer_decay == 1:
            by_depth = {0: backbone} if backbone else {}
        else:
            by_depth = _by_depth(backbone, self.trunks())
        rates = {depth: config.backbone_learning_rate * config.layer_decay**depth for depth in by_depth}
        return groups + [
            {"params": by_depth[depth], "lr": rates[depth], "part": BACKBONE} for depth in sorted(by_depth)
        ]

    @property
    def preprocessing(self) -> Preprocessing:
        """How its images are normalised."""
        return self.trunks()[-1].preprocessing if self.trunks() else IMAGENET


def check_map(backbone: Backbone) -> None:
    """Refuse a backbone whose last map nothing is read from.

    Raises
    ------
    HiertaxError
        If it gives its class token.
    """
    if backbone.pool == "token":
        raise HiertaxError(
            f"`backbone` {backbone.name}: with `pool` token a head reads no map, so there is none to show; "
            "train with `pool` avg or max"
        )


def _by_depth(named: Iterable[Named], trunks: Iterable[Backbone]) -> dict[int, list[Named]]:
    """Group parameters of backbones by how many blocks come after theirs; those of no block, as a pooling, by 0."""
    depths: dict[int, int] = {}
    for trunk in trunks:
        parameters, blocks = dict(trunk.named_parameters()), trunk.parameter_blocks()
        depths |= {id(parameters[name]): depth for depth, block in enumerate(reversed(blocks)) for name in block}
    groups: dict[int, list[Named]] = {}
    for name, parameter in named:
        groups.setdefault(depths.get(id(parameter), 0), []).append((name, parameter))
    return groups


class Steps(nn.Module):
    """The training steps of a network by number, as one module.

    Several processes add up gradients of what goes through one module's call: through this one goes all that a step
    computes, whatever parts of the network it takes.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, number: int, inputs: Tensor, targets: Tensor, share: Tensor | None, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        """Return what the step of that number does."""
        return self.network.training_steps()[number](inputs, targets, share, objective)
