"""torchvision's classification networks as backbones."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import (
    MaxVit,
    ResNet,
    SwinTransformer,
    VisionTransformer,
    WeightsEnum,
    get_model,
    get_model_weights,
    list_models,
)
from torchvision.models.resnet import BasicBlock
from torchvision.models.vision_transformer import interpolate_embeddings

from taxonomy import HiertaxError
from trainer.models.backbones.blocks import group_by_block, is_plain, parts_of
from trainer.models.backbones.interface import GEM, IMAGENET, Backbone, Preprocessing
from trainer.models.backbones.probing import UNSUITED, probe

CLASSIFIER_NAMES = ("avgpool", "fc", "classifier", "head", "heads", "flatten")
AUXILIARY_NAMES = ("AuxLogits", "aux1", "aux2")  # classifiers of inner layers, for training alone
PROBE = 96  # pixels per side of the image that tells what maps a network gives that takes any size
REMAPPING = ("inception_v3", "googlenet")  # whose weights are of a network that first brings ImageNet's to 0.5
SETTINGS: dict[str, Callable[[int], dict[str, Any]]] = {  # by what names begin with, for an image size
    "vit_": lambda size: {"image_size": size},
    "maxvit_": lambda size: {"input_size": (size, size)},
    "inception_v3": lambda _: {"init_weights": True},
    "googlenet": lambda _: {"init_weights": True},
}


def torchvision_backbone(name: str) -> Callable[[int], Backbone]:
    """Return what builds the trunk of a torchvision network, or of ``resnet10``, for images of a size.

    Raises
    ------
    HiertaxError
        If there is no such network.
    """
    if name != "resnet10" and name not in list_models(module=models):  # which omits detection and the like
        raise HiertaxError(
            f"`backbone` {name}: torchvision has no such classification network; try resnet50, mobilenet_v2 or, "
            "of another library, timm/NAME"
        )
    return partial(VisionTransformerBackbone if name.startswith("vit_") else TorchvisionBackbone, name)


class TorchvisionBackbone(Backbone):
    """What stands before the pooling and the classifier of a torchvision network, by torchvision's own names.

    `name` may also be ``resnet10``, one basic block per stage, which is small enough to learn from scratch on a CPU.

    As images pass its parts one after the other, what a network computes between parts is left out: of the DenseNets
    the last ReLU.
    """

    def __init__(self, name: str, image_size: int = 224) -> None:
        super().__init__()
        network = _network(name, image_size)
        for child_name, child in _trunk(network).items():
            self.add_module(child_name, child)
        self.name, self.image_size = name, image_size
        self.preprocessing = _preprocessing(name)
        self._find_stages(network)

    def _find_stages(self, network: nn.Module) -> None:
        """Ask the network itself for the shape of what each of its blocks gives."""
        size = self.image_size if isinstance(network, MaxVit) else PROBE
        shapes = probe(self, self._shapes, size)
        self.channels_last = isinstance(network, SwinTransformer)
        if self.channels_last:  # all but the last part, which turns the map round
            shapes = [torch.Size((b, c, h, w)) for b, h, w, c in shapes[:-1]] + shapes[-1:]
        self.stage_ends = _stage_ends(shapes, size)
        self.widths = tuple(shapes[end][1] for end in self.stage_ends)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the features of each stage, ``[B, widths[i], h_i, w_i]``."""
        maps = []
        for i, block in enumerate(self._blocks()):
            images = block(images)
            if i in self.stage_ends:
                turned = self.channels_last and i != self.stage_ends[-1]
                maps.append(images.permute(0, 3, 1, 2) if turned else images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``, keeping no others."""
        for block in self._blocks():
            images = block(images)
        return images

    def published_weights(self) -> dict[str, Tensor]:
        """Return torchvision's first ImageNet-1k weights, mostly those of the paper's time.

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
        for name, child in self.named_children():
            if isinstance(child, nn.ModuleList) or is_plain(child):
                yield from cast(Iterable[nn.Module], child)
            elif name != GEM:
                yield child

    @torch.no_grad()
    def _shapes(self, images: Tensor) -> list[torch.Size]:
        """Return the shape of what each block gives."""
        shapes = []
        for block in self._blocks():
            images = block(images)
            shapes.append(images.shape)
        return shapes


class VisionTransformerBackbone(TorchvisionBackbone):
    """A vision transformer of torchvision's: its last tokens as a map, the class token beside it."""

    has_class_token = True

    def _find_stages(self, network: nn.Module) -> None:
        if not isinstance(network, VisionTransformer):
            raise TypeError(f"{self.name} is no vision transformer")
        self.class_token, self.patch_size = network.class_token, network.patch_size
        self.widths = (network.hidden_dim,)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the last features alone, ``[B, width, h, w]``."""
        return [self(images)]

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``, one for each patch."""
        side = images.shape[-1] // self.patch_size
        map_: Tensor = self._tokens(images)[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        return map_

    def class_token_of(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to their class token after the last layer, ``[B, width]``."""
        return self._tokens(images)[:, 0]

    def parameter_blocks(self) -> list[list[str]]:
        """Return the names of the parameters of each block: the patches' embedding, then one layer each."""
        encoder = self.get_submodule("encoder")
        return group_by_block(
            self.named_network_parameters(), parts_of((self.get_submodule("conv_proj"), *encoder.children()))
        )

    def adapted(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights with position embeddings resized to the grid of this network's patches."""
        try:
            resized: Mapping[str, Tensor] = interpolate_embeddings(
                self.image_size, self.patch_size, OrderedDict(state), interpolation_mode="bicubic"
            )
        except (KeyError, *UNSUITED):
            return state
        return resized

    def _tokens(self, images: Tensor) -> Tensor:
        """Map normalised images to the tokens after the last layer, ``[B, 1 + h * w, width]``."""
        patches = self.get_submodule("conv_proj")(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(images.shape[0], -1, -1), patches], dim=1)
        encoded: Tensor = self.get_submodule("encoder")(tokens)
        return encoded


def _network(name: str, image_size: int) -> nn.Module:
    if name == "resnet10":
        return cast(nn.Module, ResNet(BasicBlock, [1, 1, 1, 1]))
    settings = next((make(image_size) for start, make in SETTINGS.items() if name.startswith(start)), {})
    return cast(nn.Module, get_model(name, weights=None, **settings))


def _trunk(network: nn.Module) -> OrderedDict[str, nn.Module]:
    children = OrderedDict(network.named_children())
    for classifier in CLASSIFIER_NAMES:
        while classifier in children:
            children.popitem()
    return OrderedDict((name, child) for name, child in children.items() if name not in AUXILIARY_NAMES)


def _stage_ends(shapes: Sequence[torch.Size], size: int) -> list[int]:
    """Return the last block at a quarter of the image's resolution, at an eighth, and so on.

    Where blocks give something else than maps ``[B, C, h, w]`` only the last block counts.
    """
    last = len(shapes) - 1
    ends: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        if len(shape) != 4 or shape[2] != shape[3]:
            return [last]
        ends[round(math.log2(size / shape[2]))] = i
    return [end for halvings, end in ends.items() if halvings >= 2 or end == last]


def _published(name: str) -> WeightsEnum | None:
    """Return torchvision's first ImageNet-1k weights; of the two networks without such, those at 224 px."""
    try:
        known = get_model_weights(name).__members__
    except ValueError:
        return None
    return known.get("IMAGENET1K_V1", known.get("IMAGENET1K_SWAG_LINEAR_V1"))


def _preprocessing(name: str) -> Preprocessing:
    """Return how images were prepared for the weights that torchvision publishes."""
    weights = _published(name)
    if weights is None:
        return IMAGENET
    transform = weights.transforms()
    mean, std = tuple(transform.mean), tuple(transform.std)
    if name in REMAPPING:
        mean = std = (0.5, 0.5, 0.5)
    size = transform.crop_size[0]
    return Preprocessing(mean, std, size, transform.interpolation.value, size / transform.resize_size[0])
