"""torchvision's classification networks as backbones."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import ResNet, WeightsEnum, get_model, get_model_weights, list_models
from torchvision.models.resnet import BasicBlock

from taxonomy import HiertaxError
from trainer.models.backbones.interface import IMAGENET, Backbone, Preprocessing

CLASSIFIER_NAMES = ("avgpool", "fc", "classifier", "head", "flatten")
PROBE = 96  # pixels per side of the image that tells what maps a network gives


class TorchvisionBackbone(Backbone):
    """What stands before the pooling and the classifier of a torchvision network, by torchvision's own names.

    `name` may also be ``resnet10``, one basic block per stage, which is small enough to learn from scratch on a CPU.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        for child_name, child in _trunk(name).items():
            self.add_module(child_name, child)
        self.name = name
        shapes = self._probe()
        self.stage_ends = _stage_ends(shapes)
        self.widths = tuple(shapes[end][1] for end in self.stage_ends)
        published = _published(name)
        self.preprocessing = IMAGENET if published is None else _preprocessing(published)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the features of each stage, ``[B, widths[i], h_i, w_i]``."""
        maps = []
        for i, block in enumerate(self._blocks()):
            images = block(images)
            if i in self.stage_ends:
                maps.append(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``, keeping no others."""
        for block in self._blocks():
            images = block(images)
        return images

    def published_weights(self) -> dict[str, Tensor]:
        """Return torchvision's first ImageNet-1k weights, those of the paper's time.

        Raises
        ------
        HiertaxError
            If there are none, or they cannot be downloaded.
        """
        weights = _published(self.name)
        if weights is None:
            raise HiertaxError(
                f"`weights` imagenet: torchvision has none for {self.name}; give `weights` a file, or `weights` none"
            )
        try:
            with redirect_stdout(sys.stderr):  # where progress belongs
                state: dict[str, Tensor] = weights.get_state_dict(progress=True)
        except (OSError, RuntimeError) as error:
            raise HiertaxError(
                f"`weights` imagenet: the weights of {self.name} could not be downloaded ({error}); "
                "give `weights` a file that you have, or `weights` none"
            ) from None
        return state

    def _blocks(self) -> Iterator[nn.Module]:
        """Yield what images pass one after the other, each small enough to end no more than one stage."""
        for child in self.children():
            if isinstance(child, nn.Sequential) and type(child).forward is nn.Sequential.forward:
                yield from child
            else:
                yield child

    @torch.no_grad()
    def _probe(self) -> list[torch.Size]:
        """Ask the network itself for the shape of what each of its blocks gives."""
        self.eval()
        features, shapes = torch.zeros(1, 3, PROBE, PROBE), []
        try:
            for block in self._blocks():
                features = block(features)
                shapes.append(features.shape)
        except (RuntimeError, TypeError, AttributeError, AssertionError):
            shapes = []
        if not shapes or len(shapes[-1]) != 4:
            raise HiertaxError(
                f"`backbone` {self.name}: it yields no feature map; try resnet50, mobilenet_v2 or convnext_tiny"
            )
        self.train()
        return shapes


def _trunk(name: str) -> OrderedDict[str, nn.Module]:
    if name == "resnet10":
        network = ResNet(BasicBlock, [1, 1, 1, 1])
    elif name in list_models(module=models):  # without detection and the like, which download a backbone
        network = get_model(name, weights=None)
    else:
        raise HiertaxError(
            f"`backbone` {name}: torchvision has no such classification network; try resnet50 or mobilenet_v2"
        )
    children = OrderedDict(network.named_children())
    for classifier in CLASSIFIER_NAMES:
        while classifier in children:
            children.popitem()
    return children


def _stage_ends(shapes: Sequence[torch.Size]) -> list[int]:
    """Return the last block at a quarter of the image's resolution, at an eighth, and so on.

    Where blocks give something else than maps ``[B, C, h, w]``, as transformers do, only the last block counts.
    """
    last = len(shapes) - 1
    ends: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        if len(shape) != 4 or shape[2] != shape[3]:
            return [last]
        ends[round(math.log2(PROBE / shape[2]))] = i
    return [end for halvings, end in ends.items() if halvings >= 2 or end == last]


def _published(name: str) -> WeightsEnum | None:
    try:
        weights: WeightsEnum = get_model_weights(name)["IMAGENET1K_V1"]
    except (ValueError, KeyError):
        return None
    return weights


def _preprocessing(weights: WeightsEnum) -> Preprocessing:
    transform = weights.transforms()
    size, filtered = transform.crop_size[0], transform.interpolation.value
    return Preprocessing(tuple(transform.mean), tuple(transform.std), size, filtered)
